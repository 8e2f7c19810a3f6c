#!/usr/bin/env bash
# LoRA fine-tuning on the training mix with ms-swift 4, with the settings of the paper.
# Written by make_training_mix.py. Flags of `swift sft` can follow, and win over those below:
#     NPROC_PER_NODE=8 bash @COMMAND@ --output_dir FOLDER
# On several machines set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT, too.
set -eu
model=${MODEL:-OpenGVLab/InternVL2-8B} # a name on the Hub, or a folder
[ ! -d "$model" ] || model=$(cd "$model" && pwd)
batch=192
gpus=$((${NPROC_PER_NODE:-1} * ${NNODES:-1}))
[ $((batch % gpus)) = 0 ] || { echo "error: $gpus GPUs do not divide batches of $batch" >&2; exit 2; }
root=@ROOT@
cd "${ROOT:-$root}" # the root of the data; a relative --output_dir starts there, too

# Images of 1296 x 968: six tiles (InternVL), or as they are (Qwen2-VL, Qwen2.5-VL; Qwen3-VL).
export MAX_NUM=${MAX_NUM:-6} MAX_PIXELS=${MAX_PIXELS:-1254528}
export IMAGE_MAX_TOKEN_NUM=${IMAGE_MAX_TOKEN_NUM:-1225}
export ROOT_IMAGE_DIR=.

datasets=( # file#records
@DATASETS@
)

exec swift sft \
    --model "$model" \
    --dataset "${datasets[@]}" \
    --split_dataset_ratio 0 \
    --max_length @TOKENS@ \
    --tuner_type lora \
    --lora_rank 16 \
    --lora_alpha 32 \
    --target_modules all-linear \
    --freeze_vit true \
    --freeze_aligner true \
    --per_device_train_batch_size 1 \
    --gradient_accumulation_steps $((batch / gpus)) \
    --learning_rate 4e-5 \
    --num_train_epochs 1 \
    --lr_scheduler_type cosine \
    --warmup_ratio 0.03 \
    --weight_decay 0.01 \
    --torch_dtype bfloat16 \
    --gradient_checkpointing true \
    --logging_steps 10 \
    --save_steps 1000 \
    --output_dir output/@NAME@.ms_swift \
    "$@"
