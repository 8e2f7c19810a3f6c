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
# the one on the PATH. $FLAGS goes to each process (FLAGS="--seed 1"). Finished chunks are left as
# they are. Fails, naming them, if chunks fail. Ctrl-C or SIGTERM stops all (exit code 130 or 143).
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide those of the environment
here=$(cd "$(dirname "$0")" && pwd)
finder=$here/spatial_engine/object_perception/single_object_coverage_finder.py
export ROOT=${ROOT:-$PWD} FLAGS=${FLAGS:-} finder

usage() {
    echo "error: $1; usage: bash find_object_coverage.sh [START] [CHUNK_SIZE] [PROCESSES] [END]" >&2
    exit 2
}
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

# All processes of this job hold the reading end of a pipe whose writing end only this shell holds.
# When the shell ends, however it does, they read its end and stop (see utils/stopping.py).
leash=$(mktemp -d)
mkfifo "$leash/pipe"
exec 7<>"$leash/pipe" 8<"$leash/pipe" 9>"$leash/pipe" 7>&-
rm -r "$leash"
export SPATIAL_ENGINE_LEASH=8
job=
stop() { # exit code, what is said
    trap '' INT TERM HUP
    exec 9>&-
    [ -z "$job" ] || wait "$job" || true
    echo "$2; finished chunks are kept, start again to go on" >&2
    exit "$1"
}
trap 'stop 130 stopped' INT
trap 'stop 143 "stopped by SIGTERM"' TERM
trap 'stop 129 "stopped by SIGHUP"' HUP

# One line of "split start end" for each chunk.
list_chunks() {
    for split in train val; do
        case $split in train) folder=training_data ;; val) folder=evaluation_data ;; esac
        if [ ! -e "$ROOT/$folder/object_perception/object_visibility.parquet" ]; then
            echo "$split: no object_visibility.parquet, left out" >&2
            continue
        fi
        scenes=$(python "$finder" --root "$ROOT" --split "$split" --count 9>&-) || exit 2
        last=$scenes
        if [ -n "$end" ] && [ "$end" -lt "$scenes" ]; then last=$end; fi
        first=$start
        while [ "$first" -lt "$last" ]; do
            next=$((first + chunk_size < last ? first + chunk_size : last))
            echo "$split $first $next"
            first=$next
        done
    done
}

chunks=$(list_chunks)
if [ -z "$chunks" ]; then
    echo "error: no scenes from $start${end:+ to $end} under $ROOT;" \
        "run spatial_engine/object_perception/compute_object_visibility.py" >&2
    exit 2
fi
count=$(echo "$chunks" | wc -l | tr -d ' ')
[ "$processes" -le "$count" ] || processes=$count
run_chunk='
    python "$finder" --root "$ROOT" --split "$1" --start "$2" --end "$3" $FLAGS 2>&5 || {
        [ "$?" != 255 ] || exit 255 # the job is stopped: xargs starts no more
        echo "error: chunk $1 $2 to $3 failed; its messages stand above" >&5
        exit 1
    }'
# In the background, as only "wait" ends when a signal comes.
echo "$chunks" | xargs -P "$processes" -L 1 bash -c "$run_chunk" run_chunk 5>&2 2>/dev/null 9>&- &
job=$!
if ! wait "$job"; then
    echo "error: some chunks failed (named above); start again, finished ones are kept" >&2
    exit 1
fi
echo "coverage of $count chunks is there;" \
    "next: python spatial_engine/object_perception/merge_object_coverage.py"
