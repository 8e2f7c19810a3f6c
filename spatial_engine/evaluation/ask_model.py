"""Ask a model on an OpenAI-compatible server (vLLM, SGLang, LMDeploy, a hosted one).

Reads  a benchmark (make_benchmark.py), or a file of questions in uniform form (export_uniform.py)
       with or without true answers; the images that they name, relative to --root.
Writes beside the questions, or as --output: <questions>_predictions/<model>.jsonl, a line for each
       answer (`id`, `prediction`, `finish_reason`, tokens), which score_predictions.py reads.
Costs  what the server takes; docs/performance.md.

A started file is gone on with: what was answered is not asked again, what failed is. The server's
key, where it asks for one, is taken from the environment (OPENAI_API_KEY) and written nowhere.
Needs the packages of requirements/ask.txt.

    ask_model.py --base-url http://127.0.0.1:8000/v1 --model Qwen/Qwen3-VL-8B-Instruct
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spatial_engine.errors import MissingInputError
from spatial_engine.evaluation.asking.answers_file import AnswersFile, open_answers
from spatial_engine.evaluation.asking.questions import Questions
from spatial_engine.evaluation.chat_messages import request_of
from spatial_engine.utils.paths import BENCHMARKS, benchmark_path
from spatial_engine.utils.running import cli, flag_types, stopping
from spatial_engine.utils.running.closing_table import ClosingTable, Row, Tally
from spatial_engine.utils.running.progress import logging_redirect_tqdm, tqdm
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.files import atomic_path

KEPT = "answers are kept, start again to go on"
SCORER = "spatial_engine/evaluation/score_predictions.py"

# Requests at once.
CONCURRENCY = 8
# Tokens of an answer; a model that reasons needs thousands.
MAX_TOKENS = 2048
# Seconds for one request, as the package openai waits.
TIMEOUT = 600.0
# Further requests for a question that came to nothing: half a minute until the last. (The package
# makes 2, which a server that starts anew or limits the rate outlasts.)
MAX_RETRIES = 8


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    path = args.benchmark or benchmark_path(args.root, args.version, args.name)
    questions = Questions.of(path, args.root)
    request = _request_of(args)
    output = args.output or path.parent / f"{path.stem}_predictions" / f"{_file_name(args.model)}"
    if args.dry_run:
        return write_requests(questions, request, args.dry_run, output)
    check_openai_is_there()
    settings = {**request, "questions": questions.digest}
    run = {"base_url": args.base_url, "file": provenance.place_of(path, args.root)}
    with open_answers(output, settings, run) as answers:
        code = ask(args, questions, request, answers)
    if questions.scored:
        print(f"score them with: {scorer_command(args, output)}")
    return code


def ask(
    args: argparse.Namespace, questions: Questions, request: Mapping[str, Any], answers: AnswersFile
) -> int:
    """Ask what is not answered yet, and print the table; returns the exit code."""
    from spatial_engine.evaluation.asking.asker import Asker  # openai may not be installed
    from spatial_engine.evaluation.asking.client import Client

    started = time.perf_counter()
    wanted = questions.count if args.limit < 0 else min(args.limit, questions.count)
    client = Client(args.base_url, args.timeout)
    before = frozenset(answers.done)
    asker = Asker(
        client, request, args.root, args.concurrency, args.max_retries, is_answered=bool(before)
    )
    bar = tqdm(total=wanted, desc="ask_model", unit="question", disable=None)
    with logging_redirect_tqdm(), bar:

        def answered(record: Mapping[str, Any], reply: Any) -> None:
            answers.add(reply.line(record["id"]))
            bar.update()

        bar.update(len(before))
        stopping.run_async(asker.ask_all(questions.first(args.limit, before), answered))
    return close(answers, asker.failures, asker.first_failure, asker.retries, wanted, started)


def close(
    answers: AnswersFile,
    failures: Counter[str],
    first: Mapping[str, str],
    retries: Counter[str],
    wanted: int,
    started: float,
) -> int:
    """Print what was answered, refused, retried and not answered; returns the exit code."""
    table = ClosingTable("ask_model")
    drops = {f"not answered ({kind})": number for kind, number in sorted(failures.items())}
    counted = {kind: number for kind, number in sorted(answers.counts.items()) if kind and number}
    counted |= {f"asked again ({kind})": number for kind, number in sorted(retries.items())}
    tally = Tally(len(answers.done), drops, counted)
    table.rows.append(Row("answers", tally, time.perf_counter() - started, str(answers.path)))
    for kind, number in failures.items():
        more = f" (and {number - 1} more)" if number > 1 else ""
        table.failures[kind] = f"{first[kind]}{more}"
    if len(answers.done) < wanted:
        refused = all(kind.startswith("status 4") for kind in failures)
        remedy = "correct what the server says, then start again" if refused else "start again"
        table.empty.append(f"{wanted - len(answers.done)} questions have no answer; {remedy}")
    return table.close()


def write_requests(
    questions: Questions, request: Mapping[str, Any], number: int, output: Path
) -> int:
    """Write the first requests as they would be sent, a json file each, and send none."""
    folder = output.with_suffix(".requests")
    for record in questions.first(number):
        path = folder / _file_name(record["id"], ".json")
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            partial.write_bytes(request_of(record, questions.image_root, request))
    print(f"{folder}: {min(number, questions.count)} requests as they would be sent; none was")
    return 0


def check_openai_is_there() -> None:
    """Raise `MissingInputError` with the remedy where the package openai is not installed."""
    try:
        import openai  # noqa: F401
    except ImportError as error:
        raise MissingInputError(
            f"a model is asked through the package openai ({error}); run bash "
            "requirements/setup_env.sh ask, or pip install -r requirements/ask.txt"
        ) from None


def scorer_command(args: argparse.Namespace, output: Path) -> str:
    """The command that scores the answers."""
    words = ["python", SCORER, "--root", str(args.root)]
    if args.benchmark:
        words += ["--benchmark", str(args.benchmark)]
    elif args.name != BENCHMARKS[0]:
        words += ["--name", args.name]
    return shlex.join([*words, str(output)])


def _request_of(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of every request beside the messages."""
    request = {"model": args.model, "max_completion_tokens": args.max_tokens}
    return request | ({} if args.temperature is None else {"temperature": args.temperature})


