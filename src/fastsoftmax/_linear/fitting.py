"""A fit in one call."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from numpy.typing import ArrayLike

from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import spellings
from fastsoftmax.blocks import Blocks

OF_FIT = ("sample_weight", "target", "classes", "offset", "callback")


def fit(X: MatrixLike | Blocks, y: ArrayLike | None = None, **params: Any) -> SoftmaxRegression:
    """Fit softmax regression in one call.

    Parameters
    ----------
    X : array-like or sparse matrix or array of shape (n, D), or Blocks
    y : array-like of shape (n,) or (n, K)
    **params
        ``sample_weight``, ``target``, ``classes``, ``offset``, ``callback``, as of
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
        As `SoftmaxRegression.fit`.

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


def require_known(params: dict[str, Any], kind: type, function: str, others: Sequence[str]) -> None:
    """Raise for what is no parameter of this kind of estimator."""
    spellings.foreign(params, function, parameters(kind))
    if unknown := [name for name in params if name not in parameters(kind)]:
        expected = ", ".join((*others, *parameters(kind)))
        raise TypeError(f"{function}: unknown parameter {unknown[0]!r}, expected one of {expected}")


@cache
def parameters(kind: type) -> tuple[str, ...]:
    """The parameters of an estimator."""
    return tuple(kind().get_params())
