"""Coverage-guided fuzzing of a binary reader with atheris (libFuzzer), which is an optional tool.

    pip install atheris        # Linux, Python up to 3.13; nothing of the engine needs it
    python tests/fuzz/coverage_guided.py sens --seconds 600 --corpus FOLDER

Inputs that reach new lines of the engine, of plyfile or of the standard library's pickle and zip
readers are kept in the corpus and changed further, by libFuzzer and by our own mutations. What is a
finding is the same as in run_fuzz.py; it is saved in FOLDER/findings and ends the run with 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["spatial_engine", "plyfile", "zipfile", "csv", "pickle"]):
    import mutations
    import run_fuzz

MAX_BYTES = 65_536


def main() -> None:
    binary = [name for name, target in run_fuzz.TARGETS.items() if target.binary]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=binary)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="kept from run to run (default: none)")
    args = parser.parse_args()
    name, target = args.target, run_fuzz.TARGETS[args.target]
    seeds = target.seeds()
    with tempfile.TemporaryDirectory() as folder:
        corpus = args.corpus or Path(folder) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds):
            (corpus / f"seed{number}").write_bytes(data)
        count = 0

        def feed_one(data: bytes) -> None:
            nonlocal count
            count += 1
            kind, text = run_fuzz.try_file(target, data, Path(folder), count)
            if kind not in ("right", "refused"):
                found = corpus.parent / f"{corpus.name}_findings"
                run_fuzz.save(found, name, count, kind, data, text)
                raise RuntimeError(f"{kind}, saved in {found}\n{text}")

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            rng = random.Random(seed)
            how = rng.random()
            if how < 0.5:
                return atheris.Mutate(data, max_size)
            if how < 0.7 and target.reshape:
                source = rng.choice(seeds)
                return rng.choice(target.reshape)(rng, source)[:max_size]
            return mutations.damage(rng, data, seeds, target.tokens)[:max_size]

        flags = [
            sys.argv[0], str(corpus), f"-max_total_time={args.seconds}", f"-seed={args.seed}",
            f"-timeout={int(run_fuzz.HANG_SECONDS)}", f"-max_len={MAX_BYTES}", "-rss_limit_mb=2048",
            f"-artifact_prefix={corpus.parent}/",
        ]  # fmt: skip
        atheris.Setup(flags, feed_one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
