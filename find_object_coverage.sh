#!/usr/bin/env bash
# Object perception step 2 for all scenes of both splits, in chunks, several processes at a time.
#
#   bash find_object_coverage.sh [START] [CHUNK_SIZE] [PROCESSES] [END]
#
# START, END   scenes of each split's sorted list, END not included (default: all); several machines
#              take different ones
# CHUNK_SIZE   scenes of one process (default 10)
# PROCESSES    at a time (default: the cores there are)
#
# Can be started from anywhere: data is looked for under the current directory, or $ROOT; python is
# the one on the PATH (else python3). $FLAGS goes to each process (FLAGS="--seed 1"). Finished chunks
# are left as they are, those of earlier lists or constants are removed once others hold their
# scenes. Fails, naming them, if chunks fail.
[ -n "${BASH_VERSION:-}" ] || { echo "error: $0 needs bash; type: bash $0" >&2; exit 2; }
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide those of the environment
here=$(cd "$(dirname "$0")" && pwd)
finder=$here/spatial_engine/object_perception/single_object_coverage_finder.py
export ROOT=${ROOT:-$PWD} FLAGS=${FLAGS:-} finder

fail() {
    echo "error: $1" >&2
    exit 2
}
usage() { fail "$1; usage: bash find_object_coverage.sh [START] [CHUNK_SIZE] [PROCESSES] [END]"; }
start=${1:-0}
chunk_size=${2:-10}
processes=${3:-$(getconf _NPROCESSORS_ONLN)}
end=${4:-}
[ "$#" -le 4 ] || usage "too many arguments"
for number in "$start" "$chunk_size" "$processes" ${end:+"$end"}; do
    case $number in '' | *[!0-9]*) usage "$number is not a number" ;; esac
    [ "${#number}" -le 9 ] || usage "$number is too large"
done
# Decimal, whatever zeros stand before.
start=$((10#$start)) chunk_size=$((10#$chunk_size)) processes=$((10#$processes))
end=${end:+$((10#$end))}
[ "$chunk_size" -gt 0 ] && [ "$processes" -gt 0 ] || usage "CHUNK_SIZE and PROCESSES are at least 1"
range="$start${end:+ to $end}"
[ "$start" -lt "${end:-$((start + 1))}" ] || usage "no scenes from $range: END is not above START"
[ -d "$ROOT" ] || fail "$ROOT: no such folder; set ROOT to the folder that holds training_data/"

python=python
if ! command -v python >/dev/null; then
    command -v python3 >/dev/null ||
        fail "no python on the PATH; activate the environment of the README"
    echo "no python on the PATH, python3 is used" >&2
    python=python3
fi
export python

chunks='' # one line of "split start end" for each
held=''   # what there is, in words
newline='
'
for split in train val; do
    case $split in train) folder=training_data ;; val) folder=evaluation_data ;; esac
    if [ ! -e "$ROOT/$folder/object_perception/object_visibility.parquet" ]; then
        echo "$split: no object_visibility.parquet, left out" >&2
        continue
    fi
    scenes=$("$python" "$finder" --root "$ROOT" --split "$split" --count) || exit 2
    held="$held${held:+, }$split has $scenes"
    last=$scenes
    if [ -n "$end" ] && [ "$end" -lt "$scenes" ]; then last=$end; fi
    first=$start
    while [ "$first" -lt "$last" ]; do
        next=$((first + chunk_size < last ? first + chunk_size : last))
        chunks="$chunks${chunks:+$newline}$split $first $next"
        first=$next
    done
done
[ -n "$held" ] || fail "no object_visibility.parquet under $ROOT;\
 run spatial_engine/object_perception/compute_object_visibility.py"
[ -n "$chunks" ] || fail "no scenes from $range: $held; choose a smaller START"
count=$(echo "$chunks" | wc -l | tr -d ' ')
[ "$processes" -le "$count" ] || processes=$count
run_chunk='
    "$python" "$finder" --root "$ROOT" --split "$1" --start "$2" --end "$3" $FLAGS || {
        echo "error: chunk $1 $2 to $3 failed; its messages stand above" >&2
        exit 1
    }'
if ! echo "$chunks" | xargs -P "$processes" -L 1 bash -c "$run_chunk" run_chunk; then
    echo "error: some chunks failed (named above); start again, finished ones are kept" >&2
    exit 1
fi
echo "coverage of $count chunks is there;" \
    "next: python spatial_engine/object_perception/merge_object_coverage.py"
