"""ms-swift reads export_ms_swift.py: every record through its loader and its template, then steps.

What the template makes of a record is compared with the record's own file: the text with an image
where its mark stood, the pixel values of each image, and what is trained on, which is the answer
and the end of the turn. (All images are shrunk copies of the same names: to decode them would be
nearly all of the time.) Points written by ms-swift from `objects` must be our thousandths again for
Qwen2-VL, and pixels of the resized image for Qwen2.5-VL. Rewards are loaded and asked by ms-swift's
own code; then two steps of `swift sft`, of GRPO, and of the mix. Faults that are planted must be
noticed, too.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import tiny_model
import torch
from common import MARK, Report, arguments, lines_of, uniform
from mix_steps import ms_swift_steps

EXPORTS = [
    "exports/export_uniform.py --splits train",
    "exports/export_videos.py",
    "exports/export_ms_swift.py --objects --grpo",
    "exports/export_ms_swift.py --objects --coordinates pixels",
    "exports/make_training_mix.py --frames 60",
]
STEPS = 2
IMAGE_TOKENS = 16  # of an image at most: 112 x 112 pixels
SHRUNK = 4  # times, of each side: still more pixels than those
BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
BETWEEN, END = "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n"
SEEN, SEEN_VIDEO = "<|vision_start|>#<|vision_end|>", "<|vision_start|>@<|vision_end|>"
POINT = re.compile(r"\[ ?(\d+) ?, ?(\d+) ?\]|<\|box_start\|>\((\d+),(\d+)\)<\|box_end\|>")
BACKTICKS = re.compile(r"`([^`]+)`")


class Client:
    """ms-swift's loader, templates and image processing."""

    def __init__(self, model: Path, images: Path):
        from swift.model import get_processor

        self.processor = get_processor(str(model), model_type="qwen2_vl")
        self.images = images
        self.image = lru_cache(maxsize=256)(self._image)

    def rows(self, path: Path, **options: bool) -> list[dict]:
        """The records of a file as ms-swift loads them, `--strict true`, in their order."""
        from swift.dataset import load_dataset

        flags = {"strict": True, "load_from_cache_file": False, "shuffle": False}
        flags |= {"num_proc": None}  # not even one: to start it costs more than a file's records
        return list(load_dataset([str(path)], **flags, **options)[0])

    def template(self, kind: str, mode: str = "train") -> Callable[[dict], dict]:
        from swift.template import get_template

        template = get_template(self.processor, template_type=kind)
        template.set_mode(mode)
        return lambda row: template.encode(dict(row))

    def text(self, encoded: dict) -> str:
        """The text, `#` for the tokens of an image and `@` for those of a video."""
        said = self.processor.tokenizer.decode(encoded["input_ids"])
        said = re.sub(r"(?:<\|image_pad\|>)+", "#", said)
        return re.sub(r"(?:<\|video_pad\|>)+", "@", said)

    def trained(self, encoded: dict) -> str:
        ids = [one for one in encoded["labels"] if one != -100]
        return self.processor.tokenizer.decode(ids)

    def resized(self, path: Path):
        from PIL import Image
        from qwen_vl_utils import fetch_image

        with Image.open(path) as image:
            return fetch_image({"image": image.convert("RGB")})

    def _image(self, path: Path):
        """Pixel values of an image file."""
        images = [self.resized(path)]
        made = self.processor.image_processor(images=images, return_tensors="pt", do_resize=False)
        return made["pixel_values"]

    def image_problems(self, encoded: dict, paths: Sequence[Path]) -> list[str]:
        """Whether the images are those of the files, by all their pixels, in this order."""
        grids, ids = encoded["image_grid_thw"], encoded["input_ids"]
        tokens = int(grids.prod(dim=1).sum()) // self.processor.image_processor.merge_size**2
        pad = self.processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        if ids.count(pad) != tokens:
            return [f"{ids.count(pad)} tokens for {tokens} of the images"]
        right = [self.image(path) for path in paths]
        pieces = encoded["pixel_values"].split(encoded["image_grid_thw"].prod(dim=1).tolist())
        if len(pieces) != len(right):
            return [f"{len(pieces)} images for {len(right)}"]
        pairs = enumerate(zip(pieces, right, strict=True), 1)
        return [f"image {n} is another" for n, (one, other) in pairs if not torch.equal(one, other)]

    def video_problems(self, encoded: dict, paths: Sequence[Path]) -> list[str]:
        """The same of a video of frames, its last frame repeated where their number is odd."""
        from qwen_vl_utils import fetch_video

        video, _ = fetch_video(
            {"video": [str(path) for path in paths], "sample_fps": 2.0},
            return_video_sample_fps=True,
        )
        process = getattr(self.processor, "video_processor", self.processor.image_processor)
        made = process(videos=[video.to(torch.uint8)], return_tensors="pt", do_resize=False)
        frames = 2 * int(encoded["video_grid_thw"][0][0])
        problems = [] if frames == len(paths) + len(paths) % 2 else [f"{frames} frames"]
        same = torch.equal(encoded["pixel_values_videos"], made["pixel_values_videos"])
        return problems if same else [*problems, "the frames are others"]


