"""Several labels per row whose classes have weights: a problem for each label.

Weights of the classes 0 and 1 differ from label to label, and so do those that they give a row.
Nothing is left that the labels share but X, and each is fitted as two classes alone are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.solvers import Result
from fastsoftmax._linear.problem.problem import Problem
from fastsoftmax._linear.problem.targets import weighted
from fastsoftmax._validation import targets as check_targets

CODES = np.arange(2)  # whether a row has a label


def each_label(problem: Problem, class_weight: object) -> list[tuple[slice, Problem]]:
    """Rows of the model, and the problem that they solve: of each label, if there are several and
    their classes have weights; else of all."""
    if class_weight is None or not problem.several_labels:
        return [(slice(None), problem)]
    targets, offset = problem.targets, problem.offset
    k = targets.n_logits
    parts = []
    for i, named in enumerate(check_targets.weights_of_each_label(class_weight, k)):
        weight, name = named
        codes = targets.values[:, i].astype(np.int32)
        part = problem._replace(
            several_labels=False, offset=None if offset is None else offset[:, i : i + 1]
        )
        own = weighted(codes, CODES, targets.weights, weight, 0.0, name)
        parts.append((slice(i, i + 1), part.with_targets(own)))
    return parts


class Optimum(NamedTuple):
    """Where a fit ended."""

    result: Result
    model: tuple[NDArray, NDArray]  # coef and intercept
    grad_norm: float


def together(fits: list[Optimum]) -> Optimum:
    """The fit of all labels: the sum of their objectives, their iterations one after another."""
    if len(fits) == 1:
        return fits[0]
    results = [fit.result for fit in fits]
    result = Result(
        None,
        value=sum(each.value for each in results),
        converged=all(each.converged for each in results),
        halted=any(each.halted for each in results),
        gap_bound=sum(each.gap_bound for each in results),
        certified=all(each.certified for each in results),
        history=[iteration for each in results for iteration in each.history],
        n_passes=sum(each.n_passes for each in results),
    )
    coef, intercept = (
        np.concatenate(parts) for parts in zip(*(f.model for f in fits), strict=True)
    )
    return Optimum(result, (coef, intercept), max(fit.grad_norm for fit in fits))
