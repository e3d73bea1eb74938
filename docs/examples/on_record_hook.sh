#!/bin/sh
# What wcsd runs for each finished file, when the setting on_record_hook_script names this program:
# it copies the file to where a web server finds it.
#
#   $1  the stream's name: any text that a page has chosen
#   $2  the file, by its absolute path
#
# Both are quoted wherever they are used, and nothing is ever made of them that a shell reads again (eval, sh -c).
# "--" ends the options: a name may begin with "-".

set -eu

stream=$1
file=$2
target=${RECORDS_TARGET:-/var/www/html/stream_records}

mkdir -p -- "$target"
# Under another name first, so that nobody fetches half a file.
name=$(basename -- "$file")
cp -- "$file" "$target/.$name.part"
mv -- "$target/.$name.part" "$target/$name"
printf '%s %s\n' "$name" "$(printf %s "$stream" | tr '[:cntrl:]' '?')" >>"$target/index.txt"
