"""What every command line has in common: shared flags, constants as flags, errors as one line."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, EngineError
from spatial_engine.utils import processes, stopping
from spatial_engine.utils.files import check_id, explain

DEFAULT_SEED = 0


def make_parser(docstring: str, *, splits: bool = True, questions: bool = False):
    """Parser with the common flags (SPEC 2); `questions` adds those of scripts that write them.

    The description is the module's docstring, which is the script's contract.
    """
    parser = _Parser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_root(parser)
    if splits:
        parser.add_argument(
            "--splits",
            nargs="+",
            choices=("train", "val"),
            default=["train", "val"],
            action=_Distinct,
        )
    _add_workers(parser)
    _add_seed(parser)
    parser.add_argument(
        "--scenes", nargs="+", metavar="ID", action=_Distinct, help="only these, for a trial"
    )
    _add_overwrite(parser)
    if questions:
        text = "records of each file at most, -1 = all (default: the script's constants)"
        parser.add_argument("--train-max-samples", type=_number_or_all, metavar="N", help=text)
        parser.add_argument("--val-max-samples", type=_number_or_all, metavar="N", help=text)
        _add_version(parser, "folder of the output")
    return parser


def make_records_parser(
    docstring: str, *, seed: bool = False, workers: bool = False, overwrite: bool = False
):
    """Parser of a script that reads finished records: the root and their version, and a seed,
    workers or `--overwrite` where it has use for them."""
    parser = _Parser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_root(parser)
    _add_version(parser, "version of the records")
    if overwrite:
        _add_overwrite(parser)
    parser.set_defaults(seed=DEFAULT_SEED, num_workers=1, overwrite=False, scenes=None)
    if seed:
        _add_seed(parser)
    if workers:
        _add_workers(parser)
    return parser


def add_constant(
    parser: argparse.ArgumentParser,
    name: str,
    default: Any,
    meaning: str,
    at_least: float | None = None,
    choices: Sequence[str] | None = None,
) -> None:
    """Give a script's constant (`FRAME_SKIP = 5`) the flag of its name (`--frame-skip 5`).

    A number below `at_least` is refused, and so is what is not among the `choices`.
    """

    def number(text: str) -> Any:
        value = type(default)(text)
        if at_least is not None and not value >= at_least:
            raise argparse.ArgumentTypeError(f"{value} is less than {at_least}")
        return value

    number.__name__ = type(default).__name__  # argparse names it when the text is no number
    flag = "--" + name.lower().replace("_", "-")
    text = f"{meaning} (default: %(default)s)"
    if isinstance(default, bool):
        action = argparse.BooleanOptionalAction
        parser.add_argument(flag, action=action, default=default, help=text)
    else:
        parser.add_argument(flag, type=number, default=default, choices=choices, help=text)


def max_samples(given: int | None, constants: dict[str, int]) -> dict[str, int]:
    """Records of each output at most: the script's constants, or the number of the flag for all."""
    return dict(constants) if given is None else dict.fromkeys(constants, given)


def max_samples_by_split(args: argparse.Namespace, constants: Mapping[str, int]) -> dict[str, int]:
    """The same for a script of one output: records by split."""
    given = {"train": args.train_max_samples, "val": args.val_max_samples}
    return {
        split: most if given[split] is None else given[split] for split, most in constants.items()
    }


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Call a script's `main`; an error that the user can mend becomes one line and exit code 2,
    and so does what ends a command from outside (see `stopping`)."""
    return stopping.run(lambda: attempt(lambda: main(argv)))


def attempt(work: Callable[[], int]) -> int:
    """The exit code of a part of a command: 2, and one line, for an error that the user can mend.
    Signals, and output that nobody reads, end the whole command."""
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


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("."),
        help="folder that holds data/, training_data/ and evaluation_data/ (default: here)",
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--num-workers",
        type=processes.worker_count,
        default=processes.num_cores(),
        help="processes, one core each (default: the cores there are)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster, whose workers do it in place of local processes",
    )


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="do finished work again")


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of every random draw")


def _add_version(parser: argparse.ArgumentParser, meaning: str) -> None:
    text = f"{meaning} (default: %(default)s)"
    parser.add_argument("--version", type=_folder_name, default="v1_0", help=text)


class _Parser(argparse.ArgumentParser):
    """Gives workers elsewhere a root that does not depend on the current directory."""

    def parse_known_args(self, args=None, namespace=None):
        options, rest = super().parse_known_args(args, namespace)
        if getattr(options, "scheduler", None):
            options.root = options.root.absolute()
        return options, rest


class _Distinct(argparse.Action):
    """A list in which nothing stands twice."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        setattr(namespace, self.dest, list(dict.fromkeys(values)))


def _number_or_all(text: str) -> int:
    value = int(text)
    if value < -1:
        raise argparse.ArgumentTypeError(f"{value} is neither a number of records nor -1 (all)")
    return value


def _folder_name(text: str) -> str:
    try:
        return check_id(text, "--version")
    except BadDataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
