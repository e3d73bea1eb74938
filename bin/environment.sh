# Sourced by the launchers of this folder: finds Python, makes environments, installs Debian packages.
#
# An environment is a folder made out of a requirements file. It is complete when it holds a copy of the requirements
# that it was made of, which is put there last: a start that finds the same requirements has nothing to do. Anything else
# (missing, interrupted, out of date, its Python gone) makes a new one and swaps the two, so a failure leaves the old one.

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$@"
    exit 1
}

# ensure_environment FOLDER REQUIREMENTS: both inside the checkout. Starts that race wait for the first one.
ensure_environment() {
    if is_complete "$1" "$2"; then return; fi
    [ -w "$root" ] || die "the environment $1 must be made or renewed, and this user may not write to $root"
    exec 9<"$root"
    flock -n 9 || {
        say "waiting for another start that makes an environment"
        flock 9
    }
    is_complete "$1" "$2" || make_environment "$1" "$2"
    exec 9<&-
}

is_complete() {
    [ -x "$root/$1/bin/python" ] && cmp -s "$root/$2" "$root/$1/requirements.txt"
}

make_environment() {
    find_python
    say "making the environment $1 out of $2; a first start does this, and one after an update"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_from_debian python3-venv
    rm -rf "$root/$1.new" "$root/$1.old"
    "$python" -m venv "$root/$1.new" >&2 || die "the environment could not be made"
    "$root/$1.new/bin/python" -m pip --disable-pip-version-check install --no-input --progress-bar off \
        --require-hashes -r "$root/$2" >&2 || die "the packages of $2 could not be installed; the reason stands above"
    cp "$root/$2" "$root/$1.new/requirements.txt"
    if [ -e "$root/$1" ]; then mv "$root/$1" "$root/$1.old"; fi
    mv "$root/$1.new" "$root/$1"
    rm -rf "$root/$1.old"
    say "the environment is ready"
}

# Sets python to the file of a Python 3.11 or later: the one behind any environment that happens to be active.
find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        python=$(command -v "$name") || continue
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
        python=$(readlink -f -- "$python")
        return
    done
    die "Python 3.11 or later is needed; install it with: apt-get install python3"
}

# install_from_debian PACKAGE...: as root; for anybody else one line that says what to install.
install_from_debian() {
    [ "$(id -u)" = 0 ] || die "this machine lacks $*; install with: sudo apt-get install $*"
    command -v apt-get >/dev/null || die "this machine lacks $*, and has no apt-get to install it"
    say "installing $* from Debian"
    apt_install "$@" || { apt-get -q update >&2 && apt_install "$@"; } || die "apt-get could not install $*"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" >&2
}

# run_module ENVIRONMENT MODULE ARGUMENT...: becomes that module. The checkout, not the current folder, is searched.
run_module() {
    environment=$1
    module=$2
    shift 2
    export PYTHONPATH="$root"
    exec "$root/$environment/bin/python" -P -m "$module" "$@"
}
