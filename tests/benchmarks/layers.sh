#!/bin/sh
# Builds the quickstart, changes its last provisioner and builds it again; prints the times of both, what layers cost, and as
# the last line how much faster the second build was: `3.1x`. Packer, where it is installed, starts over each time.
#
#   sh tests/benchmarks/layers.sh [--rounds N] [--variants] [--no-packer] [--json FILE]
#
# With --variants: four variants that differ in their last provisioner, in parallel, against one clean build; the last line is
# how many clean builds' time they take.
set -eu
cd "$(dirname "$0")/../.."
sh tests/setup.sh
[ -e build/tiny.iso ] || .venv/bin/python tests/guest/master.py --output build/tiny.iso
exec .venv/bin/python tests/benchmarks/layers.py --iso build/tiny.iso "$@"
