"""TRL reads export_trl.py: every record through the loader of SFTTrainer, steps of SFT and GRPO.

What a batch holds is compared with the record's own file: the ids of all tokens (so the image
tokens stand where the marks stood), the pixel values of each image, and what is trained on, which
is the answer and the end of the turn. Faults that are planted must be noticed, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from itertools import islice
from pathlib import Path

import datasets
import tiny_model
import torch
import trl
from common import MARK, Expected, Report, arguments, expected, uniform
from datasets import Dataset, load_dataset
from PIL import Image
from transformers import AutoProcessor
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from spatial_engine.exports.trl_rewards import answer_reward, format_reward

EXPORTS = ["exports/export_uniform.py --splits train", "exports/export_trl.py"]
STEPS = 2
TURNS = (  # what Qwen2-VL's form of a chat puts before the question and after it
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
    "<|im_end|>\n<|im_start|>assistant\n",
)
END = "<|im_end|>\n"  # trained on after an answer, so that a model learns to stop
IMAGE = "<|vision_start|>{}<|vision_end|>"
PAD = "<|image_pad|>"


class Reader:
    """What a batch must hold, made from the files by the tokenizer and image processor alone."""

    def __init__(self, model: Path):
        self.processor = AutoProcessor.from_pretrained(model)
        self.merged = self.processor.image_processor.merge_size**2  # patches that become one token
        self.image = lru_cache(maxsize=512)(self._image)

    def _image(self, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixel values and grid of an image file."""
        with Image.open(path) as image:
            made = self.processor.image_processor([image.convert("RGB")], return_tensors="pt")
        return made["pixel_values"], made["image_grid_thw"]

    def ids(self, text: str) -> list[int]:
        return self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]

    def prompt(self, want: Expected) -> list[int]:
        said = [part if isinstance(part, str) else self._tokens(part) for part in want.parts]
        return self.ids("".join([TURNS[0], *said, TURNS[1]]))

    def _tokens(self, path: Path) -> str:
        return IMAGE.format(PAD * (int(self.image(path)[1].prod()) // self.merged))

    def problems(self, batch: Mapping[str, torch.Tensor], row: int, want: Expected) -> list[str]:
        """Compare a row of a batch, without `pixel_values`, with a record."""
        prompt, answer = self.prompt(want), self.ids(want.answer + END)
        there = batch["attention_mask"][row] == 1
        got, trained = batch["input_ids"][row][there].tolist(), batch["labels"][row]
        found = []
        if got != prompt + answer:
            found.append(f"tokens {self.decode(got)!r} for {self.decode(prompt + answer)!r}")
        if trained[there].tolist() != [-100] * len(prompt) + answer:
            kept = trained[trained != -100].tolist()
            found.append(f"trained on {self.decode(kept)!r}, not on {want.answer + END!r} alone")
        if (trained[~there] != -100).any():
            found.append("trained on padding")
        if self.decode(answer) != want.answer + END:
            found.append(f"the answer {want.answer!r} is lost in its tokens")
        return found

    def image_problems(
        self, values: torch.Tensor, grids: torch.Tensor, want: Expected
    ) -> list[str]:
        """Compare the images of one record with its files."""
        made = [self.image(path) for path in want.images]
        if not torch.equal(grids, torch.cat([grid for _, grid in made])):
            return [f"grids {grids.tolist()} of {len(made)} images"]
        pieces = values.split(grids.prod(dim=1).tolist())
        pairs = zip(pieces, made, strict=True)
        return [
            f"image {number} is another: not the pixels of {want.images[number - 1]}"
            for number, (piece, (right, _)) in enumerate(pairs, 1)
            if not torch.equal(piece, right)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        return self.processor.tokenizer.decode(ids).replace(PAD, ".")


def load(root: Path, work: Path) -> Dataset:
    """As docs/clients.md says."""
    files = str(root / "training_data/exports/trl/*.parquet")
    return load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(work / "datasets")
    )


def sft_trainer(model: Path, work: Path, dataset: Dataset) -> SFTTrainer:
    config = SFTConfig(
        output_dir=str(work / "sft"), max_length=None, max_steps=STEPS, report_to="none",
        per_device_train_batch_size=2, per_device_eval_batch_size=4, learning_rate=1e-2,
        logging_steps=1, save_strategy="no", use_cpu=True, bf16=False,
        gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    return SFTTrainer(model=str(model), args=config, train_dataset=dataset)


def compare(
    trainer: SFTTrainer, reader: Reader, wanted: Sequence[Expected], dataset: Dataset
) -> Iterator[tuple[Expected, list[str]]]:
    """Yield each record with its problems, as the trainer's own loader hands them to the model."""
    rest = iter(wanted)
    for batch in trainer.get_eval_dataloader(dataset):
        records = list(islice(rest, len(batch["input_ids"])))
        counts = [len(record.images) for record in records]
        grids, values = batch["image_grid_thw"], batch["pixel_values"]
        whole = len(grids) == sum(counts)
        each = grids.split(counts) if whole else [grids] * len(records)
        pixels = values.split([int(one.prod(dim=1).sum()) for one in each]) if whole else ()
        for row, want in enumerate(records):
            problems = reader.problems(batch, row, want)
            if whole:
                problems += reader.image_problems(pixels[row], each[row], want)
            else:
                problems.append(f"{len(grids)} images in a batch of {sum(counts)}")
            yield want, problems


def check_rewards(dataset: Dataset, wanted: Sequence[Expected], report: Report) -> None:
    """The record's own answer earns 1 and nonsense nothing; what rewards may want is there."""
    columns = dataset.select_columns(["id", "task", "gt_value", "solution"])
    for row, want in zip(columns, wanted, strict=True):
        said = [[{"role": "assistant", "content": text}] for text in (want.answer, "???")]
        solutions = [row["solution"]] * 2
        if answer_reward(completions=said, solution=solutions) != [1.0, 0.0]:
            report.fail(f"{want.id}: its own answer earns no full reward, or nonsense earns one")
        for name in ("id", "task", "gt_value"):
            if row[name] != want.record[name]:
                report.fail(f"{want.id}: {name} {row[name]!r} for {want.record[name]!r}")


def check_steps(trainer: SFTTrainer | GRPOTrainer, report: Report) -> None:
    """Train; the trainer must have taken its steps, and they must have changed language and
    vision."""
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    name = type(trainer).__name__
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if trainer.state.global_step != STEPS or not torch.tensor(losses).isfinite().all():
        report.fail(f"{name}: {trainer.state.global_step} steps with the losses {losses}")
    after = dict(trainer.model.named_parameters())
    changed = [name for name, weight in before.items() if not torch.equal(weight, after[name])]
    for part in ("visual", "language_model"):
        if not any(part in one for one in changed):
            report.fail(f"{name}: no weight of {part} changed")


def check_grpo(model: Path, work: Path, dataset: Dataset, report: Report) -> None:
    """Two steps with our rewards, and one that every other completion earns: of what a random model
    says, all else may be worth the same, and nothing learned from it."""
    seen: list[tuple[str, str]] = []

    def turn_reward(prompts, completions, id, images, **columns):
        for prompt, one, pictures in zip(prompts, id, images, strict=True):
            parts = [part for part in prompt[-1]["content"] if part["type"] == "image"]
            mine = [part["image"] for part in parts]
            if [p.tobytes() for p in mine] != [p.tobytes() for p in pictures]:
                report.fail(f"{one}: GRPO has other images in the prompt than in `images`")
            seen.append((one, "".join(map(_said, prompt[-1]["content"]))))
        return [float(number % 2) for number, _ in enumerate(completions)]

    config = GRPOConfig(
        output_dir=str(work / "grpo"), max_steps=STEPS, num_generations=2, report_to="none",
        max_completion_length=12, per_device_train_batch_size=2, learning_rate=1e-2,
        logging_steps=1, save_strategy="no", use_cpu=True, bf16=False, temperature=1.0,
        gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    rewards = [answer_reward, format_reward, turn_reward]
    trainer = GRPOTrainer(str(model), reward_funcs=rewards, args=config, train_dataset=dataset)
    check_steps(trainer, report)
    questions = {row["id"]: row["prompt"] for row in dataset.select_columns(["id", "prompt"])}
    for one, text in seen:
        if text != "".join(map(_said, questions[one][-1]["content"])):
            report.fail(f"{one}: GRPO asks {text!r}")
    if not seen:
        report.fail("GRPO: no reward was asked for")


def _said(part: Mapping) -> str:
    return MARK if part["type"] == "image" else part["text"]


def unnoticed(
    trainer: SFTTrainer, reader: Reader, wanted: list[Expected], dataset: Dataset
) -> Iterator[str]:
    """Plant faults into a few records, one after another; yield those that neither end in an error
    nor differ in every record."""
    plain = dataset.cast_column("images", [datasets.Image(decode=False)]).to_list()
    for fault, change in FAULTS.items():
        rows = [change(deepcopy(row)) for row in plain]
        planted = Dataset.from_list(rows, features=dataset.features)
        try:
            if not all(problems for _, problems in compare(trainer, reader, wanted, planted)):
                yield fault
        except (ValueError, OSError):
            continue


def _asking(row: dict, parts: Callable[[list[dict]], list[dict]]) -> dict:
    """The row with other parts in its question."""
    message = row["prompt"][0]
    return row | {"prompt": [message | {"content": parts(message["content"])}]}


def _marks_as_text(parts: list[dict]) -> list[dict]:
    """What TRL makes of a question that is one text with `<image>`: images first, marks kept."""
    images = [part for part in parts if part["type"] == "image"]
    return [*images, {"type": "text", "text": "".join(map(_said, parts))}]


FAULTS: dict[str, Callable[[dict], dict]] = {
    "an image too few": lambda row: row | {"images": row["images"][1:]},
    "an image too many": lambda row: row | {"images": row["images"] + row["images"][:1]},
    "a mark too few": lambda row: _asking(row, lambda parts: _without(parts, "image")),
    "a mark too many": lambda row: _asking(row, lambda parts: [{"type": "image"}, *parts]),
    "marks left as text": lambda row: _asking(row, _marks_as_text),
    "images in another order": lambda row: row | {"images": row["images"][::-1]},
    "no file of an image": lambda row: row | {"images": [{"path": "gone.jpg"}] * 2},
    "a text too few": lambda row: _asking(row, lambda parts: _without(parts, "text")),
    "another answer": lambda row: (
        row
        | {"completion": [{**row["completion"][0], "content": [{"type": "text", "text": "Yes."}]}]}
    ),
}


def _without(parts: list[dict], kind: str) -> list[dict]:
    """The parts without the first of a kind."""
    first = next(number for number, part in enumerate(parts) if part["type"] == kind)
    return parts[:first] + parts[first + 1 :]


def main() -> int:
    args = arguments(__doc__)
    torch.set_num_threads(1)  # pictures are small: more threads wait for each other
    report = Report("trl", trl.__version__)
    model = args.work / "model"
    tiny_model.make_model(model)
    wanted = list(expected(uniform(args.root, "train"), args.root))
    dataset = load(args.root, args.work)
    trainer, reader = sft_trainer(model, args.work, dataset), Reader(model)
    for want, problems in compare(trainer, reader, wanted, dataset):
        report.record(want.id, *problems)
    note = ""
    if report.is_sound:
        few = [n for n, want in enumerate(wanted) if len(want.images) == 2][::997][:4]
        for fault in unnoticed(trainer, reader, [wanted[n] for n in few], dataset.select(few)):
            report.fail(f"planted fault not noticed: {fault}")
        check_rewards(dataset, wanted, report)
        check_steps(trainer, report)
        check_grpo(model, args.work, dataset, report)
        note = f"{STEPS} steps of SFT, {STEPS} of GRPO; {len(FAULTS)} planted faults noticed"
    return report.close(note, len(wanted))


if __name__ == "__main__":
    sys.exit(main())
