#!/usr/bin/env bash
# LoRA fine-tuning of InternVL2-8B on the training mix, with the settings of the paper: the "2nd
# fine-tuning" recipe of InternVL 2.0, rank 16, 4e-5, batches of 192, one epoch, 24 machines of 8 GPUs.
# Start it on each machine, in the environment of InternVL:
#     INTERNVL=FOLDER MODEL=FOLDER ROOT=FOLDER bash data/configs/internvl_paper.sh [FLAG ...]
# Flags of internvl_chat_finetune.py can follow, and win over those below.
set -eu
INTERNVL=${INTERNVL:-$HOME/InternVL/internvl_chat} # its folder internvl_chat
MODEL=${MODEL:-OpenGVLab/InternVL2-8B}             # a name on the Hub, or a folder
ROOT=${ROOT:-$(dirname "$0")/../..}                # root of the data; paths in META start there
META=${META:-training_data/mix3M.json}             # of make_training_mix.py
OUTPUT=${OUTPUT:-output/internvl_paper}            # in ROOT, unless absolute
BATCH=${BATCH:-192}
GPUS=${GPUS:-8}                                    # of each machine
NODES=${NODES:-24}                                 # machines
NODE_RANK=${NODE_RANK:-0}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}              # of machine 0
MASTER_PORT=${MASTER_PORT:-34229}
PER_GPU=${PER_GPU:-1}                              # records at a time; 32 GB hold one

fail() { echo "error: $*" >&2; exit 2; }
STEP=$((GPUS * NODES * PER_GPU))
[ $((BATCH % STEP)) = 0 ] ||
    fail "batches of $BATCH are not a multiple of $STEP (GPUS x NODES x PER_GPU); change BATCH"
[ -f "$INTERNVL/internvl/train/internvl_chat_finetune.py" ] ||
    fail "$INTERNVL: not the folder internvl_chat of InternVL; set INTERNVL"
INTERNVL=$(cd "$INTERNVL" && pwd)
[ ! -d "$MODEL" ] || MODEL=$(cd "$MODEL" && pwd)
cd "$ROOT" 2>/dev/null || fail "$ROOT: no such folder; set ROOT"
[ -f "$META" ] ||
    fail "$PWD/$META: no such file; run spatial_engine/exports/make_training_mix.py, or set META"
mkdir -p "$OUTPUT"
export PYTHONPATH=$INTERNVL${PYTHONPATH:+:$PYTHONPATH} LAUNCHER=pytorch

# --max_dynamic_patch is for entries of META without one; ours ask for 6 tiles an image.
exec torchrun --nnodes="$NODES" --node_rank="$NODE_RANK" --nproc_per_node="$GPUS" \
    --master_addr="$MASTER_ADDR" --master_port="$MASTER_PORT" \
    "$INTERNVL/internvl/train/internvl_chat_finetune.py" \
    --model_name_or_path "$MODEL" \
    --conv_style internlm2-chat \
    --output_dir "$OUTPUT" \
    --meta_path "$META" \
    --overwrite_output_dir True \
    --force_image_size 448 \
    --max_dynamic_patch 6 \
    --dynamic_image_size True \
    --use_thumbnail True \
    --down_sample_ratio 0.5 \
    --ps_version v2 \
    --vision_select_layer -1 \
    --drop_path_rate 0.0 \
    --freeze_llm True \
    --freeze_mlp True \
    --freeze_backbone True \
    --use_llm_lora 16 \
    --max_seq_length 8192 \
    --do_train True \
    --num_train_epochs 1 \
    --per_device_train_batch_size "$PER_GPU" \
    --gradient_accumulation_steps $((BATCH / STEP)) \
    --learning_rate 4e-5 \
    --weight_decay 0.01 \
    --warmup_ratio 0.03 \
    --lr_scheduler_type cosine \
    --bf16 True \
    --grad_checkpoint True \
    --group_by_length True \
    --dataloader_num_workers 4 \
    --evaluation_strategy no \
    --save_strategy steps \
    --save_steps 200 \
    --save_total_limit 1 \
    --logging_steps 1 \
    --report_to tensorboard \
    --deepspeed "$INTERNVL/zero_stage1_config.json" \
    "$@"
