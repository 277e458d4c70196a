"""A fit in one call."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypedDict, Unpack

from numpy.typing import ArrayLike

from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.typing import MatrixLike, Solver, Target
from fastsoftmax._validation import spellings
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

OF_FIT = ("sample_weight", "target", "classes", "offset", "callback")


class Parameters(TypedDict, total=False):
    """The parameters of `SoftmaxRegression`."""

    C: float
    l1_ratio: float
    l1_group: ArrayLike | Literal["classes"] | None
    fit_intercept: bool
    tol: float
    max_iter: int
    solver: Solver
    max_memory: int | None
    feature_scale: ArrayLike | None
    standardize: bool
    penalty_factor: ArrayLike | None
    class_weight: Mapping[Hashable, float] | Literal["balanced"] | None
    label_smoothing: float
    reference_class: Hashable
    calibrate: int | None
    n_threads: int | None
    random_state: int
    warm_start: bool
    verbose: bool


class ParametersOfFit(Parameters, total=False):
    """The same, and the arguments of its ``fit``."""

    sample_weight: ArrayLike | None
    target: Target
    classes: ArrayLike | None
    offset: ArrayLike | None
    callback: Callable[[Any], object] | None


def fit(
    X: MatrixLike | Blocks | Partitions,
    y: ArrayLike | None = None,
    **params: Unpack[ParametersOfFit],
) -> SoftmaxRegression:
    """Fit softmax regression in one call.

    Parameters
    ----------
    X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
    y : array-like of shape (n,) or (n, K)
    **params
        ``sample_weight``, ``target``, ``classes``, ``offset``, ``callback``, as in
        `SoftmaxRegression.fit`, and the parameters of `SoftmaxRegression`.

    Returns
    -------
    SoftmaxRegression
        The fitted estimator.

    Raises
    ------
    TypeError
        If a parameter is unknown.
    ValueError, TypeError
        As in `SoftmaxRegression.fit`.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> fastsoftmax.fit(X, y, C=0.01).predict(X[:5]).tolist()
    [0, 1, 2, 3, 4]
    """
    by_call = {name: params.pop(name) for name in OF_FIT if name in params}
    require_known(params, SoftmaxRegression, "fit", OF_FIT)
    return SoftmaxRegression(**params).fit(X, y, **by_call)


def require_known(
    params: dict[str, Any],
    kind: type,
    function: str,
    others: Sequence[str],
    without: Sequence[str] = (),
) -> None:
    """Raise for what is no parameter of this kind of estimator, or one of those left out."""
    spellings.foreign(params, function, parameters(kind))
    if unknown := [name for name in params if name not in parameters(kind)]:
        own = [name for name in parameters(kind) if name not in (*others, *without)]
        expected = ", ".join((*others, *own))
        raise TypeError(f"{function}: unknown parameter {unknown[0]!r}, expected one of {expected}")


@cache
def parameters(kind: type) -> tuple[str, ...]:
    """The parameters of an estimator."""
    return tuple(kind().get_params())
