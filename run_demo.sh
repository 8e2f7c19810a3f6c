#!/usr/bin/env bash
# The whole engine on small sample scenes: makes the environment, the sample data and every output,
# in the folder demo/ (or $DEMO_ROOT), and ends with a table of what was made. Never touches data/.
# A second start reuses what is there.
set -eu
unset PYTHONPATH PYTHONHOME # packages of another Python would hide the pinned ones
if [ -n "${DEMO_ROOT:-}" ]; then # taken from where the user stands
    mkdir -p "$DEMO_ROOT"
    demo=$(cd "$DEMO_ROOT" && pwd)
else
    demo=demo
fi
cd "$(dirname "$0")"
mkdir -p "$demo/logs"

python=$(bash requirements/setup_env.sh)
PATH=$(dirname "$python"):$PATH # so that the steps below are typed as in the README

# step COMMAND...: runs it with its output in a log, prints it with its seconds, stops if it fails.
count=0
TIMEFORMAT=%1R
step() {
    count=$((count + 1))
    log=$demo/logs/step$(printf %02d "$count").log
    printf '%s ' "$*"
    if seconds=$( { time "$@" >"$log" 2>&1 </dev/null; } 2>&1); then
        echo "... $seconds s"
    else
        printf 'FAILED\n\n'
        tail -n 15 "$log"
        echo "run_demo.sh: step $count failed: $* (its whole output: $log)" >&2
        exit 1
    fi
}

step python -m spatial_engine.sample_data --root "$demo"
step python spatial_engine/utils/scannet_utils/batch_load_scannet_data.py --root "$demo"
step python spatial_engine/utils/scannet_utils/extract_posed_images.py --root "$demo"
step python spatial_engine/utils/scannet_utils/update_info_file_with_images.py --root "$demo"
step python spatial_engine/utils/scannet_utils/make_visibility_info.py --root "$demo"
step python spatial_engine/camera_movement/calculate_frames_relations.py --root "$demo"
step python spatial_engine/camera_movement/camera_movement_engine_train_val.py --root "$demo" \
    --train-max-samples 200 --val-max-samples 30

python -m spatial_engine.sample_data.demo_table --root "$demo"
