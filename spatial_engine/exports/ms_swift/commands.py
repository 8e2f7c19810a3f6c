"""Command lines of ms-swift, with the settings whose defaults do not fit our records."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

# Tokens of an image at most: 32 x 32 pixels each of Qwen3-VL, 28 x 28 of Qwen2-VL and Qwen2.5-VL.
# An image of 1296 x 968 is shrunk to nine or eight tenths of its sides, and eight images fit into
# MAX_LENGTH, with questions and answers.
IMAGE_TOKENS = 1024
MAX_LENGTH = 12288
REWARDS = ("spatial", "spatial_format")
OLDER = "# ms-swift 3: --train_type for --tuner_type"


def sft(
    paths: Sequence[Path], root: Path, environment: Mapping[str, str], in_root: bool = False
) -> str:
    """The command that trains on files of records; `in_root` starts it in the root, where ms-swift
    looks for frames of videos whatever ROOT_IMAGE_DIR says."""
    words = ["swift sft", "--model MODEL", _files(paths), "--split_dataset_ratio 0.01"]
    line = _line(root, environment, [*words, *_common()])
    return f"(cd {shlex.quote(str(root.absolute()))} && {line})" if in_root else line


def grpo(paths: Sequence[Path], root: Path, plugin: Path, most_images: int) -> str:
    """The command that trains on questions by the rewards of `plugin`; a question has so many
    images at most."""
    words = [
        "swift rlhf --rlhf_type grpo",
        "--model MODEL",
        _files(paths),
        f"--external_plugins {shlex.quote(str(plugin.absolute()))}",
        f"--reward_funcs {' '.join(REWARDS)}",
        "--reward_weights 1 0.1",
        # Answers made at a time, on any number of GPUs, are a multiple of the generations.
        "--num_generations 8 --gradient_accumulation_steps 8",
        "--max_completion_length 512",
        "--use_vllm true --vllm_mode colocate",
        f"--vllm_limit_mm_per_prompt '{{\"image\": {most_images}}}'",
        f"--vllm_max_model_len {MAX_LENGTH + 512}",
    ]
    return _line(root, {}, [*words, *_common()])


def _common() -> list[str]:
    return [
        "--tuner_type lora",
        "--torch_dtype bfloat16",
        "--freeze_vit true",
        f"--max_length {MAX_LENGTH}",
        "--strict true",
        f"--output_dir {shlex.quote(str(Path.cwd() / 'output'))}",
    ]


def _files(paths: Sequence[Path]) -> str:
    return " ".join(["--dataset", *(shlex.quote(str(path.absolute())) for path in paths)])


def _line(root: Path, environment: Mapping[str, str], words: Sequence[str]) -> str:
    told = {"IMAGE_MAX_TOKEN_NUM": str(IMAGE_TOKENS), **environment}
    told["ROOT_IMAGE_DIR"] = shlex.quote(str(root.absolute()))
    pairs = " ".join(f"{name}={value}" for name, value in told.items())
    return " \\\n    ".join((f"{pairs} {words[0]}", *words[1:]))
