"""Leave-one-out: for each C one fit of all rows, from which those without a row follow.

A step of Newton's method by the exact Hessian leads to each (`_engine/curvature/leave_one_out.py`).
Rows are left out by a fit, which begins where the step ends, if the step moves their own logits by
much in relation to how far it may be off: that is by how far it moves the logits of any row. A
bound tells of most rows that it is not far; of others half a pass tells.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import functional
from fastsoftmax._engine.curvature import features_of, leave_one_out, warm_start_of
from fastsoftmax._engine.objective import Objective, WarmStart
from fastsoftmax._linear.cv.folds import (
    ALL,
    Fit,
    all_logits,
    finite_objective,
    minimum,
    require_classes,
)
from fastsoftmax._linear.cv.scoring import Measure, both
from fastsoftmax._linear.problem.penalty import BasisRules, row_space_of
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._runtime.dtypes import TINY
from fastsoftmax._validation import check
from fastsoftmax._validation import folds as check_folds


@dataclass(frozen=True)
class LeaveOneOutRules:
    """What a step of Newton's method is trusted with (docs/experiments/0082-leave-one-out.md)."""

    # by how much one of a row's logits rises relative to another, times the same of any row's:
    # beyond, a fit
    moved: float = 0.1
    known: float = 0.005  # of these, by which they may be off after a fit
    parameters: int = 4096  # whose Hessian takes 128 MiB, and a few seconds to invert


USUAL = LeaveOneOutRules()


class EachRow:
    """Each row left out in turn: the split of a search."""

    n_fits = 1

    def __init__(self, problem: Problem, measure: Measure) -> None:
        self.weights = problem.targets.plain_weights
        self._plain, self._measure = problem.targets.plain, measure

    def __len__(self) -> int:
        return len(self._plain)

    def fits(self, problem: Problem, Cs: NDArray, tol: float) -> Iterator[Fit]:
        return fits_of_rows(problem, Cs)

    def score(self, fit: Fit) -> NDArray:
        return self._measure(both(fit.logits(slice(None))), self._plain)


def fits_of_rows(
    problem: Problem, Cs: NDArray[np.float64], rules: LeaveOneOutRules = USUAL
) -> Iterator[Fit]:
    """The fit for each C, from the smallest on, with the logits of each row without it."""
    base = finite_objective(problem, float(np.min(Cs)))
    path: list[NDArray] = []
    warm_start = None
    for C in np.unique(Cs):
        objective = problem.objective(float(C), warm_start=warm_start, like=base)
        result = minimum(problem, objective, path)
        warm_start = warm_start_of(result.curvature)
        yield left_out(problem, objective, result.theta, base, warm_start, float(C), rules)


def left_out(
    problem: Problem,
    objective: Objective,
    theta: NDArray,
    base: Objective,
    warm_start: WarmStart | None,
    C: float,
    rules: LeaveOneOutRules,
) -> Fit:
    """What becomes of an optimum without each of its rows."""
    found = leave_one_out(objective, theta)
    n = len(found.logits)
    values = found.value - found.shares * losses(problem, found.logits - found.changes)
    values = (values - found.falls) / (1 - found.shares)
    n_iter = np.zeros(n, int)
    spread = np.ptp(both(found.changes), axis=1)
    moved = np.flatnonzero(~(spread * found.reaches <= rules.moved))
    at_optimum, counts, n_refits = all_logits(objective, found.theta), found.shares > 0, 0
    for i, features in zip(moved, features_of(objective, moved), strict=True):
        there = found.without(i, features)
        reach = np.ptp(both(all_logits(objective, there) - at_optimum)[counts], axis=1).max()
        if spread[i] * reach <= rules.moved:
            continue
        n_refits += 1
        only = np.ones(n)
        only[i] = 0
        other = problem.objective(C, only=only, warm_start=warm_start, like=base)
        tol = rules.known**2 / (2 * max(found.variances[i] * found.value, TINY))
        options = replace(problem.options, tol=min(problem.options.tol, tol))
        # the line through these two leads to where the step ends
        path = [2 * found.theta - there, found.theta]
        result = minimum(problem._replace(options=options), other, path)
        table = other.parameters.layout.table(result.theta)
        values[i], n_iter[i] = result.value, len(result.history)
        found.logits[i] = np.einsum("ks,s->k", table, features)
    coef, intercept = objective.models.of(found.theta)
    return Fit(C, ALL, coef, intercept, values, n_iter, found.logits.__getitem__, n_refits)


def losses(problem: Problem, logits: NDArray) -> NDArray:
    """Of each row, by the targets that are fitted."""
    targets = problem.targets.values
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = np.hstack([1 - targets, targets])
    return functional.cross_entropy(both(logits), targets, reduction="none")


def suited(problem: Problem, rules: LeaveOneOutRules = USUAL) -> Problem:
    """The problem with few parameters, in the space of its rows if need be.

    Raises where there are too many, or another penalty, and where a class has a single row.
    """
    check_folds.no_l1(problem.l1_ratio)
    require_classes_without_each_row(problem)
    k, (n, d), most = problem.targets.n_logits, problem.rows.data.shape, rules.parameters
    if k * width(problem) > most:
        basis = BasisRules(wide=1, rows=most // k, rows_per_logit=0, few_rows=most)
        space = row_space_of(
            problem.rows.data, problem.targets, problem.penalised, problem.fit_intercept,
            problem.memory, basis,
        )  # fmt: skip
        problem = problem._replace(row_space=space)
        check_folds.few_enough(space is not None and k * width(problem) <= most, most, k * d, k * n)
    size = k * (width(problem) + problem.fit_intercept)
    check.max_memory(problem.memory.total, 24 * size**2, "the Hessian of leave-one-out")
    return problem


def width(problem: Problem) -> int:
    """Weights of a class."""
    data = problem.rows.data if problem.row_space is None else problem.row_space.rows
    return data.shape[1]


def require_classes_without_each_row(problem: Problem) -> None:
    """Raise where a class has rows no more without one of them."""
    targets = problem.targets
    plain, weights = targets.plain, targets.weights
    there = np.eye(len(targets.classes))[plain] if plain.ndim == 1 else plain > 0
    there = there * (np.ones(len(plain)) if weights is None else weights > 0)[:, None]
    for k in np.flatnonzero(there.sum(axis=0) <= 1):
        row = int(there[:, k].argmax())
        require_classes(targets, np.arange(len(plain)) != row, row, "cv")
