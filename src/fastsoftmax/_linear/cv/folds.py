"""A path of models over the strengths of the penalty, for each fold.

A fold is a mask on the weights of the rows, so all folds share X, its moments and coordinates.
Along the path W is about linear in log C: a fit starts at the extrapolation of the last two optima,
or at the last one if F is lower there, and takes over the preconditioner of the fit before.

One pass for several folds does not pay where arithmetic bounds its speed. It does with one logit:
the folds of two classes become logits of one objective, in which the targets of the rows left out
are missing.
Measurements: docs/experiments/0036-cross-validation-paths.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine import solvers
from fastsoftmax._engine.curvature import warm_start_of
from fastsoftmax._engine.data import StoredLogits, some_rows
from fastsoftmax._engine.objective import Objective, start_of
from fastsoftmax._engine.objective.loss import MISSING
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._linear.problem.targets import Targets, class_totals
from fastsoftmax._validation import folds as check_folds


class Fit(NamedTuple):
    """A fold's model for a C; or that of all rows, with what there is for each row left out."""

    C: float
    fold: int  # or ALL
    coef: NDArray
    intercept: NDArray
    value: float | NDArray  # F of the rows trained on
    n_iter: int | NDArray
    logits: Callable[[NDArray[np.intp] | slice], NDArray]  # of some rows, (m, n_logits)
    n_refits: int = 0  # of rows left out


ALL = -1  # instead of the number of a fold: each row is one
NUMBERS = 1 << 18  # logits at a time, as many as the threads of a pass share


def masks_of(
    folds: list[check_folds.Fold], problem: Problem, argument: str = "cv"
) -> list[NDArray[np.float64]]:
    """How often each row is trained on, for each fold; all classes among them."""
    targets, n = problem.targets, problem.rows.data.shape[0]
    masks: list[NDArray[np.float64]] = []
    for i, (train, _) in enumerate(folds):
        masks.append(np.bincount(train, minlength=n).astype(np.float64))
        require_classes(targets, masks[-1], i, argument)
    return masks


def require_classes(targets: Targets, mask: NDArray[np.float64], fold: int, argument: str) -> None:
    """Raise where rows to train on lack a class."""
    totals = (
        class_totals(targets.plain, mask if w is None else mask * w, len(targets.classes))
        for w in (None, targets.plain_weights, targets.weights)
    )
    check_folds.all_classes(*totals, targets.classes, fold, argument)


def fits_of_folds(
    problem: Problem, Cs: NDArray[np.float64], masks: list[NDArray[np.float64]], tol: float
) -> Iterator[Fit]:
    """The fit of each fold for each C, from the smallest on."""
    problem = problem._replace(options=replace(problem.options, tol=tol))
    codes, least = problem.targets.values, float(np.min(Cs))
    once = all(mask.max() <= 1 for mask in masks)  # no row more than once in a fold
    together = problem.targets.n_logits == 1 and codes.ndim == 1 and not problem.l1_ratio and once
    if together:
        indicators = np.stack([np.where(mask > 0, codes, MISSING) for mask in masks], axis=1)
        problem = problem._replace(
            targets=problem.targets._replace(
                values=np.ascontiguousarray(indicators, np.uint8), n_logits=len(masks)
            )
        )
    # Scales come from the strongest penalty. Those of the features alone may be far below, and take
    # four times the iterations where the penalty is strong.
    base = finite_objective(problem, least)
    fits = fits_together if together else fits_in_turn
    yield from fits(problem, Cs, masks, base)


def finite_objective(problem: Problem, C: float) -> Objective:
    """F for this C; raises where X is not finite."""
    objective = problem.objective(C)
    if not objective.parameters.finite:
        problem.rows.require_spread(*objective.parameters.moments)
    return objective


