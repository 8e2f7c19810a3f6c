"""Programs of others, each in an environment of its own, read what the engine wrote.

Called by run_client_tests.sh with the engine's Python. For each client named, or for each list in
requirements/clients/: an environment with exactly these packages; the exports that its check asks
for (`EXPORTS` in its file), made into a copy of the root; then its check, offline, and a line. A
list `datasets_oldest.txt` is checked by check_datasets.py. Exit code 1 if any client failed.

Writes .clients/: environments, which are kept, and work/, left with its logs if a client failed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import planted
from checks import check_file, exports_of, how_noticed, make_exports, run_check
from common import PLANTED
from environments import LISTS, REPOSITORY, ClientError, environment
from roots import copy_root, find_root

COLUMNS = (("client", 18), ("version", 12), ("records", 8), ("replaced", 9), ("differing", 10))
COLUMNS += (("seconds", 8), ("verdict", 0))
FAULT_COLUMNS = (("client", 18), ("fault", 27), ("seconds", 8), ("verdict", 0))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    clients = args.clients or all_clients()
    if unknown := [client for client in clients if client not in all_clients()]:
        sys.exit(f"run_client_tests.sh: {unknown[0]}: no such client; there are {names()}")
    folder = args.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"run_client_tests.sh: {folder} is in use by another run; wait for its end")
        job = run_planted if args.planted else run_all
        try:
            return job(clients, find_root(args.root), folder)
        except ClientError as error:
            sys.exit(f"run_client_tests.sh: {error}")
        except KeyboardInterrupt:
            return 130


def run_all(clients: Sequence[str], root: Path, folder: Path) -> int:
    """Run the clients one after another, a line each; 1 if any failed."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    copy = copy_root(root, work / "root")
    print_row([title for title, _ in COLUMNS])
    failed = []
    for client in clients:
        start, said = time.monotonic(), {}
        try:
            python = environment(folder, client)
            start = time.monotonic()  # what a check costs, once its environment is there
            make_exports(client, copy, work)
            said = run_check(client, python, copy, work / client)
            verdict = f"passed{': ' + said['note'] if said['note'] else ''}"
        except ClientError as error:
            failed.append(client)
            said, verdict = error.said, f"FAILED: {error}"
        counts = [str(said.get(name, "-")) for name in ("version", "records")]
        counts += [str(said.get(name, "-")) for name in ("replaced", "differing")]
        print_row([client, *counts, f"{time.monotonic() - start:.0f}", verdict])
    if not failed:
        shutil.rmtree(work)
    passed = len(clients) - len(failed)
    print(f"clients: {passed} of {len(clients)} passed" + "".join(f", {c} failed" for c in failed))
    return int(bool(failed))


def run_planted(clients: Sequence[str], root: Path, folder: Path) -> int:
    """Plant one fault after another into a small root; 1 unless each client that reads such a file
    fails, and passes where nothing is planted."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    small = copy_root(root, work / "root")
    planted.shorten(small)
    pythons = {client: environment(folder, client) for client in clients}
    for client in clients:
        make_exports(client, small, work)
    pristine = copy_root(small, work / "pristine")
    print_row(["client", "fault", "seconds", "verdict"], FAULT_COLUMNS)
    bad = []
    for fault, (plant, is_read) in {"none": (None, None), **planted.FAULTS}.items():
        shutil.rmtree(small)  # at the same place, which exports name
        copy_root(pristine, small)
        if plant and not plant(small):
            bad.append(f"{fault}: no file to plant it into")
            continue
        for client in clients:
            if is_read and not is_read(exports_of(check_file(client))):
                continue
            start = time.monotonic()
            variables = {PLANTED: f"{small}{os.pathsep}{pristine}"} if plant else {}
            place = work / f"{client}_{fault.replace(' ', '_')}"
            try:
                run_check(client, pythons[client], small, place, variables)
                good, verdict = not plant, "NOT NOTICED" if plant else "passed"
            except ClientError as error:
                good = bool(plant)
                verdict = f"noticed: {how_noticed(error)}" if plant else f"FAILED: {error}"
            if not good:
                bad.append(f"{client}: {fault}")
            seconds = f"{time.monotonic() - start:.0f}"
            print_row([client, fault, seconds, verdict], FAULT_COLUMNS)
    if not bad:
        shutil.rmtree(work)
    print("planted faults: " + ("; ".join(bad) + " FAILED" if bad else "all noticed"))
    return int(bool(bad))


def all_clients() -> list[str]:
    """Names of the lists that have a check."""
    return sorted(path.stem for path in LISTS.glob("*.txt"))


def names() -> str:
    return ", ".join(all_clients())


def print_row(cells: Sequence[str], columns: Sequence[tuple[str, int]] = COLUMNS) -> None:
    widths = [width for _, width in columns]
    row = " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    print(row.rstrip(), flush=True)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "run_client_tests.sh", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    text = f"which ones (default: all): {names()}"
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=text)
    parser.add_argument("--root", type=Path, help="root to read (default: demo, made if not there)")
    text = "plant faults into a few records, and demand that each client fails"
    parser.add_argument("--planted", action="store_true", help=text)
    text = "for environments and work (default: .clients)"
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".clients", help=text)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
