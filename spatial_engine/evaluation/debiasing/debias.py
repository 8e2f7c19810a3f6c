"""The questions of one subtask that text alone answers no better than chance.

It begins with those of the plain benchmark. Choices are made equally frequent (balance.py). Then,
in rounds, the predictors are trained on the questions that are in and on all candidates, and what
they solve too often is exchanged (exchange.py). Each round divides the scenes anew, so that nothing
is fitted to one division; a round that finds nothing too good is the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, sqrt
from typing import Any

import numpy as np

from spatial_engine.evaluation.debiasing.balance import balance
from spatial_engine.evaluation.debiasing.blind import Blind, Task, measure
from spatial_engine.evaluation.debiasing.exchange import exchange
from spatial_engine.evaluation.debiasing.guesses import answers_to, offers_choices
from spatial_engine.evaluation.debiasing.predictors import folds_of, predict
from spatial_engine.evaluation.debiasing.texts import features_of, words_of
from spatial_engine.utils.questions.record_files import place_of

# In standard errors of the share that chance is of the questions:
TOO_GOOD = 1.0  # a column further above chance than this is too good
AIM = 0.5  # how far above chance it may stay
CONSTANT, UNBALANCED = "one answer for all", "answers not balanced"


@dataclass(frozen=True)
class Debiased:
    """Which of the candidates are in, ascending (k,); blind accuracy before and after; why
    questions of the plain benchmark are out, counted; why it is not chance, else empty."""

    chosen: np.ndarray
    candidates: int
    before: Blind
    after: Blind
    pruned: Mapping[str, int]
    why: str

    def as_json(self) -> dict[str, Any]:
        """A line of debias.json."""
        return {
            "candidates": self.candidates, "questions": len(self.chosen),
            "pruned": dict(self.pruned), "before": self.before.as_json(),
            "after": self.after.as_json(), "why": self.why,
        }  # fmt: skip


def debias(
    records: Sequence[Mapping[str, Any]], wanted: int, folds: int, rounds: int, seed: int
) -> Debiased:
    """`wanted` of the candidates, records of one task in the order of the plain benchmark."""
    name = records[0]["task"]
    places = [place_of(name, record["image"][0]) for record in records]
    task = Task(name, records, answers_to(records), features_of(records), words_of(records), places)
    plain = np.arange(len(records)) < wanted
    chosen, why_out = plain.copy(), {}
    scenes = np.unique(places, return_inverse=True)[1]
    strata = [scenes, np.zeros_like(scenes)]  # of one scene, else of any
    if offers_choices(name):
        answers = task.right.argmax(axis=0)
        chosen = balance(plain, answers, scenes)
        why_out = dict.fromkeys(np.flatnonzero(plain & ~chosen).tolist(), UNBALANCED)
        strata = [scenes * len(task.right) + answers]  # so that both stay balanced
    for out, reason in exchange_in_rounds(task, chosen, strata, folds, rounds, seed):
        why_out[out] = reason
    pruned = Counter(why_out[one] for one in np.flatnonzero(plain & ~chosen).tolist())
    before, after = (measure(task, one, folds, seed) for one in (plain, chosen))
    why = why_not_chance(after, len(records), int(chosen.sum()))
    kept = np.flatnonzero(chosen)
    return Debiased(kept, len(records), before, after, dict(sorted(pruned.items())), why)


def exchange_in_rounds(
    task: Task,
    chosen: np.ndarray,
    strata: Sequence[np.ndarray],
    folds: int,
    rounds: int,
    seed: int,
) -> list[tuple[int, str]]:
    """Change `chosen` (n,) bool in place, to the best that a round began with; the questions that
    were taken out, each with the name of what solved it."""
    out: list[tuple[int, str]] = []
    count = int(chosen.sum())
    if count == len(task.records):
        return out  # nothing to exchange with
    constants = [] if offers_choices(task.name) else [(CONSTANT, one) for one in task.right]
    earlier: list[tuple[str, np.ndarray]] = []  # predictors of the rounds before
    least, best = np.inf, (chosen.copy(), 0)
    for number in range(rounds):
        parts = folds_of(task.places, folds, seed, task.name, str(number))
        ways = [*constants]
        for trained in (np.ones_like(chosen), chosen):
            ways += predict(task.right, task.features, task.words, parts, trained).items()
        chance = task.chance(chosen) / 100
        error = sqrt(max(chance, 1 / count) * (1 - chance) / count)
        worst = max(float(column[chosen].mean()) for _, column in ways) - chance
        if worst < least:
            least, best = worst, (chosen.copy(), len(out))
        if worst <= TOO_GOOD * error:
            break
        columns = [*ways, *earlier]
        earlier += ways[len(constants) :]
        solved = np.array([column for _, column in columns])
        pairs = exchange(chosen, solved, chance, AIM * error, strata)
        out += [(one, columns[column][0]) for one, _, column in pairs]
    chosen[:] = best[0]
    return out[: best[1]]


def why_not_chance(after: Blind, candidates: int, questions: int) -> str:
    """Why text alone is still better than chance, or cannot be judged; empty where it is not."""
    if isnan(after.score):
        return "not tried: all its questions are about one scene or recording"
    if after.is_chance:
        return ""
    told = f"text alone is better than chance; {candidates} candidates for {questions} questions"
    return f"{told} are too few" if candidates < 2 * questions else f"{told} did not do"