def turns(record: dict) -> tuple[str, str]:
    """Question and answer of a uniform record."""
    human, gpt = record["conversations"]
    return human["value"], gpt["value"]


def text_of(question: str, answer: str) -> str:
    """What a model must be given of them."""
    seen = question.replace(MARK, SEEN).replace("<video>", SEEN_VIDEO)
    return f"{BEFORE}{seen}{BETWEEN}{answer}{END if answer else ''}"


def one_form(text: str) -> str:
    """Points in one form, however a template writes them."""
    return POINT.sub(lambda x: f"[{x[1] or x[3]}, {x[2] or x[4]}]", text)


def problems_of(client: Client, encoded: dict, question: str, answer: str) -> list[str]:
    """Compare text and what is trained on."""
    got, want = one_form(client.text(encoded)), one_form(text_of(question, answer))
    found = [] if got == want else [f"text {got!r} for {want!r}"]
    if answer and one_form(client.trained(encoded)) != one_form(answer + END):
        found.append(f"trained on {client.trained(encoded)!r}, not on {answer!r}")
    return found


def check(
    report: Report, wanted: Sequence[dict], rows: Sequence[dict],
    problems: Callable[[dict, dict], list[str]],
) -> None:  # fmt: skip
    """Count each record of a file with its problems; rows that are not there are replaced."""
    for number, want in enumerate(wanted):
        if number >= len(rows):
            report.record(want["id"], replaced=True)
            continue
        row = rows[number]
        try:
            found = problems(want, row)
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        report.record(want["id"], *found)
    if len(rows) > len(wanted):
        report.fail(f"{len(rows)} rows of {len(wanted)} records")


def check_uniform(client: Client, root: Path, report: Report) -> None:
    encode = client.template("qwen2_vl")

    def problems(want: dict, row: dict) -> list[str]:
        encoded = encode(row)
        paths = [client.images / name for name in want["image"]]
        return problems_of(client, encoded, *turns(want)) + client.image_problems(encoded, paths)

    for path in uniform(root, "train"):
        check(report, list(lines_of(path)), client.rows(path), problems)


def check_videos(client: Client, root: Path, report: Report) -> None:
    encode = client.template("qwen2_vl")

    def problems(want: dict, row: dict) -> list[str]:
        encoded = encode(row)
        paths = [client.images / name for name in want["videos"][0]]
        return problems_of(client, encoded, *turns(want)) + client.video_problems(encoded, paths)

    for path in exported(root, "videos"):
        check(report, list(lines_of(path)), client.rows(path), problems)


def check_objects(client: Client, root: Path, report: Report) -> None:
    """The text is that of the uniform record again; of some also with tokens around points."""
    encode = client.template("qwen2_vl")
    os.environ["QWENVL_BBOX_FORMAT"] = "legacy"
    encode_marked = client.template("qwen2_vl")
    os.environ["QWENVL_BBOX_FORMAT"] = "new"

    def problems(want: dict, row: dict) -> list[str]:
        encoded = encode(row)
        paths = [client.images / name for name in want["image"]]
        return problems_of(client, encoded, *turns(want)) + client.image_problems(encoded, paths)

    for path in exported(root, "ms_swift/objects"):
        wanted, rows = of_same_name(root, path), client.rows(path)
        check(report, wanted, rows, problems)
        for want, row in zip(wanted[:5], client.rows(path)[:5], strict=True):
            encoded = encode_marked(row)
            found = problems_of(client, encoded, *turns(want))
            if found or "<|box_start|>" not in client.text(encoded):
                report.fail(f"{want['id']} with tokens around points: {found}")


