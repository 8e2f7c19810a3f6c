"""What Qwen's models see of export_qwen.py, by transformers and qwen-vl-utils: sizes, places, text.

Their trainer comes in no package: its rules are asserted in tests/exports/test_export_qwen.py. What
it builds on does: the image processor of transformers, which gives an image the size that
coordinates in pixels are for, `qwen_vl_utils`, which gives a server the same, and the form of a
chat. Our own rule for sizes (a file of the standard library) is compared with both over thousands
of sizes; a picture of each size that a copy in pixels names is resized by them, and every other is
looked at for its size; every record of the data sets is put into the form of a chat, its images
where they stand and its answer as it is.
"""

from __future__ import annotations

import json
import random
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import qwen_vl_utils
import tiny_model
import transformers
from common import Expected, Report, arguments, as_expected, expected
from PIL import Image
from qwen_vl_utils.vision_process import smart_resize as of_utils
from transformers import AutoProcessor, Qwen2VLImageProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize as of_transformers

EXPORTS = [
    "exports/export_qwen.py",
    "evaluation/make_benchmark.py",
    "evaluation/make_benchmark.py --name multispa_frames",
    "exports/export_qwen.py --coordinates pixels --benchmarks multispa multispa_frames",
]
RULE = Path(__file__).parents[2] / "spatial_engine/exports/qwen/smart_resize.py"
NUMBERS = (  # factor, least and most pixels: of the trainer, its scripts, a notebook, Qwen3-VL
    (28, 12544, 451584), (28, 784, 50176), (28, 3136, 1003520), (32, 4096, 16777216),
    (32, 65536, 262144), (28, 200704, 12845056),
)  # fmt: skip
SIZES = 4000  # for each of these
PATCH = 14
POINT = re.compile(r"\[ (\d+) , (\d+) \]")
VISION = re.compile(r"<\|vision_start\|><\|image_pad\|><\|vision_end\|>")

Resize = Callable[..., tuple[int, int]]


def check_rule(report: Report, ours: Resize) -> int:
    """Compare our sizes with theirs; returns how many sizes were compared."""
    rng, compared = random.Random(0), 0
    for numbers in NUMBERS:
        for _ in range(SIZES):
            height, width = (round(2 ** rng.uniform(3, 12.5)) for _ in range(2))
            if max(height, width) > 200 * min(height, width):
                continue
            size, compared = ours(height, width, *numbers), compared + 1
            if size != of_transformers(height, width, *numbers):
                report.fail(f"{height}x{width} by {numbers}: {size} is not that of transformers")
            # It differs from the other where an image is tiny or its shorter side would be.
            thin = min(height, width) * 2 <= numbers[0] or min(size) == numbers[0]
            if not thin and size != of_utils(height, width, *numbers):
                report.fail(f"{height}x{width} by {numbers}: {size} is not that of qwen-vl-utils")
    wrong = ours(968, 1297, 28, 12544, 451584) != ours(968, 1297, 28, 784, 50176)
    if not wrong:
        report.fail("sizes do not depend on the bounds")
    return compared


def seen_sizes(rule: Mapping) -> Callable[[Path], list[tuple[int, int]]]:
    """What an image file becomes by both programs: sizes (width, height). One picture of each size
    is resized, by which theirs are known."""
    least, most, factor = rule["min_pixels"], rule["max_pixels"], rule["factor"]
    processor = Qwen2VLImageProcessor(
        patch_size=PATCH, merge_size=factor // PATCH,
        size={"shortest_edge": least, "longest_edge": most},
    )  # fmt: skip
    known: dict[tuple[int, int], list[tuple[int, int]]] = {}

    @cache
    def look(path: Path) -> list[tuple[int, int]]:
        with Image.open(path) as image:
            if image.size not in known:
                rgb = image.convert("RGB")
                grid = processor([rgb], return_tensors="pt")["image_grid_thw"][0].tolist()
                asked = {"image": rgb, "min_pixels": least, "max_pixels": most}
                theirs = qwen_vl_utils.fetch_image(asked, PATCH).size
                known[image.size] = [(grid[2] * PATCH, grid[1] * PATCH), theirs]
            return known[image.size]

    return look


def both(path: Path, images_below: Path) -> Iterator[tuple[Expected, dict]]:
    """Each record of a file as it must be, and as a program finds it there."""
    with open(path, encoding="utf-8") as file:
        yield from zip(expected([path], images_below), map(json.loads, file), strict=True)