def _file_name(text: str, ending: str = ".jsonl") -> str:
    """A name of a model or a question as that of a file."""
    safe = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text).strip("._")[-150:]
    return f"{safe or 'model'}{ending}"


def _address(text: str) -> str:
    """The address of a server, which is noted and shown: without user, password or query."""
    try:
        parts = urlsplit(text)
        port_is_sound = parts.port != 0
    except ValueError:
        parts, port_is_sound = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_sound:
        raise argparse.ArgumentTypeError("is no address (http://HOST:PORT/v1)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("has more than host, port and path; leave that out")
    return text


def _temperature(text: str) -> float | None:
    return None if text == "none" else flag_types.real_number(0, 2)(text)


def _model(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("is no name of a model")
    return text


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__)
    text = "address of the server, often http://HOST:8000/v1"
    parser.add_argument("--base-url", type=_address, required=True, metavar="URL", help=text)
    text = "name of the model on the server"
    parser.add_argument("--model", type=_model, required=True, metavar="NAME", help=text)
    cli.add_benchmark(parser)
    text = "ask the first N questions only (default: all)"
    most = flag_types.records_at_most
    parser.add_argument("--limit", type=most, default=-1, metavar="N", help=text)
    text = "from 0 to 2, or none to leave it to the server (default: %(default)s)"
    parser.add_argument("--temperature", type=_temperature, default=0.0, metavar="X", help=text)
    text = "file of the answers (default: beside the questions)"
    parser.add_argument("--output", type=flag_types.file, metavar="FILE", help=text)
    text = "write the first N requests as files, and send none"
    kind = flag_types.whole_number(1, flag_types.MOST_RECORDS)
    parser.add_argument("--dry-run", type=kind, metavar="N", help=text)
    cli.add_constant(parser, "CONCURRENCY", CONCURRENCY, "requests at once", 1, 1000)
    cli.add_constant(parser, "MAX_TOKENS", MAX_TOKENS, "tokens of an answer at most", 1)
    cli.add_constant(parser, "TIMEOUT", TIMEOUT, "seconds for one request", 0.01, 1e6)
    text = "further requests for a question that came to nothing"
    cli.add_constant(parser, "MAX_RETRIES", MAX_RETRIES, text, 0, 1000)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main, kept=KEPT))
