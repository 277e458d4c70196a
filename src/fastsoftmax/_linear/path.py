"""Fits for many strengths of an L1 penalty, from the one at which all weights are 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine.curvature import warm_start_of
from fastsoftmax._engine.line_search import iterate_at
from fastsoftmax._engine.objective import start_of
from fastsoftmax._linear.cv.folds import minimum
from fastsoftmax._linear.fitting import Parameters, require_known
from fastsoftmax._linear.model import unconverged
from fastsoftmax._linear.problem.problem import Problem, problem_of
from fastsoftmax._linear.problem.targets import referred
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime import caller
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning
from fastsoftmax._runtime.typing import MatrixLike, Target
from fastsoftmax._validation import check
from fastsoftmax._validation import folds as check_folds
from fastsoftmax.blocks import Blocks

OF_PATH = (
    *("X", "y", "sample_weight", "Cs", "eps", "l1_ratio", "l1_group", "target", "classes"),
    "offset",
)
NOT_OF_PATH = ("C", "calibrate")
FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True)
class StartRules:
    """How the largest C is found at which weights are 0.

    docs/experiments/0076-groups-and-paths.md.
    """

    first: float = 0.5  # of what seems to be it: where it is looked for
    rounds: int = 20
    tol: float = 1e-12  # with which what has no penalty is found there
    rounding: float = 1e-10  # of it, by which it is taken to be less, so that weights are 0 there
    unsure: float = 1e-5  # the same where what has no penalty is found by a fit


@dataclass(frozen=True)
class SoftmaxPath:
    """The models of a path, as `softmax_path` returns them.

    Parameters
    ----------
    Cs : ndarray of shape (n_Cs,)
        Inverse strengths of the penalty, ascending.
    coefs : ndarray of shape (n_Cs, K, D), or (n_Cs, 1, D) for two classes
        Weights for each C.
    intercepts : ndarray of shape (n_Cs, K) or (n_Cs, 1)
    objectives : ndarray of shape (n_Cs,)
        F where each fit ended.
    gap_bounds : ndarray of shape (n_Cs,)
        Upper bounds on F - F* there.
    n_iter : ndarray of shape (n_Cs,)
        Iterations.
    converged : ndarray of shape (n_Cs,), bool
    classes : ndarray of shape (K,)
    C_max : float
        The largest C at which all penalised weights are 0; infinity if they are 0 at every C, for
        example because all features are constant.

    See Also
    --------
    softmax_path : Fits them.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> path = fastsoftmax.softmax_path(*load_digits(), Cs=3)
    >>> bool((path.gap_bounds <= 1e-6 * path.objectives).all()), int(path.n_nonzero[0])
    (True, 0)
    """

    Cs: NDArray[np.float64]
    coefs: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    objectives: NDArray[np.float64]
    gap_bounds: NDArray[np.float64]
    n_iter: NDArray[np.intp]
    converged: NDArray[np.bool_]
    classes: NDArray
    C_max: float

    @property
    def n_nonzero(self) -> NDArray[np.intp]:
        """Features with a weight that is not 0, for each C."""
        return np.count_nonzero(self.coefs.any(axis=1), axis=1)


def softmax_path(
    X: MatrixLike | Blocks,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    Cs: int | ArrayLike = 100,
    eps: float = 1e-3,
    l1_ratio: float = 1.0,
    l1_group: ArrayLike | Literal["classes"] | None = None,
    target: Target = "auto",
    classes: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    **params: Unpack[Parameters],
) -> SoftmaxPath:
    """Fit softmax regression for many values of C with an L1 penalty, each from the fit before.

    Parameters
    ----------
    X : array-like or sparse matrix or array of shape (n, D), or Blocks
    y : array-like of shape (n,) or (n, K)
    sample_weight : array-like of shape (n,), optional
        X, y and sample_weight are as in `SoftmaxRegression.fit`.
    Cs : int or array-like of float, default=100
        Inverse strengths of the penalty, > 0, in any order. A number means that many values, evenly
        spaced in their logarithm from C_max, the largest at which all weights are 0, to
        ``C_max / eps``. The ``Cs`` of the path are the values used, in ascending order; a value
        that is given twice is kept twice.
    eps : float, default=1e-3
        Ratio of C_max to the largest C, > 0 and < 1, if ``Cs`` is a number.
    l1_ratio : float, default=1.0
        Share of the L1 norm in the penalty, > 0 and <= 1.
    l1_group : "classes", array-like of shape (D,) or None, default=None
        As in `SoftmaxRegression`: "classes" for one group of each feature's weights.
    target, classes, offset
        As in `SoftmaxRegression.fit`.
    **params
        Parameters of `SoftmaxRegression`, except C and ``calibrate``: ``tol``, ``standardize`` and
        so on.

    Returns
    -------
    SoftmaxPath
        The models, from the smallest C to the largest.

    Raises
    ------
    ValueError, TypeError
        As in `SoftmaxRegression.fit`.

    Warns
    -----
    ConvergenceWarning
        If fits ended before their stopping rule was met.

    See Also
    --------
    SoftmaxRegressionCV : Chooses a C.
    fastsoftmax.plotting.PathDisplay : Draws the path.

    Notes
    -----
    A fit starts at the optimum of the one before and adds features by the gradient there. This is
    computed for all features: none is left out unseen, and each model's gap bound holds. The
    coefficients of all models are kept, ``n_Cs * K * D`` numbers.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> path = fastsoftmax.softmax_path(X, y, Cs=5, l1_group="classes")
    >>> path.coefs.shape, int(path.n_nonzero[0])
    ((5, 10, 64), 0)
    """
    require_known(params, SoftmaxRegression, "softmax_path", OF_PATH, NOT_OF_PATH)
    if "C" in params:
        raise TypeError("C: expected none for a path, whose strengths are Cs")
    if params.get("calibrate") is not None:
        raise TypeError("calibrate: expected none for a path, whose models have no temperature")
    if not check.fraction(l1_ratio, "l1_ratio"):
        raise ValueError("l1_ratio: expected a number > 0, got 0: no weight becomes 0 without L1")
    eps = check.number(eps, "eps", above=0)
    if not eps < 1:
        raise ValueError(f"eps: expected a number < 1, got {eps:g}")
    grid = check_folds.strengths(Cs)
    estimator = SoftmaxRegression(l1_ratio=l1_ratio, l1_group=l1_group, **params)
    problem = problem_of(
        estimator, X, y, sample_weight, max_iter=estimator.max_iter, Cs=[1.0], target=target,
        classes=classes, offset=offset,
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        most, zeros = largest_of_zeros(problem)
        if np.ndim(Cs) == 0:
            check_folds.some_start(most, Cs)
            grid = most * np.geomspace(1, 1 / eps, len(grid))
        return path_of(problem, np.sort(grid), most, zeros)


def largest_of_zeros(
    problem: Problem, rules: StartRules | None = None
) -> tuple[float, tuple[NDArray, NDArray]]:
    """The largest C at which all penalised weights are 0, and the model there.

    There the steepest gradient by them is λ, where what has no penalty is optimal. A fit for a
    lesser C finds that.
    """
    rules = rules or StartRules()
    problem = problem._replace(options=replace(problem.options, tol=rules.tol))
    C, steepest = 1.0, 1.0
    for _ in range(rules.rounds):
        objective = problem.objective(C * rules.first / steepest)
        if not objective.parameters.finite:
            problem.rows.require_spread(*objective.parameters.moments)
        theta = start_of(objective)
        if C != 1.0:
            theta = minimum(problem, objective, [theta]).theta
        C *= rules.first / steepest
        steepest = objective.l1.steepest(iterate_at(objective, theta).smooth)
        if not objective.l1.value(objective.parameters.user(theta, FLOAT64)[0]) and steepest <= 1:
            break
    found_by_fit = len(objective.free) or objective.offset is not None
    margin = rules.unsure if found_by_fit else rules.rounding
    largest = C / steepest * (1 - margin) if steepest > 0 else np.inf
    return largest, objective.models.of(theta)


def path_of(
    problem: Problem, Cs: NDArray[np.float64], C_max: float, zeros: tuple[NDArray, NDArray]
) -> SoftmaxPath:
    """Fit the strengths from the smallest on, beginning at the model without weights."""
    base = problem.objective(float(Cs[0]))
    path = [start_of(base, *zeros)]
    models, numbers, failed, warm_start = [], [], [], None
    for C in Cs:
        objective = problem.objective(float(C), like=base, warm_start=warm_start)
        result = minimum(problem, objective, path)
        warm_start = warm_start_of(result.curvature)
        model = objective.models.of(result.theta)
        models.append(referred(*model, problem.reference))
        numbers.append((result.value, result.gap_bound, len(result.history), result.converged))
        if result.stop:
            failed.append(unconverged(result, problem, float(C), f"The fit with C = {C:g}"))
    if failed:
        caller.warn(f"{len(failed)} of {len(Cs)} fits: {failed[-1]}", ConvergenceWarning)
    values, bounds, n_iter, converged = map(np.array, zip(*numbers, strict=True))
    coefs, intercepts = map(np.stack, zip(*models, strict=True))
    return SoftmaxPath(
        Cs, coefs, intercepts, values, bounds, n_iter, converged, problem.targets.classes, C_max
    )


SoftmaxPath.__module__ = softmax_path.__module__ = "fastsoftmax"
