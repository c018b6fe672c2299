#!/bin/sh
# Checks this clone: style, types, and the whole test suite, which boots real machines. Arguments go to pytest.
set -u
cd "$(dirname "$0")/.."
sh tests/setup.sh test || exit

status=0
check() {
    echo "== $*"
    ".venv/bin/$@" || status=1
}

check ruff check .
check ruff format --check .
check mypy
# most tests wait for a process or a server: two for each processor
check pytest -n $(($(nproc) * 2)) --dist worksteal "$@"
exit $status
