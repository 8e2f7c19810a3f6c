#!/usr/bin/env bash
# Makes sure that there is a Python environment with the pinned packages, and prints the path of its
# Python, the only line on standard output:
#   PYTHON=$(bash requirements/setup_env.sh [ask] [cluster] [viewer] [dev])
# It is the active environment ($VIRTUAL_ENV, $CONDA_PREFIX), else .venv in the repository, made here.
# "ask", "cluster" and "viewer" add what these need, "dev" all three and the tools of run_tests.sh.
# When nothing has changed since the last time it takes no time.
# Written for bash 3.2 (macOS).
[ -n "${BASH_VERSION:-}" ] || { echo "error: $0 needs bash; type: bash $0" >&2; exit 2; }
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide the pinned ones
root=$(cd "$(dirname "$0")/.." && pwd)

say() { echo "setup: $*" >&2; }
fail() { say "$@"; exit 1; }
suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }

# Debian has Python without its venv module; trying to make an environment there leaves half of one.
make_venv() { # make_venv PYTHON FOLDER
    if "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        "$1" -m venv --clear "$2"
    elif "$1" -c 'import virtualenv' 2>/dev/null; then
        "$1" -m virtualenv -q --clear "$2"
    elif command -v virtualenv >/dev/null; then
        virtualenv -q --clear -p "$1" "$2"
    elif command -v uv >/dev/null; then
        uv venv -q --clear --seed -p "$1" "$2"
    else
        return 1
    fi >&2
}

# conda's "base" holds conda itself and is active in every shell of many users: nothing goes there.
active=${VIRTUAL_ENV:-}
if [ -z "$active" ] && [ "${CONDA_DEFAULT_ENV:-}" != base ]; then active=${CONDA_PREFIX:-}; fi

if [ -n "$active" ]; then
    python=$active/bin/python
    suits "$python" || fail "the active environment $active has no Python 3.11 to 3.14: deactivate it, or activate another"
else
    python=$root/.venv/bin/python
    if ! suits "$python"; then
        [ ! -x "$python" ] || fail "$root/.venv holds another Python than 3.11 to 3.14: move it away"
        made='' found=''
        for base in python3.14 python3.13 python3.12 python3.11 python3 python; do
            suits "$base" || continue
            found=$base
            if make_venv "$base" "$root/.venv"; then made=$base; break; fi
            rm -rf "$root/.venv" # half of one would pass for whole
        done
        [ -n "$found" ] || fail "no Python 3.11 to 3.14 found; install one (Debian, Ubuntu: apt-get install python3 python3-venv)"
        [ -n "$made" ] || fail "$found cannot make a virtual environment (Debian, Ubuntu: apt-get install python3-venv)"
        say "made $root/.venv ($("$python" --version))"
    fi
fi

"$python" "$root/requirements/install.py" "$@" >&2
echo "$python"
