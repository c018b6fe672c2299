#!/bin/sh
# Takes out of this system what must not be in its copies. POSIX shell and the standard tools only: guests have
# nothing else in common. Says how each operation ended in a line that begins with `generalize:`.
set -u
umask 022
# a session without a terminal may lack the administrator's folders
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL

# where the system is: in a guest always /, in tests a folder
root=${GENERALIZE_ROOT:-}
self=$0
newline='
'

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    for become in sudo doas; do
        ! command -v $become >/dev/null || exec $become -n sh "$self"
    done
    echo "generalizing needs root, and there is neither sudo nor doas" >&2
    exit 1
fi

# mount points, one a line: what `mount` says on Linux (`DEVICE on POINT type TYPE (...)`) and BSD (`DEVICE on POINT (...)`)
mounts=$newline$(mount 2>/dev/null | sed -e 's|^.* on /|/|' -e 's/ type [^ ]* (.*$//' -e 's/ ([^(]*$//')$newline

# holds_mount PATH: whether it is, or has below it, a file system of its own
holds_mount() {
    case $mounts in
        *"$newline$1$newline"* | *"$newline$1/"*) return 0 ;;
    esac
    return 1
}

# remove PATH...: those that exist. What is mounted stays: it is not in the image, and may be the host's.
remove() {
    for path do
        shift
        [ -e "$path" ] || [ -L "$path" ] || continue
        holds_mount "$path" || set -- "$@" "$path"
    done
    [ $# -gt 0 ] || return 0
    count=$((count + $#))
    rm -rf "$@" || failed=1
}

# empty FILE...: cut to nothing in place, which keeps its owner, and those who have it open writing to it
empty() {
    for path do
        [ -f "$path" ] && [ -s "$path" ] && [ ! -L "$path" ] || continue
        count=$((count + 1))
        true >"$path" || failed=1
    done
}

# drop_lines PATTERN FILE...: takes out the lines that match
drop_lines() {
    pattern=$1
    shift
    for path do
        [ -f "$path" ] && grep -q "$pattern" "$path" || continue
        count=$((count + 1))
        kept=$(grep -v "$pattern" "$path")
        printf '%s\n' "$kept" >"$path" || failed=1
    done
}

# write FILE: from standard input, with the folder that it is in
write() {
    mkdir -p "${1%/*}" && cat >"$1"
}

# first_with PATTERN FILE...: the first file that holds the pattern, as the guest names it
first_with() {
    pattern=$1
    shift
    for path do
        [ -f "$path" ] && grep -q "$pattern" "$path" || continue
        echo "${path#"$root"}"
        return 0
    done
    return 1
}

# has_systemd: whether systemd is what starts this system
has_systemd() {
    [ -e "$root/usr/lib/systemd/systemd" ] || [ -e "$root/lib/systemd/systemd" ]
}

# operation NAME FUNCTION: runs it in a shell of its own. The function sets `what` to say what was removed, when
# "N files" is too little, and `why` to say that something was left.
operation() {
    (
        count=0 failed=0 what='' why=''
        "$2"
        if [ "$failed" -ne 0 ]; then
            echo "generalize: failed $1: some of it could not be removed"
            exit 1
        elif [ "$count" -eq 0 ]; then
            echo "generalize: skipped $1: $why"
        else
            echo "generalize: done $1: ${what:-$1 ($count)}${why:+; $why}"
        fi
    ) || status=1
}

status=0
if [ -r "$root/etc/os-release" ]; then
    (. "$root/etc/os-release" && echo "generalize: system ${PRETTY_NAME:-${NAME:-${ID:-}}}")
else
    echo "generalize: system $(uname -sr)"
fi
