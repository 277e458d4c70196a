"""Every fold fitted and scored for every strength, and which of them does best."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.cv.folds import Fit, fits_of_folds, masks_of
from fastsoftmax._linear.cv.scoring import Score
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._runtime import caller
from fastsoftmax._runtime.callbacks import FitState, ends
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


class Search:
    """The grid of a cross-validation: an array of each of (folds, ratios, Cs).

    What a callback has left out has a score of NaN.
    """

    def __init__(self, folds: list[check_folds.Fold], n_ratios: int, Cs: NDArray) -> None:
        shape = len(folds), n_ratios, len(Cs)
        self.folds, self.Cs = folds, Cs
        self.scores, self.objectives = np.full((2, *shape), np.nan)
        self.iterations = np.zeros(shape, int)
        self._history: list[FoldFit] = []

    def run(
        self,
        problems: Sequence[Problem],
        score: Score,
        tol: float,
        keep: Callable[[Fit, int], None],
        callback: Callable[[FitState], object] | None,
        verbose: bool,
    ) -> None:
        """Fit and score; `keep` takes each fit, with the number of its ratio."""
        began, quiet = time.perf_counter(), np.errstate(over="ignore", invalid="ignore")
        with quiet, progress(verbose, self.scores.size, "fit") as show:
            for ratio, problem in enumerate(problems):
                for fit in fits_of_folds(problem, self.Cs, masks_of(self.folds, problem), tol):
                    try:
                        value = score(fit, self.folds[fit.fold][1])
                    except Exception as error:
                        error.add_note(f"scoring C = {fit.C:g}, fold {fit.fold}")
                        raise
                    at = fit.fold, ratio, self.Cs == fit.C
                    self.scores[at], self.objectives[at] = value, fit.value
                    self.iterations[at] = fit.n_iter
                    keep(fit, ratio)
                    seconds = time.perf_counter() - began
                    self._history.append(
                        FoldFit(
                            fit.C, problem.l1_ratio, fit.fold, value, fit.value, fit.n_iter, seconds
                        )
                    )
                    show(f"C = {fit.C:g}   fold {fit.fold}   score {value:.6g}")
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
        done, size = len(self._history), self.scores.size
        if done < size:
            caller.warn(
                f"callback: it ended the search after {done} of {size} fits; the scores of the "
                "others are NaN, and a C with such a score comes after those without",
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
                f"{len(folds)} of {len(self.folds)} folds ({check_folds.listed(folds)}); each C "
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
        error = np.nanstd(scores[:, best], ddof=1) / np.sqrt(len(scores))
        least = np.nanmean(scores[:, best]) - error
        complete = ~np.isnan(scores).any(axis=0)
        enough = (c for c in order if complete[c] and scores[:, c].mean() >= least)
        return ratio, next(enough, best)

    def best(self, order: Sequence[int]) -> tuple[int, int]:
        """(ratio, C) of the best mean score; of equal ones the first C in this order.

        A score of NaN ranks last: those with fewer of them are better.
        """
        missing = np.isnan(self.scores).sum(axis=0)
        counted = np.maximum(len(self.folds) - missing, 1)
        means = np.nansum(self.scores, axis=0) / counted
        return min(
            ((r, c) for c in order for r in range(means.shape[0])),
            key=lambda at: (missing[at], -means[at]),
        )
