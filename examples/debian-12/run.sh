#!/bin/sh
# Builds Debian 12 from its installer's CD, with the packages from the mirror that this machine uses itself.
#
#   sh examples/debian-12/run.sh [CD [ARGUMENTS OF vmforge build]]
set -eu
cd "$(dirname "$0")/../.."

iso=build/debian-12-installer.iso
if [ $# -gt 0 ]; then
    iso=$1
    shift
fi
[ -e "$iso" ] || {
    echo "error: there is no $iso; give the path of Debian 12's installer CD" >&2
    exit 1
}

# the first archive whose path is a Debian archive's: http://HOST/debian
site=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -E '^https?://[^/]+/debian/?$' | head -n 1)
[ -n "$site" ] || {
    echo "error: apt knows no Debian archive; give one: vmforge build -var mirror_host=HOST examples/debian-12" >&2
    exit 1
}
path=${site#*://}
host=${path%%/*}

sh tests/setup.sh
.venv/bin/vmforge build -force -var "iso=$iso" -var "mirror_host=$host" -var "mirror_directory=/${path#*/}" "$@" examples/debian-12
