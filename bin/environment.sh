# Sourced by the launchers of this folder: finds Python, makes environments, installs Debian packages.
#
# An environment is made out of a requirements file, in a folder with a name of its own (.venv.Xa81kQ), where it stays: the
# programs in its bin/ name that folder. `.venv` is a link to it, put there last, when the environment is complete and
# holds a copy of its requirements: a start that finds the same requirements has nothing to do. Anything else (missing,
# interrupted, out of date, its Python gone) makes a new one and turns the link, so a failure leaves the old one.

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
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    install_missing
    say "making the environment $1 out of $2; a first start does this, and one after an update"
    remove_all_but_current "$1"
    new=$(mktemp -d "$root/$1.XXXXXX") && chmod 755 "$new" || die "the environment could not be made"
    "$python" -m venv "$new" >&2 || die "the environment could not be made"
    "$new/bin/python" -m pip --disable-pip-version-check install --no-input --progress-bar off \
        --require-hashes -r "$root/$2" >&2 || die "the packages of $2 could not be installed; the reason stands above"
    cp "$root/$2" "$new/requirements.txt"
    ln -s "${new##*/}" "$new.link"
    if [ -d "$root/$1" ] && [ ! -L "$root/$1" ]; then mv "$root/$1" "$root/$1.old"; fi # a folder, as older versions made it
    mv -T "$new.link" "$root/$1"
    remove_all_but_current "$1"
    say "the environment is ready"
}

# remove_all_but_current ENVIRONMENT: what interrupted starts and earlier requirements have left.
remove_all_but_current() {
    for each in "$root/$1".*; do
        if [ "$each" -ef "$root/$1" ]; then continue; fi
        rm -rf "$each"
    done
}

# Sets python to the file of a Python 3.11 or later: the one behind any environment that happens to be active.
find_python() {
    if search_python; then return; fi
    [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || install_from_debian python3 python3-venv
    search_python || die "Python 3.11 or later is needed; install it with: sudo apt-get install python3 python3-venv"
}

search_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        python=$(command -v "$name") || continue
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
        python=$(readlink -f -- "$python")
        return 0
    done
    return 1
}

missing=

# want COMMAND PACKAGE: notes the Debian package if nothing has that command; install_missing then installs all at once.
want() {
    command -v "$1" >/dev/null || missing="$missing $2"
}

# want_library NAME PACKAGE: the same for a shared library.
want_library() {
    for each in /usr/lib/*/"$1"; do
        if [ -e "$each" ]; then return; fi
    done
    missing="$missing $2"
}

# want_without_service COMMAND PACKAGE [SERVICE]: installs a package that brings a service, which is neither started nor
# enabled, unless it was there before. COMMAND may be any file as well; SERVICE is needed where it is named otherwise.
# For anybody but root it is noted, as by `want`, so that all that is missing is told at once.
want_without_service() {
    if command -v "$1" >/dev/null || [ -e "$1" ]; then return; fi
    if [ "$(id -u)" != 0 ]; then
        missing="$missing $2"
        return
    fi
    service=${3:-$2}.service
    policy=/usr/sbin/policy-rc.d
    forbidden=
    known=
    ! command -v systemctl >/dev/null || ! systemctl cat "$service" >/dev/null 2>&1 || known=1
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        forbidden=1
    fi
    installed=0
    (install_from_debian "$2") || installed=$?
    [ -z "$forbidden" ] || rm -f "$policy"
    [ "$installed" = 0 ] || exit "$installed"
    [ -n "$known" ] || ! command -v systemctl >/dev/null || systemctl disable "$service" >&2 || :
}

install_missing() {
    # shellcheck disable=SC2086 # one word for each package
    [ -z "$missing" ] || install_from_debian $missing
    missing=
}

# install_from_debian PACKAGE...: as root; for anybody else one line that says what to install.
install_from_debian() {
    [ "$(id -u)" = 0 ] || die "this machine lacks $*; install with: sudo apt-get install --no-install-recommends $*"
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
