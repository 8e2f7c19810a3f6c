"""LLaMA-Factory reads every record of the uniform files and of the videos, and trains on the mix.

The files go through its own `get_dataset` (loader, converter, template, plug-in of images) with a
tiny Qwen2-VL, one after another in one data set. Compared with the files: the order of records, the
whole chat as decoded from the tokens, what is trained on, and the images that its plug-in makes of
the paths, by pixels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import tiny_model
import torch
from common import MARK, Expected, Report, arguments, differences, expected, lines_of, uniform
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
from mix_steps import llama_factory_steps

EXPORTS = [
    "exports/export_uniform.py --splits train", "exports/export_videos.py",
    "exports/export_llama_factory.py --videos", "exports/make_training_mix.py --frames 60",
]  # fmt: skip
PIXELS = 1296 * 968  # images of any size stay as they are
IGNORED = -100  # the label of what is not trained on
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"
SHOWN = re.compile(r"<\|vision_start\|>(?:<\|image_pad\|>|<\|video_pad\|>)+<\|vision_end\|>")
VIDEO = "<video>"


class Client:
    """LLaMA-Factory with a model, as its training command sets it up."""

    def __init__(self, root: Path, work: Path, model: Path) -> None:
        settings = {
            "model_name_or_path": str(model), "template": "qwen2_vl", "stage": "sft",
            "do_train": True, "finetuning_type": "lora", "dataset": "none", "media_dir": str(root),
            "dataset_dir": str(root / "training_data/exports/llama_factory"), "use_cpu": True,
            "output_dir": str(work / "output"), "report_to": "none", "cutoff_len": 16384,
            "image_max_pixels": PIXELS, "video_max_pixels": PIXELS,
        }  # fmt: skip
        self.model, self.data, self.training, *_ = get_train_args(settings)
        self.tokenizing = load_tokenizer(self.model)
        self.tokenizer = self.tokenizing["tokenizer"]
        self.template = get_template_and_fix_tokenizer(self.tokenizer, self.data)

    def records(self, names: Sequence[str]) -> Any:
        """The records of entries of dataset_info.json, ready for training."""
        self.data.dataset = list(names)
        return get_dataset(
            self.template, self.model, self.data, self.training, stage="sft", **self.tokenizing
        )["train_dataset"]

    def problems(self, want: Expected, got: Mapping[str, Any]) -> list[str]:
        """What differs from the record in its file."""
        mark = VIDEO if got["videos"] else MARK
        chat = SHOWN.sub(mark, self.tokenizer.decode(got["input_ids"]))
        trained = [label for label in got["labels"] if label != IGNORED]
        answer = self.tokenizer.decode(trained).removesuffix("\n").removesuffix("<|im_end|>")
        asked = want.record["conversations"][0]["value"]
        found = differences(want, images=list(self.images(got, len(want.images))), answer=answer)
        if not chat.endswith(CHAT.format(asked, want.answer)):
            found.append(f"chat {chat!r}")
        return found

    def images(self, got: Mapping[str, Any], wanted: int) -> Iterator[Any]:
        """The images that a model would be shown. LLaMA-Factory shows the last of an odd number of
        frames twice; the second is left out here when it is the same."""
        plugin = self.template.mm_plugin
        limits = {"image_max_pixels": PIXELS, "image_min_pixels": 1}
        if got["images"]:
            yield from plugin._regularize_images(got["images"], **limits)["images"]
        for video in got["videos"] or ():
            (frames,) = plugin._regularize_videos([list(video)], **limits)["videos"]
            if wanted % 2 and frames[-1].tobytes() == frames[-2].tobytes():
                frames = frames[:-1]
            yield from frames


def videos(paths: Iterable[Path], root: Path) -> Iterator[Expected]:
    """Records of export_videos.py, with their frames as images."""
    for record in chain.from_iterable(map(lines_of, paths)):
        (frames,), (human, gpt) = record["videos"], record["conversations"]
        images = [root / name for name in frames]
        yield Expected(record["id"], [human["value"]], images, gpt["value"], record)


def main() -> int:
    args = arguments(__doc__)
    os.chdir(args.work)
    torch.set_num_threads(1)  # images are small: threads would cost more than they give
    report = Report("llamafactory", version("llamafactory"))
    model = args.work / "model"
    files = uniform(args.root, "train")
    tiny_model.make_model(model)
    client = Client(args.root, args.work, model)
    of_videos = sorted((args.root / "training_data/exports/videos").glob("*.jsonl"))
    asked = 0
    for names, source in (
        ([path.stem for path in files], expected(files, args.root)),
        ([f"{path.stem}_video" for path in of_videos], videos(of_videos, args.root)),
    ):
        wanted = list(source)
        asked += len(wanted)
        rows = client.records(names)
        if len(rows) != len(wanted):
            report.fail(f"{names[0]} to {names[-1]}: {len(rows)} records for {len(wanted)}")
        for want, got in zip(wanted, rows, strict=False):
            report.record(want.id, *client.problems(want, got))
    note = f"{len(files)} files, {len(of_videos)} of videos"
    if report.is_sound:
        loss = llama_factory_steps(args.root, args.work, model, report)
        note += f"; loss after 2 steps {loss:.2f}"
    return report.close(note, asked)


if __name__ == "__main__":
    raise SystemExit(main())
