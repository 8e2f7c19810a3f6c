#!/usr/bin/env bash
# Programs of others, each in an environment of its own, read what the demo wrote (docs/clients.md):
#   bash run_client_tests.sh                    all clients, on the demo, which is made if it is not there
#   bash run_client_tests.sh --root ROOT trl    one client, on another root, which stays as it is
# Environments are kept in .clients/ (up to 7 GB each). Costs: docs/clients.md.
[ -n "${BASH_VERSION:-}" ] || { echo "error: $0 needs bash; type: bash $0" >&2; exit 2; }
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide the pinned ones
python=$(bash "$(dirname "$0")/requirements/setup_env.sh")
exec "$python" "$(dirname "$0")/tests/clients/run_clients.py" "$@"
