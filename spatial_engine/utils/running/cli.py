"""What every command line has in common: shared flags, constants as flags, errors as one line."""

from __future__ import annotations

import argparse
import io
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from spatial_engine.errors import EngineError, as_line
from spatial_engine.utils.paths import BENCHMARKS, SCANNET, Dataset
from spatial_engine.utils.running import flag_types, processes, stopping
from spatial_engine.utils.storage.locks import look_again
from spatial_engine.utils.storage.os_errors import explain

DEFAULT_SEED = 0
SPLITS = ("train", "val")
_ROOT_OF_ALL = "folder that holds data/, training_data/ and evaluation_data/"


def make_parser(
    docstring: str,
    *,
    splits: bool = True,
    questions: bool = False,
    makes_root: bool = False,
    dataset: bool = False,
):
    """Parser with the common flags (SPEC 2); `questions` adds those of scripts that write them,
    `dataset` that which names the data set of the scenes. The parsed flags hold it as a
    `paths.Dataset`, which is ScanNet without the flag.

    The description is the module's docstring, which is the script's contract. `makes_root`: the
    root need not be there.
    """
    parser = make_plain_parser(docstring, _ROOT_OF_ALL, makes_root)
    if splits:
        add_choices(parser, "--splits", SPLITS)
    if dataset:
        text = "data set of the scenes, a folder of data/ (default: %(default)s)"
        kind = flag_types.dataset_name
        parser.add_argument("--dataset", type=kind, default=SCANNET, metavar="NAME", help=text)
    parser.set_defaults(dataset=SCANNET)
    _add_workers(parser)
    add_seed(parser)
    add_list(parser, "--scenes", flag_types.name, "ID", "process only these scenes or clips")
    parser.set_defaults(exclude_suspect=False)
    _add_overwrite(parser)
    if questions:
        most = flag_types.records_at_most
        text = "at most N {} records in each file, -1 = all (default: the constant in the script)"
        parser.add_argument(
            "--train-max-samples", type=most, metavar="N", help=text.format("training")
        )
        parser.add_argument(
            "--val-max-samples", type=most, metavar="N", help=text.format("evaluation")
        )
        _add_version(parser, "version of the output, which names its folder")
        text = "leave out scenes and clips that check_inputs.py found suspect or has not checked"
        parser.add_argument("--exclude-suspect", action="store_true", help=text)
        add_published(parser)
    return parser


def make_bare_parser(docstring: str | None) -> argparse.ArgumentParser:
    """Parser without flags of its own, of a script that reads nothing of the engine's."""
    return _Parser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)


def make_plain_parser(
    docstring: str | None, root: str = "folder that holds data/", makes_root: bool = False
):
    """Parser with `--root` alone. The folder must exist unless `makes_root`; `root` describes
    it."""
    parser = make_bare_parser(docstring)
    parser.add_argument(
        "--root",
        type=flag_types.folder if makes_root else flag_types.existing_folder,
        default=Path("."),
        metavar="FOLDER",
        help=f"{root} (default: the current directory)",
    )
    return parser


def make_records_parser(
    docstring: str,
    *,
    seed: bool = False,
    workers: bool = False,
    overwrite: bool = False,
    datasets: bool = False,
):
    """Parser of a script that reads finished records: the root and their version, and optionally a
    seed, workers, `--overwrite`, or data sets (`add_datasets`)."""
    parser = make_plain_parser(docstring, _ROOT_OF_ALL)
    if datasets:
        add_datasets(parser)
    _add_version(parser, "version of the records, which names their folders")
    if overwrite:
        _add_overwrite(parser)
    parser.set_defaults(
        seed=DEFAULT_SEED, num_workers=1, overwrite=False, accept_finished=False, scenes=None
    )
    if seed:
        add_seed(parser)
    if workers:
        _add_workers(parser)
    return parser


