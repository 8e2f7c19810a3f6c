"""Two steps of training from the files that make_training_mix.py wrote, as a user starts them.

Standard library only: called in the environments of LLaMA-Factory and ms-swift. What is changed is
the model, the number of steps, the output and the device.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from common import Report

STEPS = 2
BESIDE = "training_data/mix3M"
# A check that calls this has `exports/make_training_mix.py --frames 60` in its `EXPORTS`.


def llama_factory_steps(root: Path, work: Path, model: Path, report: Report) -> float:
    """Train by `llamafactory-cli train` with the yaml of the mix; return the loss."""
    info = json.loads((root / f"{BESIDE}.llama_factory/dataset_info.json").read_text())
    wanted = sum(one["num_samples"] for one in info.values())
    settings = {
        "model_name_or_path": model, "output_dir": work / "llama_factory", "max_steps": STEPS,
        "template": "qwen2_vl", "use_cpu": "true", "preprocessing_num_workers": 1,
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in settings.items()]
    command = ["llamafactory-cli", "train", f"{BESIDE}.llama_factory.yaml", *words]
    _run(command, root, work / "llama_factory.log", report)
    return _checked(work / "llama_factory", wanted, report)


def ms_swift_steps(root: Path, work: Path, model: Path, report: Report) -> float:
    """Train by the command file of the mix for ms-swift; return the loss. The types of the model
    are named, as those of a folder of one's own cannot be told from its name."""
    script = root / f"{BESIDE}.ms_swift.sh"
    wanted = sum(map(int, re.findall(r"(?:jsonl|parquet)'?#(\d+)", script.read_text())))
    flags = ["--model_type", "qwen2_vl", "--template", "qwen2_vl", "--use_cpu", "true"]
    flags += ["--max_steps", str(STEPS), "--gradient_accumulation_steps", "1"]
    flags += ["--output_dir", str(work / "ms_swift"), "--add_version", "false"]
    _run(["bash", str(script), *flags], work, work / "ms_swift.log", report, MODEL=str(model))
    return _checked(work / "ms_swift", wanted, report)


def _run(command: Sequence[str], folder: Path, log: Path, report: Report, **env: str) -> None:
    """Run a command in a folder, with what it prints in a log."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with open(log, "w") as output:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **env, "PATH": path},
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    if done.returncode:
        last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        report.fail(f"{command[0]} {command[1]}: {last[-1] if last else 'failed'} (all: {log})")


def _checked(output: Path, wanted: int, report: Report) -> float:
    """The loss of the training, which must have had as many records as the mix has."""
    states = sorted(output.rglob("trainer_state.json"))
    state = json.loads(states[-1].read_text()) if states else {}
    history = state.get("log_history", [])
    losses = [entry[key] for entry in history for key in ("loss", "train_loss") if key in entry]
    if state.get("global_step") != STEPS or not losses or not all(map(math.isfinite, losses)):
        report.fail(f"{output}: no {STEPS} steps with a loss: {history}")
        return math.nan
    records = round(STEPS / state["epoch"])  # a step takes one record
    if records != wanted:
        report.fail(f"{output}: {records} records to train on, for {wanted}")
    return losses[-1]