def check(
    report: Report, path: Path, images_below: Path,
    problems: Callable[[Expected, Expected], Iterator[str]],
) -> None:  # fmt: skip
    """Count each record of a file with its problems."""
    for want, record in both(path, images_below):
        try:
            found = list(problems(want, as_expected(record, images_below)))
        except (ValueError, OSError) as error:  # as the trainer, which then takes another record
            found = [f"{type(error).__name__}: {error}"]
        report.record(want.id, *found)


def copy_problems(
    want: Expected, got: Expected, seen: dict[str, Callable[[Path], list[tuple[int, int]]]]
) -> Iterator[str]:
    """Of a copy in pixels: whether its sizes are those that its pictures get, and the points that
    it names lie in them."""
    rule = json.loads(got.record["extra"])["pixel_coordinates"]
    key = json.dumps({name: rule[name] for name in ("factor", "min_pixels", "max_pixels")})
    look = seen.setdefault(key, seen_sizes(rule))
    for image, size in zip(got.images, map(tuple, rule["sizes"]), strict=True):
        if look(image) != [size, size]:
            yield f"{image} is looked at as {look(image)}, not {size}"
    if got.parts != want.parts:
        yield f"it asks {got.parts} for {want.parts}"
    width, height = rule["sizes"][0]
    for x, y in POINT.findall(got.text):
        if not (int(x) < width and int(y) < height):
            yield f"[ {x} , {y} ] is not in {width}x{height}"
    if re.search(r"thousandth|0 to 1000", got.text):
        yield "it speaks of thousandths"


def chat_of(got: Expected) -> list[dict]:
    """The messages that the trainer makes: texts without blanks around them, images between."""
    parts = [
        {"type": "image", "image": str(part)} if isinstance(part, Path) else
        {"type": "text", "text": part.strip()}
        for part in got.parts if isinstance(part, Path) or part.strip()
    ]  # fmt: skip
    return [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "text", "text": got.answer}]},
    ]


def chat_problems(want: Expected, got: Expected, processor: AutoProcessor) -> Iterator[str]:
    """What is not as it stands in the record, once it has the form of a chat."""
    text = processor.apply_chat_template(chat_of(got), tokenize=False)
    user, answer = text.split("<|im_start|>user\n")[1].split("<|im_end|>\n<|im_start|>assistant\n")
    pieces = [part.strip() for part in VISION.split(user)]
    if pieces != [part.strip() for part in want.question.split("<image>")]:
        yield f"the question became {user!r}"
    said = answer.removesuffix("\n").removesuffix("<|im_end|>")
    ids = processor.tokenizer(said, add_special_tokens=False)["input_ids"]
    if said != want.answer or processor.tokenizer.decode(ids) != want.answer:
        yield f"the answer became {said!r}"
    if got.images != want.images:
        yield f"the images are {got.images}"
    if any(not image.is_file() for image in got.images):
        yield "an image is missing, and the trainer would take another record"


def planted(processor: AutoProcessor) -> bool:
    """Whether the checks see what is wrong."""
    here = Path(__file__)
    sound = Expected("a", [here, "\nWhat?"], [here], "`1`", {})
    lost = Expected("a", [here, "\nWhat?"], [here.with_name("none")], "`1`", {})
    marked = Expected("a", [here, "\n<|vision_start|><|image_pad|><|vision_end|>"], [], "`1`", {})
    found = [[*chat_problems(sound, one, processor)] for one in (sound, lost, marked)]
    return not found[0] and bool(found[1]) and bool(found[2])


def main() -> int:
    args = arguments(__doc__)
    report = Report("qwen", transformers.__version__)
    compared = check_rule(report, runpy.run_path(str(RULE))["smart_resize"])
    trained, asked = (args.root / name for name in ("training_data", "evaluation_data"))
    folders = [trained / "exports/qwen", asked / "exports/qwen", asked / "exports/qwen/benchmarks"]
    copies = [path for folder in folders for path in sorted(folder.glob("*.jsonl"))]
    seen: dict[str, Callable] = {}
    for path in copies:
        check(report, path, args.root, partial(copy_problems, seen=seen))
    tiny_model.make_model(args.work / "model")
    processor = AutoProcessor.from_pretrained(args.work / "model")
    if not planted(processor):
        report.fail("a planted fault was not seen")
    of_chat = partial(chat_problems, processor=processor)
    for kind in ("native", "pixels"):
        entries = runpy.run_path(str(trained / "exports/qwen" / f"{kind}.py"))["DATASETS"]
        for entry in entries.values():
            path, images_below = Path(entry["annotation_path"]), Path(entry["data_path"])
            check(report, path, images_below, of_chat)
    note = f"{compared:,} sizes, {len(copies)} copies in pixels"
    return report.close(note)


if __name__ == "__main__":
    sys.exit(main())
