"""Every fold fitted and scored for every strength, and which of them does best."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.cv.folds import ALL, Fit, fits_of_folds, masks_of
from fastsoftmax._linear.cv.scoring import Score, average
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._runtime import caller
from fastsoftmax._runtime.callbacks import FitState, ends
from fastsoftmax._runtime.dtypes import TINY
from fastsoftmax._runtime.progress import progress
from fastsoftmax._validation import folds as check_folds


class FoldFit(NamedTuple):
    """The fit of a fold for a C, as a callback sees it."""

    C: float
    l1_ratio: float
    fold: int
    score: float
    objective: float
    iterations: int
    seconds: float  # since the first of them began


class Split(Protocol):
    """What is left out in turn."""

    weights: NDArray[np.float64] | None  # in the mean of the scores
    n_fits: int  # for each C

    def __len__(self) -> int: ...

    def fits(self, problem: Problem, Cs: NDArray, tol: float) -> Iterator[Fit]: ...

    def score(self, fit: Fit) -> float | NDArray:
        """That of a fold, or of each row."""


class Folds:
    """Rows to train on and rows to score."""

    weights = None

    def __init__(self, pairs: list[check_folds.Fold], score: Score) -> None:
        self._pairs, self._score = pairs, score
        self.n_fits = len(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def fits(self, problem: Problem, Cs: NDArray, tol: float) -> Iterator[Fit]:
        return fits_of_folds(problem, Cs, masks_of(self._pairs, problem), tol)

    def score(self, fit: Fit) -> float:
        try:
            return self._score(fit, self._pairs[fit.fold][1])
        except Exception as error:
            error.add_note(f"scoring C = {fit.C:g}, fold {fit.fold}")
            raise


class Search:
    """The grid of a cross-validation: an array of each of (folds, ratios, Cs).

    What a callback has left out has a score of NaN.
    """

    def __init__(self, split: Split, n_ratios: int, Cs: NDArray) -> None:
        shape = len(split), n_ratios, len(Cs)
        self._split, self.Cs = split, Cs
        self._n_fits = split.n_fits * n_ratios * len(np.unique(Cs))  # of equal Cs one
        self.scores, self.objectives = np.full((2, *shape), np.nan)
        self.iterations = np.zeros(shape, int)
        self._history: list[FoldFit] = []

    def run(
        self,
        problems: Sequence[Problem],
        tol: float,
        keep: Callable[[Fit, int], None],
        callback: Callable[[FitState], object] | None,
        verbose: bool,
    ) -> None:
        """Fit and score; `keep` takes each fit, with the number of its ratio."""
        began, quiet = time.perf_counter(), np.errstate(over="ignore", invalid="ignore")
        with quiet, progress(verbose, self._n_fits, "fit") as show:
            for ratio, problem in enumerate(problems):
                for fit in self._split.fits(problem, self.Cs, tol):
                    scores = self._split.score(fit)
                    of_fold = slice(None) if fit.fold == ALL else slice(fit.fold, fit.fold + 1)
                    for grid, found in (
                        (self.scores, scores),
                        (self.objectives, fit.value),
                        (self.iterations, fit.n_iter),
                    ):
                        grid[of_fold, ratio, self.Cs == fit.C] = np.reshape(found, (-1, 1))
                    keep(fit, ratio)
                    seconds = time.perf_counter() - began
                    value = average(scores, self._split.weights)
                    self._history.append(
                        FoldFit(
                            fit.C, problem.l1_ratio, fit.fold, value, float(np.mean(fit.value)),
                            int(np.sum(fit.n_iter)), seconds,
                        )
                    )  # fmt: skip
                    fold = "each row" if fit.fold == ALL else f"fold {fit.fold}"
                    show(f"C = {fit.C:g}   {fold}   score {value:.6g}")
                    if callback is not None and self._halted(callback, fit):
                        self._warn_of_missing()
                        return
        self._warn_of_nan()

    def _halted(self, callback: Callable[[FitState], object], fit: Fit) -> bool:
        """Whether the callback ends the search after this fit."""

        def model() -> dict[str, Any]:
            return {"coef": fit.coef, "intercept": fit.intercept}

        return ends(callback, self._history, len(self._history), model)

    def _warn_of_missing(self) -> None:
        """Warn where the callback has left fits out."""
        done = len(self._history)
        if done < self._n_fits:
            caller.warn(
                f"callback: it ended the search after {done} of {self._n_fits} fits; the scores of "
                "the others are NaN, and a C with such a score comes after those without",
                UserWarning,
            )

    def _warn_of_nan(self) -> None:
        """Warn, once, of scores that are NaN."""
        bad = np.isnan(self.scores)
        if bad.any():
            folds = np.flatnonzero(bad.any(axis=(1, 2)))
            check_folds.some_number(bad)
            caller.warn(
                f"scoring: the score is NaN in {bad.sum()} of {bad.size} fits, in "
                f"{len(folds)} of {len(self.scores)} folds ({check_folds.listed(folds)}); each C "
                "with such a score comes after those without",
                UserWarning,
            )

    def simplest(self, order: Sequence[int]) -> tuple[int, int]:
        """(ratio, C) of the first C in this order, and of the best one's ratio, whose mean score is
        within a standard error of the best (Breiman, Friedman, Olshen & Stone 1984, 3.4.3)."""
        ratio, best = self.best(order)
        scores = self.scores[:, ratio]
        if len(scores) < 2:
            return ratio, best
        complete = ~np.isnan(scores).any(axis=0)
        means = self.means[ratio]
        least = means[best] - self._standard_error(scores[:, best])
        enough = (c for c in order if complete[c] and means[c] >= least)
        return ratio, next(enough, best)

    def _standard_error(self, scores: NDArray) -> float:
        """Of the mean of those that are numbers."""
        weights = np.where(np.isnan(scores), 0.0, self._weights)
        scores = np.where(weights > 0, scores, 0.0)
        some = np.count_nonzero(weights)
        if some < 2 or np.isinf(scores).any():
            return 0.0
        off = weights * (scores - np.average(scores, weights=weights)) / weights.sum()
        return float(np.sqrt(some / (some - 1) * np.sum(off**2)))

    @property
    def _weights(self) -> NDArray[np.float64]:
        """Of the folds."""
        weights = self._split.weights
        return np.ones(len(self.scores)) if weights is None else weights

    @property
    def means(self) -> NDArray[np.float64]:
        """Of the scores that are numbers, (ratios, Cs)."""
        weights = np.where(np.isnan(self.scores), 0.0, self._weights[:, None, None])
        totals = np.sum(weights * np.where(weights > 0, self.scores, 0.0), axis=0)
        return totals / np.maximum(weights.sum(axis=0), TINY)

    def best(self, order: Sequence[int]) -> tuple[int, int]:
        """(ratio, C) of the best mean score; of equal ones the first C in this order.

        A score of NaN ranks last: those with fewer of them are better.
        """
        missing, means = np.isnan(self.scores).sum(axis=0), self.means
        return min(
            ((r, c) for c in order for r in range(means.shape[0])),
            key=lambda at: (missing[at], -means[at]),
        )
