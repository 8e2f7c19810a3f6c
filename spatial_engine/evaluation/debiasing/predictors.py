"""Predictors that see the text alone, each tried on scenes that it was not trained on.

wording features  among training questions with the same value of a feature, the answer that would
                  be right most often (as the wording baseline, here for each feature by itself)
words             a linear model (ridge regression) of the words and pairs of words: for each answer
                  whether it is right; the answer with the highest value is taken
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import linalg, sparse

from spatial_engine.evaluation.baselines.wording_baseline import MIN_SEEN
from spatial_engine.utils.geometry import sampling

RIDGE = 1.0  # penalty on squared weights; rows of the table of words have length 1
WORDS = "words"  # the name of the linear model


def folds_of(places: Sequence[str], folds: int, seed: int, *names: str) -> np.ndarray:
    """(n,) int from 0: the fold of each question, all of a scene in one; by at most `folds`."""
    distinct = sorted(set(places))
    order = sampling.generator(seed, "folds", *names).permutation(len(distinct))
    fold = {distinct[one]: number % folds for number, one in enumerate(order)}
    return np.array([fold[place] for place in places])


def predict(
    right: np.ndarray,
    features: Mapping[str, np.ndarray],
    words: np.ndarray,
    folds: np.ndarray,
    trained: np.ndarray,
) -> dict[str, np.ndarray]:
    """By predictor, whether it answers each question right, (n,) bool, when it is trained on the
    questions of the other folds that are in `trained` (n,) bool. `right` (A, n) bool says which
    answers are right."""
    found = {name: np.zeros(len(folds), bool) for name in (*features, WORDS)}
    fit = WordModel(right, words, folds, trained)
    for fold in np.unique(folds):
        known, asked = trained & (folds != fold), np.flatnonzero(folds == fold)
        if not known.any():
            continue
        usual = int(right[:, known].sum(axis=1).argmax())
        for name, codes in features.items():
            best = _best_answers(right, codes, known, usual)
            found[name][asked] = right[best[codes[asked]], asked]
        found[WORDS][asked] = right[fit.answers(fold), asked]
    return found


def choose_wording(solved: Mapping[str, np.ndarray], folds: np.ndarray, among: np.ndarray):
    """(n,) bool: what the wording features solve together, each fold by the feature that solves
    most questions of `among` (n,) bool in the other folds; the first of equals."""
    names = [name for name in solved if name != WORDS]
    chosen = np.zeros(len(folds), bool)
    for fold in np.unique(folds) if names else ():
        others = among & (folds != fold)
        best = max(names, key=lambda name: np.count_nonzero(solved[name][others]))
        chosen[folds == fold] = solved[best][folds == fold]
    return chosen


def _best_answers(right: np.ndarray, codes: np.ndarray, known: np.ndarray, usual: int):
    """(G,) int: the best answer for each value of a feature, the usual one for rare values."""
    number, mine = int(codes.max()) + 1, codes[known]
    ones = np.ones(len(mine), np.float32)
    groups = sparse.csr_array((ones, (mine, np.arange(len(mine)))), (number, len(mine)))
    best = (groups @ right[:, known].T.astype(np.float32)).argmax(axis=1)
    return np.where(np.bincount(mine, minlength=number) >= MIN_SEEN, best, usual)


class WordModel:
    """The linear model of one division into folds. With fewer questions than columns its equations
    are solved for the questions, else for the columns; both give the same."""

    def __init__(
        self, right: np.ndarray, words: np.ndarray, folds: np.ndarray, trained: np.ndarray
    ):
        self.right, self.words, self.folds, self.trained = right, words, folds, trained
        self.by_columns = int(trained.sum()) >= words.shape[1]
        if self.by_columns:
            self.gram = self._gram(trained)

    def answers(self, fold: int) -> np.ndarray:
        """(asked,) int: the answers to the questions of a fold, learnt from the other folds."""
        known, asked = self.trained & (self.folds != fold), self.folds == fold
        table, test = self.words[known], self.words[asked]
        truths = self.right[:, known].T.astype(np.float32)
        usual = truths.mean(axis=0)
        truths -= usual
        if self.by_columns:
            gram = self.gram - self._gram(self.trained & asked)
            values = test @ _ridge(gram, table.T @ truths)
        else:
            values = (test @ table.T) @ _ridge((table @ table.T).astype(float), truths)
        return np.round(values + usual, 6).argmax(axis=1)  # equal answers stay equal

    def _gram(self, which: np.ndarray) -> np.ndarray:
        table = self.words[which]
        return (table.T @ table).astype(float)


def _ridge(gram: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Weights, as float32: half the time of the products, which are most of the work."""
    weights = linalg.solve(gram + RIDGE * np.eye(len(gram)), truths, assume_a="pos")
    return weights.astype(np.float32)