def check_pixels(client: Client, root: Path, report: Report) -> None:
    """Of Qwen2.5-VL each point is in pixels of its image as resized, and the sentences say so."""
    encode = client.template("qwen2_5_vl")

    def problems(want: dict, row: dict) -> list[str]:
        own = [turn["content"] for turn in row["messages"]]
        encoded = encode(row)
        images = [client.images / name for name in want["image"]]
        asked = in_order(turns(want)[0], named_points(want))
        answered = [tuple(json.loads(want["gt_value"]))] if "<bbox>" in own[1] else []
        places = [(point, images[0]) for point in asked]
        places += [(point, images[-1]) for point in answered]
        shares = row["objects"]["bbox"]
        same = [math.isclose(x, y / 1000, rel_tol=1e-12)
                for share, (point, _) in zip(shares, places, strict=True)
                for x, y in zip(share, point, strict=True)]  # fmt: skip
        sizes = [client.resized(path).size for _, path in places]
        pixels = iter([in_pixels(*one) for one in zip(shares, sizes, strict=True)])
        question, answer = (re.sub("<bbox>", lambda _: str(next(pixels)), text) for text in own)
        found = problems_of(client, encoded, question, answer)
        if not all(same):
            found.append(f"points {shares} of {places}")
        if left := list(pixels):
            found.append(f"{len(left)} points without a mark")
        if re.search(r"1,?000|thousand", "".join(own)):
            found.append(f"says thousandths: {own[0]!r}")
        return found + client.image_problems(encoded, images)

    for path in exported(root, "ms_swift/objects_pixels"):
        check(report, of_same_name(root, path), client.rows(path), problems)


def named_points(record: dict) -> list[tuple[int, int]]:
    extra = json.loads(record["extra"])
    named = [(point["x"], point["y"]) for point in extra.get("points_info", ())]
    return named or [tuple(extra["p1"])]


