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
from fastsoftmax._linear.inference.evidence import evidence_of
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
    Each fit is the same as if its target were the only one. Targets with few classes gain most.

    Parameters
    ----------
    X : array-like of shape (n, D)
        Features, as of `SoftmaxRegression.fit`; neither sparse nor `Blocks`, of which fits share no
        passes.
    ys : sequence of array-like, each of shape (n,) or (n, K)
        The targets, each as of `SoftmaxRegression.fit`; they may differ in classes and kind.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows, >= 0, for all targets.
    Cs : int, float or array-like of float, default=(1.0,)
        Inverse strengths of the penalty, > 0: these; a float is one of them. An int is their
        number, evenly spaced in their logarithm from 1e-4 to 1e4, as in `SoftmaxRegressionCV`:
        ``Cs=2`` are two, ``Cs=2.0`` is one. Those of a target are fitted from the smallest to
        the largest, each from the one before: from the second on a fit may take other steps than
        a single one for its C, and ends as near to the same optimum.
    target : {"auto", "labels", "probabilities", "counts"}, default="auto"
        What each of ys holds.
    **params
        Parameters of `SoftmaxRegression` but for C, ``calibrate``, ``verbose`` and an L1 penalty.

    Returns
    -------
    list of list of SoftmaxRegression
        For each target its fitted models, one for each of Cs, in the order given. Attributes are
        those of single fits: ``n_passes_`` counts what a fit would have taken alone.

    Raises
    ------
    ValueError, TypeError
        As `SoftmaxRegression.fit`, naming the target, as ``ys[1]``, or with a note that names it.

    Warns
    -----
    ConvergenceWarning
        For each fit that ended before its stopping rule was met, naming target and C.

    See Also
    --------
    fit : For one target.

    Notes
    -----
    Each target keeps its logits and what else a fit keeps within ``max_memory``, all targets at the
    same time; what is made of X for all of them is kept within the same limit. One that may not
    keep its logits passes over X alone. Fits of many more features than
    rows, or so small that they are made in one call, share nothing.

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
    model._evidence, (model.coef_, model.intercept_) = evidence, best
    return model


fit_many.__module__ = "fastsoftmax"
