#!/usr/bin/env bash
# The whole engine on small sample scenes: makes the environment, the sample data and every output,
# in the folder demo/ (or $DEMO_ROOT), and ends with a table of what was made. Never touches data/.
# A second start reuses what is there.
[ -n "${BASH_VERSION:-}" ] || { echo "error: $0 needs bash; type: bash $0" >&2; exit 2; }
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
step python spatial_engine/depth_perception/depth_estimation_dot_engine.py --root "$demo" \
    --train-max-samples 100 --val-max-samples 30
step python spatial_engine/depth_perception/depth_estimation_coor_engine.py --root "$demo" \
    --train-max-samples 100 --val-max-samples 30
step python spatial_engine/depth_perception/depth_comparison_dot_engine.py --root "$demo" \
    --train-max-samples 100 --val-max-samples 30
step python spatial_engine/depth_perception/depth_comparison_coor_engine.py --root "$demo" \
    --train-max-samples 100 --val-max-samples 30
step python spatial_engine/visual_correspondence/visual_correspondence_qa_engine_dot_2_multichoice.py \
    --root "$demo" --train-max-samples 100 --val-max-samples 30
step python spatial_engine/visual_correspondence/visual_correspondence_qa_engine_coor_2_coor.py \
    --root "$demo" --train-max-samples 100 --val-max-samples 30
step python spatial_engine/object_perception/compute_object_visibility.py --root "$demo"
export ROOT=$demo # where the bash job looks for data
step bash find_object_coverage.sh 0 2
step python spatial_engine/object_perception/merge_object_coverage.py --root "$demo"
step python spatial_engine/object_perception/single_object_perception_engine.py --root "$demo"
# A capture of one's own (docs/own_data.md), a data set of its own beside ScanNet:
step python -m spatial_engine.sample_data --root "$demo" --captures transforms
step python spatial_engine/utils/capture_utils/prepare_captures.py --root "$demo" \
    --format transforms --input "$demo/captures/transforms" --dataset my_rooms
step python spatial_engine/utils/scannet_utils/make_visibility_info.py --root "$demo" --dataset my_rooms
step python spatial_engine/camera_movement/calculate_frames_relations.py --root "$demo" --dataset my_rooms
step python spatial_engine/camera_movement/camera_movement_engine_train_val.py --root "$demo" \
    --dataset my_rooms --train-max-samples 50
step python spatial_engine/depth_perception/depth_estimation_dot_engine.py --root "$demo" \
    --dataset my_rooms --train-max-samples 50
step python spatial_engine/visual_correspondence/visual_correspondence_qa_engine_dot_2_multichoice.py \
    --root "$demo" --dataset my_rooms --train-max-samples 50
step python spatial_engine/utils/tapvid3d_utils/copy_adt_extrinsics.py --root "$demo"
step python spatial_engine/utils/tapvid3d_utils/make_split_lists.py --root "$demo"
step python spatial_engine/checks/check_inputs.py --root "$demo"
step python spatial_engine/object_movement/single_object_movement_engine_coord.py --root "$demo" \
    --train-max-samples 200 --val-max-samples 30
step python spatial_engine/object_movement/single_object_movement_engine_dot.py --root "$demo" \
    --train-max-samples 200 --val-max-samples 30
# Three to eight frames (docs/frames.md):
step python spatial_engine/camera_movement/camera_path_engine.py --root "$demo" \
    --train-max-samples 60 --val-max-samples 30
step python spatial_engine/depth_perception/depth_views_engine.py --root "$demo" \
    --train-max-samples 30 --val-max-samples 20
step python spatial_engine/visual_correspondence/correspondence_views_engine.py --root "$demo" \
    --train-max-samples 30 --val-max-samples 20
step python spatial_engine/object_perception/object_views_engine.py --root "$demo" \
    --train-max-samples 60 --val-max-samples 30
step python spatial_engine/object_relations/object_relations_engine.py --root "$demo" \
    --question-types object_distance direction appearance_order \
    --train-max-samples 60 --val-max-samples 30
# Of the sample scenes those for evaluation are too small for this type.
step python spatial_engine/object_relations/object_relations_engine.py --root "$demo" \
    --question-types nearest_object --splits train --train-max-samples 60
step python spatial_engine/object_movement/point_path_engine.py --root "$demo" \
    --train-max-samples 60 --val-max-samples 30
step python spatial_engine/checks/check_records.py --root "$demo"
step python spatial_engine/audit/audit_labels.py --root "$demo" --sample 3
step python spatial_engine/evaluation/make_benchmark.py --root "$demo"
step python spatial_engine/evaluation/make_benchmark.py --root "$demo" --debias --samples-per-subtask 15
step python spatial_engine/evaluation/make_baselines.py --root "$demo"
step python spatial_engine/evaluation/score_predictions.py --root "$demo" --paper \
    "$demo/evaluation_data/multispa/v1_0/baselines/wording.jsonl"
baselines=$demo/evaluation_data/multispa/v1_0/baselines
step python spatial_engine/evaluation/score_predictions.py --root "$demo" --compare \
    "$baselines/random.jsonl" "$baselines/wording.jsonl" "$baselines/truth.jsonl"
step python spatial_engine/evaluation/make_benchmark.py --root "$demo" --name multispa_frames
step python spatial_engine/evaluation/make_baselines.py --root "$demo" --name multispa_frames
# One's own frames (docs/evaluation.md), with the true answers in the place of a model's:
clip=Lite_release_recognition_Mug_seq030_0
step python spatial_engine/evaluation/ask_about_frames.py "$demo/data/my_tapvid3d_images/$clip"/*.jpg \
    --point 112 243 --tasks movement_coord_distance movement_coord_vector --output "$demo/own_frames"
step python -m spatial_engine.sample_data.clip_answers --clip "$demo/data/tapvid3d_dataset/adt/$clip.npz" \
    --questions "$demo/own_frames/questions.jsonl" \
    --output "$demo/own_frames/questions_predictions/truth.jsonl"
step python spatial_engine/evaluation/plot_rewards.py "$demo/own_frames/questions_predictions/truth.jsonl"
step python spatial_engine/exports/make_training_mix.py --root "$demo"
step python spatial_engine/exports/export_uniform.py --root "$demo" --formats jsonl parquet
step python spatial_engine/exports/export_llama_factory.py --root "$demo"
step python spatial_engine/exports/export_ms_swift.py --root "$demo"
step python spatial_engine/exports/export_ms_swift.py --root "$demo" --objects --grpo
step python spatial_engine/exports/export_trl.py --root "$demo"
step python spatial_engine/exports/export_qwen.py --root "$demo"
step python spatial_engine/exports/export_qwen.py --root "$demo" --coordinates pixels \
    --benchmarks multispa multispa_frames
step python spatial_engine/exports/export_vlmevalkit.py --root "$demo"
step python spatial_engine/exports/export_lmms_eval.py --root "$demo"
# With the images inside, of all records, it takes 2 GB (docs/clients.md).
step python spatial_engine/exports/export_hub.py --root "$demo" --only-benchmark --without-images
step python spatial_engine/exports/resize_images.py --root "$demo" --output "$demo/small"
step python spatial_engine/report/make_report.py --root "$demo"
step python spatial_engine/report/make_report.py --root "$demo" \
    --predictions "$baselines/wording.jsonl" --output "$demo/report/verdicts"
step python spatial_engine/report/make_contact_sheets.py --root "$demo"

python -m spatial_engine.sample_data.demo_table --root "$demo"
echo "Look at it in a browser: $demo/report/index.html"
