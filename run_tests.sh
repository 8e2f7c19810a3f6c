#!/usr/bin/env bash
# Makes the environment and passes the tests: lint, format, pytest on all cores.
# Arguments go to pytest:   bash run_tests.sh -k visibility        bash run_tests.sh -n 0 --pdb
[ -n "${BASH_VERSION:-}" ] || { echo "error: $0 needs bash; type: bash $0" >&2; exit 2; }
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide the pinned ones
cd "$(dirname "$0")"
python=$(bash requirements/setup_env.sh dev)
PATH=$(dirname "$python"):$PATH # tests type commands as the README does
"$python" -m ruff check
"$python" -m ruff format --check
exec "$python" -m pytest -n logical --dist worksteal "$@"
