#!/bin/sh
# Builds the quickstart with Packer and with vmforge, in turns, and prints a table of each stage's time.
#
#   sh tests/benchmarks/packer.sh [--rounds N] [--variants NAME,...] [--upload MIB] [--json FILE]
#
# Needs `packer` (Debian's package of that name); the CD is made when it is not there.
set -eu
cd "$(dirname "$0")/../.."
sh tests/setup.sh
command -v packer >/dev/null || { echo "error: packer is not installed; try: apt-get install packer" >&2; exit 1; }
[ -e build/tiny.iso ] || .venv/bin/python tests/guest/master.py --output build/tiny.iso
(cd build && sha256sum tiny.iso >tiny.iso.sha256)
exec .venv/bin/python tests/benchmarks/compare.py --iso build/tiny.iso "$@"