def in_order(text: str, points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Points in the order in which a text names them, each as often as it does."""
    places = [
        (found.start(), point)
        for point in points
        for found in re.finditer(re.escape(f"[ {point[0]} , {point[1]} ]"), text)
    ]
    return [point for _, point in sorted(places)]


def in_pixels(share: Sequence[float], size: Sequence[int]) -> list[int]:
    """Pixels of an image of that (width, height) as ms-swift rounds them. Its reader of json may
    miss a number by the last bit, which decides where a half goes: so these are as it has them."""
    return [round(x * side) for x, side in zip(share, size, strict=True)]


def check_grpo(client: Client, root: Path, report: Report) -> None:
    """Questions as given to the model that is asked, and rewards as ms-swift reckons them."""
    from swift.rewards import orms
    from swift.utils import import_external_file

    import_external_file(str(root / "training_data/exports/ms_swift/grpo/reward_plugin.py"))
    rewards = [orms[name](args=None) for name in ("spatial", "spatial_format")]
    encode = client.template("qwen2_vl", "transformers")

    def problems(want: dict, row: dict) -> list[str]:
        question, answer = turns(want)
        said = row["messages"][0]["content"]
        bare = f"`{BACKTICKS.search(answer)[1]}`"
        found = [] if said.startswith(question) and "backticks" in said else [f"asks {said!r}"]
        found += ["a line is added"] if answer == bare and said != question else []
        completions = [bare, answer, "???"]
        columns = {name: [value] * 3 for name, value in row.items()}
        got = [reward(completions, **columns, trainer_state=None) for reward in rewards]
        if got != [[1.0, 1.0, 0.0], [1.0, float(answer == bare), 0.0]]:
            found.append(f"rewards {got} of {completions}")
        encoded = encode(row)
        paths = [client.images / name for name in want["image"]]
        found += problems_of(client, encoded, said, "")
        return found + client.image_problems(encoded, paths)

    for path in exported(root, "ms_swift/grpo"):
        rows = client.rows(path, remove_unused_columns=False)
        check(report, of_same_name(root, path), rows, problems)


def check_planted(client: Client, root: Path, report: Report) -> None:
    """What is wrong on purpose must be found, or this check finds nothing."""
    path = root / "training_data/exports/ms_swift/objects/correspondence_coor.jsonl"
    want, row = of_same_name(root, path)[0], client.rows(path)[0]
    encode = client.template("qwen2_vl")
    images = [client.images / name for name in want["image"]]
    right = encode(json.loads(json.dumps(row)))
    swapped = {**row, "objects": {**row["objects"], "bbox": row["objects"]["bbox"][::-1]}}
    found = problems_of(client, encode(json.loads(json.dumps(swapped))), *turns(want))
    if len(found) != 2 or problems_of(client, right, *turns(want)):
        report.fail(f"points in another order are not noticed: {found}")
    if len(client.image_problems(right, images[::-1])) != 2:
        report.fail("images in another order are not noticed")


def shrunk(root: Path, folder: Path) -> Path:
    """Small copies of all images, named as below the root."""
    from PIL import Image

    records = (record for path in uniform(root, "train") for record in lines_of(path))
    for name in sorted({name for record in records for name in record["image"]}):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(root / name) as image:
            image.draft("RGB", (image.width // SHRUNK, image.height // SHRUNK))
            image.save(place, "JPEG", quality=90)
    return folder


def exported(root: Path, name: str) -> list[Path]:
    found = sorted((root / "training_data/exports" / name).glob("*.jsonl"))
    assert found, f"no files of {name} below {root}"
    return found


def of_same_name(root: Path, path: Path) -> list[dict]:
    """The uniform records that a file was made of."""
    return list(lines_of(root / "training_data/exports/uniform" / path.name))


def swift(words: Sequence[str | Path], work: Path, *plugins: Path) -> list[dict]:
    """Run a command of ms-swift where images are; return what it logged of each step."""
    command = [Path(sys.executable).with_name("swift"), *words]
    command += ["--external_plugins", *plugins] if plugins else []
    flags = {
        "model": work / "model", "model_type": "qwen2_vl", "template": "qwen2_vl",
        "tuner_type": "full", "torch_dtype": "float32", "max_steps": STEPS, "logging_steps": 1,
        "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "strict": "true",
        "output_dir": work / words[0], "save_strategy": "no", "report_to": "none",
        "split_dataset_ratio": 0, "use_cpu": "true", "gradient_checkpointing": "false",
        "dataset_num_proc": 1, "dataloader_num_workers": 0, "attn_impl": "eager",
        "add_version": "false", "max_length": 8192, "learning_rate": 1e-2,
    }  # fmt: skip
    for name, value in flags.items():
        command += [f"--{name}", value]
    log = work / f"{words[0]}.log"
    with open(log, "w") as output:
        done = subprocess.run(
            [str(word) for word in command], stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": ""},
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"swift {words[0]} failed: {log.read_text(errors='replace')[-600:]}")
    found = sorted((work / words[0]).rglob("logging.jsonl"))
    return [line for path in found for line in lines_of(path) if "loss" in line]


def check_steps(root: Path, work: Path, report: Report) -> str:
    """Two steps of each kind; return what was done."""
    exports = root / "training_data/exports"
    files = [exports / "ms_swift/objects/correspondence_coor.jsonl"]
    files += [exports / "uniform/camera_net_turn.jsonl", exports / "videos/camera_net_turn.jsonl"]
    steps = swift(["sft", "--dataset", *files], work)
    if len(steps) != STEPS or not all(0 < step["loss"] < 100 for step in steps):
        report.fail(f"sft: {steps}")
    plugin = exports / "ms_swift/grpo/reward_plugin.py"
    words = ["rlhf", "--rlhf_type", "grpo"]
    words += ["--reward_funcs", "spatial", "spatial_format", "--num_generations", "2"]
    words += ["--max_completion_length", "8", "--use_vllm", "false", "--beta", "0.04"]
    words += ["--dataset", exports / "ms_swift/grpo/correspondence_coor.jsonl"]
    steps = swift(words, work, plugin)
    if len(steps) != STEPS or not all("rewards/SpatialReward/mean" in step for step in steps):
        report.fail(f"grpo: {steps}")
    return f"{STEPS} steps of sft and of GRPO"


def main() -> int:
    args = arguments(__doc__)
    torch.set_num_threads(1)  # pictures are small: more threads wait for each other
    images = shrunk(args.root, args.work / "images")
    os.environ |= {
        "ROOT_IMAGE_DIR": str(images), "QWENVL_BBOX_FORMAT": "new", "USE_HF": "1",
        "IMAGE_MAX_TOKEN_NUM": str(IMAGE_TOKENS), "VIDEO_MAX_TOKEN_NUM": str(IMAGE_TOKENS),
        "MODELSCOPE_CACHE": str(args.work / "cache"),
    }  # fmt: skip
    os.chdir(images)  # frames of videos are looked for there, whatever ROOT_IMAGE_DIR says
    model = args.work / "model"
    tiny_model.make_model(model)
    from swift.version import __version__

    report = Report("ms_swift", __version__)
    client = Client(model, images)
    counts = []
    for name, done in counted(client, args.root, report):
        counts.append(f"{name} {done:,}")
    note = ", ".join(counts)
    if report.is_sound:
        note += f"; {check_steps(args.root, args.work, report)}"
        loss = ms_swift_steps(args.root, args.work, model, report)
        note += f"; two steps of the mix, loss {loss:.2f}"
    return report.close(note)


def counted(client: Client, root: Path, report: Report) -> Iterator[tuple[str, int]]:
    """Run each check; yield its name and how many records it asked for."""
    check_planted(client, root, report)
    checks = {
        "objects": check_objects, "pixels": check_pixels, "grpo": check_grpo,
        "videos": check_videos, "uniform": check_uniform,
    }  # fmt: skip
    for name, run in checks.items():
        before = report.records
        run(client, root, report)
        yield name, report.records - before


if __name__ == "__main__":
    sys.exit(main())