def fits_in_turn(
    problem: Problem,
    Cs: NDArray[np.float64],
    masks: list[NDArray[np.float64]],
    base: Objective,
) -> Iterator[Fit]:
    """Fold by fold."""
    paths: list[list[NDArray]] = [[] for _ in masks]
    warm_start = None
    for C in np.unique(Cs):
        for i, mask in enumerate(masks):
            objective = problem.objective(float(C), only=mask, warm_start=warm_start, like=base)
            result = minimum(problem, objective, paths[i])
            warm_start = warm_start_of(result.curvature)
            coef, intercept = objective.models.of(result.theta)
            yield Fit(
                float(C), i, coef, intercept, float(result.value), len(result.history),
                partial(logits_of_rows, objective, result.theta),
            )  # fmt: skip
            del objective, result  # before there are those of the next fold


def fits_together(
    problem: Problem,
    Cs: NDArray[np.float64],
    masks: list[NDArray[np.float64]],
    base: Objective,
) -> Iterator[Fit]:
    """Folds as logits of one objective: the sum of theirs, which have nothing in common."""
    path: list[NDArray] = []
    weights = problem.targets.weights
    for C in np.unique(Cs):
        objective = problem.objective(float(C), like=base)
        result = minimum(problem, objective, path)
        coef, intercept = objective.models.of(result.theta)
        logits = all_logits(objective, result.theta)
        codes = problem.targets.values
        for i, mask in enumerate(masks):
            z, on = logits[:, i].astype(np.float64), codes[:, i] == 1
            w = mask if weights is None else mask * weights
            loss = w @ np.logaddexp(0.0, np.where(on, -z, z))
            value = (loss + 0.5 / C * ridge(problem, coef[i])) / w.sum()
            yield Fit(
                float(C), i, coef[i : i + 1], intercept[i : i + 1], value,
                len(result.history), logits[:, i : i + 1].__getitem__,
            )  # fmt: skip


def minimum(problem: Problem, objective: Objective, path: list[NDArray]) -> solvers.Result:
    """The optimum, which becomes the last of the path."""
    solver = solvers.find(problem.solver, objective)
    result = solver.minimize(objective, start(objective, path), problem.options)
    path[:] = [*path[-1:], result.theta]
    return result


def all_logits(objective: Objective, theta: NDArray) -> NDArray:
    """The logits of all rows, (n, n_logits)."""
    stored = objective.loss.logits_of(objective.data)
    objective.store_logits(theta, stored)
    return stored.table()


def logits_of_rows(objective: Objective, theta: NDArray, chosen: NDArray[np.intp]) -> NDArray:
    """The logits of chosen rows, (m, n_logits), made some rows at a time."""
    o, (W, b) = objective, objective.user(theta)
    tile = StoredLogits.tile_rows(o.data.dtype)
    order = np.argsort(chosen, kind="stable")
    rows, out = chosen[order], np.empty((len(chosen), o.n_logits), o.data.dtype)
    for at, part in some_rows(o.data, -(-NUMBERS // (o.n_logits * tile)) * tile):
        here = slice(*np.searchsorted(rows, (at.start, at.stop)))
        if here.start == here.stop:
            continue
        stored = o.loss.logits_of(part)
        part.store_logits(W, b, stored)
        o.passes.count += 0.5 * part.shape[0] / o.data.shape[0]
        out[order[here]] = stored.table()[rows[here] - at.start]
    return out


def ridge(problem: Problem, coef: NDArray) -> float:
    """The squared norm of weights, in the units in which they are penalised."""
    units, free = problem.penalised.units, problem.penalised.free
    coef = coef if free is None else np.where(free, 0.0, coef)
    return float(np.sum(np.square(coef if units is None else coef / units)))


def start(objective: Objective, path: list[NDArray]) -> NDArray:
    """Where to begin after the optima for smaller C."""
    if not path:
        return start_of(objective)
    last = path[-1]
    if len(path) < 2:
        return last.copy()
    further, l1 = 2 * last - path[-2], objective.l1
    if l1:  # a line through zeros would fill them
        keeps = (last != 0) & (path[-2] != 0) & (l1.is_grouped | (last * further > 0))
        further = np.where(keeps, further, last)
    values = []
    for theta in (last, further):
        value, gradient = objective.value_and_grad(theta)
        values.append(value + (l1.subgradient(gradient, theta)[0] if l1 else 0.0))
    return further if values[1] < values[0] else last.copy()
