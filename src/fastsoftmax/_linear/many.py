"""Fits of several targets on one X, for several strengths of the penalty, in passes they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from fastsoftmax._engine.curvature import warm_start_of
from fastsoftmax._engine.data import DenseData, SharedPasses
from fastsoftmax._linear.fitting import Parameters, require_known
from fastsoftmax._linear.inference.evidence import evidence_of, keep_evidence
from fastsoftmax._linear.model import warn_unconverged
from fastsoftmax._linear.problem.each_label import Optimum
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.typing import Target
from fastsoftmax._validation import many as check

OF_MANY = ("X", "ys", "sample_weight", "Cs", "target")


def fit_many(
    X: ArrayLike,
    ys: Sequence[ArrayLike],
    sample_weight: ArrayLike | None = None,
    *,
    Cs: int | float | ArrayLike = (1.0,),
    target: Target = "auto",
    **params: Unpack[Parameters],
) -> list[list[SoftmaxRegression]]:
    """Fit softmax regression to several targets on the same X.

    Fits of different targets that need products with all rows at the same time share a pass over X.
    The fits of a target are the same as if it were the only one. Targets with few classes gain
    most.

    Parameters
    ----------
    X : array-like of shape (n, D)
        Features, as in `SoftmaxRegression.fit`, but neither sparse nor `Blocks`, over which fits
        share no passes.
    ys : sequence of array-like, each of shape (n,) or (n, K)
        The targets, each as in `SoftmaxRegression.fit`; they may differ in classes and kind.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows, >= 0, for all targets.
    Cs : int, float or array-like of float, default=(1.0,)
        Inverse strengths of the penalty, > 0. A float is one value. An int means that many values
        from 1e-4 to 1e4, evenly spaced in their logarithm, as in `SoftmaxRegressionCV`: ``Cs=2``
        means two values, and ``Cs=2.0`` one. For each target they are fitted from the smallest to
        the largest, each fit starting from the one before. From the second on, a fit may therefore
        take other steps than a single fit with its C; it ends as close to the same optimum.
    target : {"auto", "labels", "probabilities", "counts"}, default="auto"
        What each of ys holds.
    **params
        Parameters of `SoftmaxRegression`, except C, ``calibrate``, ``verbose`` and an L1 penalty.

    Returns
    -------
    list of list of SoftmaxRegression
        For each target its fitted models, one for each of Cs, in the order given. Attributes are
        those of single fits: ``n_passes_`` counts the passes that a fit would have needed alone.

    Raises
    ------
    ValueError, TypeError
        As in `SoftmaxRegression.fit`; the message, or a note, names the target, such as ``ys[1]``.

    Warns
    -----
    ConvergenceWarning
        For each fit that ended before its stopping rule was met, naming target and C.

    See Also
    --------
    fit : For one target.

    Notes
    -----
    Each target keeps its logits, and what else a fit keeps, within ``max_memory``. All targets keep
    theirs at the same time, so that memory grows with their number. What is computed from X for all
    of them is kept within the same limit. A target whose logits do not fit shares no passes.
    Fits with many more features than rows, and fits so small that they are done in one call, share
    nothing.

    Sparse X is refused, since its fits seldom gain: a pass for eight targets of ten classes takes
    as long as one for each of them, and two classes are often fitted by dual coordinate ascent, row
    by row. Passes over `Blocks` are not shared either. Fit each target with `fit`.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> even, digit = fastsoftmax.fit_many(X, [y % 2 == 0, y], Cs=[1e-3, 1e-2])
    >>> [model.C for model in digit], even[0].classes_.tolist()
    ([0.001, 0.01], [False, True])
    """
    require_known(params, SoftmaxRegression, "fit_many", OF_MANY)
    check.parameters(params)
    array, targets = check.rows(X), check.targets(ys)
    grid = check.strengths(Cs)
    problems = []
    for i, y in enumerate(targets):
        try:
            estimator = SoftmaxRegression(**params)
            problem = problem_of(
                estimator, array, y, sample_weight, max_iter=estimator.max_iter, Cs=grid.tolist(),
                target=target,
            )  # fmt: skip
        except Exception as error:
            check.name_target(error, i)
            raise
        problems.append(problem._replace(rows=problem.rows._replace(given=X)))
    passes = SharedPasses(problems[0].memory.preconditioner)
    optima = passes.run([path(sharing(problem, passes), grid, params) for problem in problems])
    return [
        [model_of(problem, C, found[C], params, i) for C in grid.tolist()]
        for i, (problem, found) in enumerate(zip(problems, optima, strict=True))
    ]


def sharing(problem: Problem, passes: SharedPasses) -> Problem:
    """The same on data whose passes are shared."""
    data = problem.rows.data
    assert isinstance(data, DenseData)
    return problem._replace(rows=problem.rows._replace(data=passes.of(data)))


def path(
    problem: Problem, Cs: np.ndarray, params: Parameters
) -> Callable[[], dict[float, Optimum]]:
    """What fits a target, from the smallest C on."""

    def fits() -> dict[float, Optimum]:
        found: dict[float, Optimum] = {}
        previous, state = (), None
        for C in np.unique(Cs).tolist():
            estimator = SoftmaxRegression(C=C, **params)
            found[C] = optimum = estimator._optimum(problem, C, previous, state, None)
            previous, curvature = optimum.model, optimum.result.curvature
            state = warm_start_of(curvature) if curvature else None
            found[C] = optimum._replace(result=replace(optimum.result, curvature=None))
        return found

    return fits


def model_of(
    problem: Problem, C: float, optimum: Optimum, params: Parameters, target: int
) -> SoftmaxRegression:
    """The estimator of a fit, of the target of this number, that has ended."""
    model = SoftmaxRegression(C=C, **params)
    evidence, best = evidence_of(model, problem, optimum.result, optimum.model)
    warn_unconverged(optimum.result, problem, C, f"The fit of ys[{target}] with C = {C:g}")
    model._keep(problem, *optimum)
    keep_evidence(model, evidence, best)
    return model


fit_many.__module__ = "fastsoftmax"
