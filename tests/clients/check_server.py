"""ask_model.py asks `transformers serve`, which runs a tiny random model, as a user would.

Of each task of both benchmarks some questions are asked, of three to eight frames one of each
number. What the server's model saw is known by what it says: the answer and the number of tokens
must be those that the same model gives here, in this process, to the question with its images in
their places. A run that was stopped goes on, a wrong name of the model is told in the server's own
words, and score_predictions.py scores the answers.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tiny_model
import torch
import transformers
from common import Expected, Report, arguments, expected, lines_of
from PIL import Image

BENCHMARKS = ("multispa", "multispa_frames")
EVALUATION = Path(__file__).parents[2] / "spatial_engine/evaluation"
TOKENS = 24  # of an answer
FIRST = 7  # questions of the first run
PATIENCE = 300.0  # seconds until the server answers


def main() -> int:
    args = arguments(__doc__)
    report = Report("server", transformers.__version__)
    questions = args.root / "evaluation_data/server_questions.jsonl"
    files = [args.root / f"evaluation_data/{name}/v1_0/{name}.jsonl" for name in BENCHMARKS]
    lines = [line for file in files for line in some_of(list(lines_of(file)))]
    questions.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    folder, answers = args.work / "tiny", args.work / "tiny.jsonl"
    tiny_model.make_model(folder)
    with served(folder, args.work / "server.log") as url:
        ask = ["ask_model.py", "--root", args.root, "--benchmark", questions, "--base-url", url]
        ask += ["--max-tokens", TOKENS, "--output", answers, "--concurrency", 3]
        for more in (["--limit", FIRST], []):
            code, said = run([*ask, "--model", folder, *more])
            if code:
                report.fail(f"ask_model.py {more}: exit code {code}: {said}")
        wrong = [*ask, "--model", "no-such-model", "--output", args.work / "wrong.jsonl"]
        code, said = run([*wrong, "--max-retries", 0])
        if code == 0 or "no-such-model" not in said:
            report.fail(f"a wrong name of the model: exit code {code}: {said}")
    compare(report, list(expected([questions], args.root)), list(lines_of(answers)), folder)
    score = ["score_predictions.py", "--root", args.root, "--benchmark", questions, answers]
    code, said = run(score)
    scores = json.loads(answers.with_suffix(".scores.json").read_text()) if not code else {}
    asked = sum(line["questions"] for line in scores.get("subtasks", []))
    missing = sum(line["missing"] for line in scores.get("subtasks", []))
    if code or (asked, missing) != (len(lines), 0):
        report.fail(f"score_predictions.py: {code}, {asked} questions, {missing} missing: {said}")
    return report.close(f"{len(lines)} answers", len(lines))


def some_of(records: Sequence[dict]) -> Iterator[dict]:
    """The first question of each task, and of each number of images."""
    seen = set()
    for record in records:
        kinds = {record["task"], len(record["image"])}
        if not kinds <= seen:
            seen |= kinds
            yield record


@contextmanager
def served(folder: Path, log: Path) -> Iterator[str]:
    """Serve a model while the block runs; gives the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "transformers"
    line = [program, "serve", folder, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    with open(log, "w") as output:
        server = subprocess.Popen([str(word) for word in line], stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    """Return when the server answers; end with what it said if it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"the server did not start: {log.read_text()[-1000:]}")


def run(words: Sequence[object]) -> tuple[int, str]:
    """Run a command of the engine; its exit code and all that it said."""
    script, *flags = words
    done = subprocess.run(
        [sys.executable, str(EVALUATION / str(script)), *map(str, flags)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "MPLBACKEND": "agg"},
    )  # fmt: skip
    return done.returncode, done.stdout


def compare(report: Report, wanted: Sequence[Expected], said: Sequence[dict], folder: Path) -> None:
    """Compare each answer, and the tokens of its question, with those of the model asked here."""
    by_id = {line["id"]: line for line in said}
    if len(by_id) < len(said):
        report.fail(f"{len(said)} answers to {len(by_id)} questions")
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    for want in wanted:
        line = by_id.get(want.id)
        tokens, text = answer(want, processor, model)
        problems = []
        if line and line["prompt_tokens"] != tokens:
            problems.append(f"{line['prompt_tokens']} tokens for {tokens}")
        if line and plain(line["prediction"]) != plain(text):
            problems.append(f"answer {line['prediction']!r} for {text!r}")
        report.record(want.id, *problems, replaced=line is None)


def answer(want: Expected, processor, model) -> tuple[int, str]:
    """Tokens of a question, and what the model says to it."""
    parts = [
        {"type": "text", "text": part} if isinstance(part, str) else
        {"type": "image", "image": Image.open(part).convert("RGB")}
        for part in want.parts
        if part
    ]  # fmt: skip
    given = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True, tokenize=True,
        return_dict=True, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        made = model.generate(**given, max_new_tokens=TOKENS, do_sample=False)
    number = given["input_ids"].shape[1]
    return number, processor.decode(made[0, number:])


def plain(text: str) -> str:
    """An answer without special tokens, some of which the server leaves out."""
    for token in tiny_model.SPECIAL:
        text = text.replace(token, "")
    return text.strip()


if __name__ == "__main__":
    sys.exit(main())