def add_benchmark_name(parser: argparse._ActionsContainer) -> None:
    """Give a parser `--name`, for one of the benchmarks; MultiSPA by default."""
    text = f"which benchmark: {' or '.join(BENCHMARKS)} (default: %(default)s)"
    parser.add_argument("--name", choices=BENCHMARKS, default=BENCHMARKS[0], help=text)


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Give a parser that reads a benchmark `--name`, or `--benchmark` for the file of any."""
    which = parser.add_mutually_exclusive_group()
    text = "file of the benchmark (default: the one of that name under --root)"
    which.add_argument("--benchmark", type=flag_types.file, metavar="FILE", help=text)
    add_benchmark_name(which)


def add_datasets(parser: argparse.ArgumentParser) -> None:
    """Give a parser that gathers files `--dataset` for one or more data sets of scenes; the parsed
    flags hold them as `datasets_of_scenes`, None without the flag."""
    text = "only of these data sets of scenes, folders of data/ (default: all)"
    parser.add_argument(
        "--dataset", nargs="+", type=flag_types.dataset_name, dest="datasets_of_scenes",
        action=_Distinct, metavar="NAME", help=text,
    )  # fmt: skip


def add_choices(
    parser: argparse.ArgumentParser,
    flag: str,
    choices: Sequence[str],
    default: Sequence[str] | None = None,
    meaning: str = "one or more of these (default: all)",
) -> None:
    """Give a parser a flag that takes one or more of the `choices`, by default all."""
    chosen = list(choices if default is None else default)
    parser.add_argument(
        flag, nargs="+", choices=tuple(choices), default=chosen, action=_Distinct, help=meaning
    )


def add_list(
    parser: argparse.ArgumentParser,
    flag: str,
    kind: Callable[[str], Any],
    metavar: str,
    meaning: str,
) -> None:
    """Give a parser a flag that takes one or more values; None without it."""
    parser.add_argument(flag, nargs="+", type=kind, metavar=metavar, action=_Distinct, help=meaning)


def add_published(parser: argparse.ArgumentParser) -> None:
    """Give a parser `--published`, which sets all constants to their published values; those given
    as flags beside it win."""
    text = "ask as the published engine does: each constant has its published value"
    parser.add_argument("--published", action="store_true", help=text)


def add_constant(
    parser: argparse.ArgumentParser,
    name: str,
    default: Any,
    meaning: str,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: Sequence[str] | None = None,
    published: Any = None,
) -> None:
    """Give a script's constant (`FRAME_SKIP = 5`) the flag of its name (`--frame-skip 5`). The
    parsed flags hold all of a command's by name as `constants`.

    Numbers outside the limits and values that are not among the `choices` are refused. `published`:
    the value that `--published` sets, where it is not the default.
    """
    flag = "--" + name.lower().replace("_", "-")
    text = f"{meaning} (default: %(default)s)"
    if isinstance(parser, _Parser):
        parser.constants[name] = default if published is None else published
        if published is not None:
            text = f"{meaning} (default: %(default)s; published: {published})"
    if isinstance(default, bool):
        action = argparse.BooleanOptionalAction
        parser.add_argument(flag, action=action, default=default, help=text)
        return
    least = -math.inf if at_least is None else at_least
    if isinstance(default, int):
        most = flag_types.LARGEST_CONSTANT if at_most is None else at_most
        kind: Callable[[str], Any] = flag_types.whole_number(least, most)
    elif isinstance(default, float):
        kind = flag_types.real_number(least, math.inf if at_most is None else at_most)
    else:
        kind = str
    metavar = {int: "N", float: "X"}.get(type(default))
    parser.add_argument(
        flag, type=kind, default=default, choices=choices, metavar=metavar, help=text
    )


def max_samples(given: int | None, constants: dict[str, int]) -> dict[str, int]:
    """Records of each output at most: the script's constants, or the number of the flag for all."""
    return dict(constants) if given is None else dict.fromkeys(constants, given)


