#!/usr/bin/env bash
# Object perception step 2 for all scenes of both splits, in chunks, several processes at a time.
#
#   bash find_object_coverage.sh [START] [CHUNK_SIZE] [PROCESSES] [END]
#
# Finds what does it, object_coverage_job.py (see there, or --help), by its own place. Can be
# started from anywhere: data is looked for under the current directory, or $ROOT; python is the one
# on the PATH (else python3). $FLAGS is added (FLAGS="--seed 1").
[ -n "${BASH_VERSION:-}" ] || { echo "error: $0 needs bash; type: bash $0" >&2; exit 2; }
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide those of the environment
here=$(cd "$(dirname "$0")" && pwd)
python=python
if ! command -v python >/dev/null; then
    if ! command -v python3 >/dev/null; then
        echo "error: no python on the PATH; activate the environment of the README" >&2
        exit 2
    fi
    echo "no python on the PATH, python3 is used" >&2
    python=python3
fi
exec "$python" "$here/spatial_engine/object_perception/object_coverage_job.py" \
    --root="${ROOT:-$PWD}" "$@" ${FLAGS:-}