def max_samples_by_split(args: argparse.Namespace, constants: Mapping[str, int]) -> dict[str, int]:
    """The same for a script of one output: records by split."""
    given = {"train": args.train_max_samples, "val": args.val_max_samples}
    return {
        split: most if given[split] is None else given[split] for split, most in constants.items()
    }


def run(
    main: Callable[[Sequence[str] | None], int],
    argv: Sequence[str] | None = None,
    kept: str = stopping.STOPPED,
) -> int:
    """Call a script's `main`; an error that the user can fix becomes one line and exit code 2.
    Signals end the command with one line, too (see `stopping`), which tells what is `kept`."""
    return stopping.run(lambda: attempt(lambda: main(argv)), kept)


def attempt(work: Callable[[], int]) -> int:
    """The exit code of a part of a command: 2, and one line, for an error that the user can fix.
    Signals, and output that nobody reads, end the whole command."""
    _show_any_name()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    try:
        return work()
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
    except processes.WorkerLost as error:
        print(f"error: {error}; start the command again", file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"error: {explain(error)}", file=sys.stderr)
    return 2


def _show_any_name() -> None:
    """Paths may hold characters that the terminal cannot show; these are escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else of a notebook or closed
            stream.reconfigure(errors="backslashreplace")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--num-workers",
        type=processes.worker_count,
        default=processes.num_cores(),
        metavar="N",
        help="number of processes, each on one core (default: all cores)",
    )
    parser.add_argument(
        "--scheduler",
        type=flag_types.address,
        metavar="ADDRESS",
        help="run on the Dask cluster at this address (tcp://HOST:8786), not in local processes",
    )


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    text = "make the output again even if it is up to date"
    group.add_argument("--overwrite", action="store_true", help=text)
    text = "take what other code made of the same constants and inputs as up to date"
    group.add_argument("--accept-finished", action="store_true", help=text)


def add_seed(parser: argparse.ArgumentParser) -> None:
    text = "seed of all random draws (default: %(default)s)"
    kind = flag_types.whole_number(0)
    parser.add_argument("--seed", type=kind, default=DEFAULT_SEED, metavar="N", help=text)


def _add_version(parser: argparse.ArgumentParser, meaning: str) -> None:
    text = f"{meaning} (default: %(default)s)"
    parser.add_argument(
        "--version", type=flag_types.name, default="v1_0", metavar="NAME", help=text
    )


class _Parser(argparse.ArgumentParser):
    """Reports errors in one line, makes the root absolute for workers on other machines, and gives
    constants their published values with `--published`. `constants` holds these by name."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.constants: dict[str, Any] = {}

    def error(self, message: str) -> NoReturn:
        hint = "" if message.startswith("argument ") else "; --help lists the flags"
        self.exit(2, f"error: {as_line(message)}{hint}\n")

    def parse_known_args(self, args=None, namespace=None):
        options, rest = super().parse_known_args(args, namespace)
        if getattr(options, "published", False):  # read again: what was given as a flag wins
            values = {name.lower(): value for name, value in self.constants.items()}
            options, rest = super().parse_known_args(args, argparse.Namespace(**values))
        options.constants = {name: getattr(options, name.lower()) for name in self.constants}
        if hasattr(options, "published"):
            options.constants["published"] = options.published
        if getattr(options, "scheduler", None):
            options.root = options.root.absolute()
        if getattr(options, "root", None):
            look_again(options.root)
        if isinstance(getattr(options, "dataset", None), str):
            options.dataset = Dataset(options.root, options.dataset)
        if names := getattr(options, "datasets_of_scenes", None):
            options.datasets_of_scenes = [Dataset(options.root, name) for name in names]
        return options, rest


class _Distinct(argparse.Action):
    """A list without duplicates. A flag given twice adds to the list."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        before = getattr(namespace, self.dest)
        before = [] if before is self.default else before
        setattr(namespace, self.dest, list(dict.fromkeys([*before, *values])))
