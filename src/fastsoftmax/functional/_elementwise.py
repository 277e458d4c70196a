"""Functions of single numbers, losses of single predictions, and one-hot labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastsoftmax._core import kernels
from fastsoftmax._runtime.conversion import assign
from fastsoftmax._runtime.typing import Array, Reduced, Reduction, Tensor
from fastsoftmax._validation import check
from fastsoftmax.functional._layout import distinct, prepared, rounded, threads_for
from fastsoftmax.functional._weights import scaled

_SIGMOID, _LOG_SIGMOID = 2, 3  # of _core/loss/elementwise_kernels.pxd
MOST_CLASSES = 2**31 - 1  # of labels in int32


def _applied(function: int, x: ArrayLike, out: Any, n_threads: int | None) -> Array:
    given, out = out, check.shared_output(out)
    x, dtype = prepared(x, "x")
    distinct(x, out, "x")
    if out is not None:
        check.output(out, x.shape, dtype)
    direct = out is not None and out.dtype == x.dtype and out.flags.carray
    result = out if direct else np.empty(x.shape, x.dtype)
    threads = threads_for(x.size, n_threads)
    kernels(x.dtype).elementwise.apply(function, np.ascontiguousarray(x), result, threads)
    if out is None:
        return rounded(result, dtype)[()]
    if not direct:
        assign(out, result)
    return given


def sigmoid(
    x: ArrayLike, *, out: Array | Tensor | None = None, n_threads: int | None = None
) -> Array:
    """Logistic function, 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : array-like of real numbers
        As in `softmax`, except that short integers give float64, too.
    out : ndarray or tensor, optional
        Array for the result, of its shape and dtype, which may be x itself. It is also what is
        returned.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If x is not real, or `out` has another shape or dtype or overlaps x without being it.

    Examples
    --------
    >>> from fastsoftmax import sigmoid
    >>> float(sigmoid(0.0))
    0.5
    """
    return _applied(_SIGMOID, x, out, n_threads)


def log_sigmoid(
    x: ArrayLike, *, out: Array | Tensor | None = None, n_threads: int | None = None
) -> Array:
    """Logarithm of the logistic function, -log(1 + exp(-x)), without overflow or cancellation.

    Parameters
    ----------
    x, out, n_threads
        As in `sigmoid`.

    Returns
    -------
    ndarray of the shape of x
        In the dtype that `sigmoid` gives.

    Raises
    ------
    TypeError, ValueError
        As in `sigmoid`.

    Examples
    --------
    >>> from fastsoftmax import log_sigmoid
    >>> float(log_sigmoid(-1000.0))
    -1000.0
    """
    return _applied(_LOG_SIGMOID, x, out, n_threads)


def logit(p: ArrayLike) -> Array:
    """Log-odds, log(p / (1 - p)): the inverse of `sigmoid`.

    Parameters
    ----------
    p : array-like of real numbers
        Probabilities; numbers outside of 0..1 give NaN.

    Returns
    -------
    ndarray of the shape of p

    Examples
    --------
    >>> from fastsoftmax import logit
    >>> float(logit(0.5))
    0.0
    """
    p, dtype = prepared(p, "p")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        doubled = 2 * p - 1  # exact near 1/2, where the quotient would lose digits
        odds = np.where(abs(doubled) < 0.5, 2 * np.arctanh(doubled), np.log(p / (1 - p)))
    return rounded(odds, dtype)[()]


@overload
def binary_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    reduction: Reduced = "mean",
    n_threads: int | None = None,
) -> float: ...


@overload
def binary_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    reduction: Literal["none"],
    n_threads: int | None = None,
) -> Array: ...


def binary_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    n_threads: int | None = None,
) -> Array | float:
    """Cross-entropy of two classes from the log-odds z, -y log σ(z) - (1-y) log σ(-z).

    It takes logits, as PyTorch's ``binary_cross_entropy_with_logits`` does. PyTorch's
    ``binary_cross_entropy`` takes probabilities, which `logit` converts to logits.

    Parameters
    ----------
    logits : array-like of real numbers
        z, of any shape.
    target : array-like of the same shape
        y: labels 0 and 1, or probabilities.
    sample_weight : array-like, optional
        Weights >= 0, of a shape that broadcasts to that of z.
    pos_weight : array-like, optional
        Factors >= 0 of the first term, -y log σ(z), of a shape that broadcasts to that of z. They
        are not part of the divisor of the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        The mean is over the sum of the weights.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    float, or ndarray of the shape of z for "none"

    Raises
    ------
    ValueError, TypeError
        If shapes differ, a target is outside of 0..1, a weight is negative, or the reduction is
        unknown.

    Examples
    --------
    >>> from fastsoftmax import binary_cross_entropy
    >>> binary_cross_entropy([0.0, 40.0], [1, 1], reduction="none")[1]
    np.float64(4.248354255291589e-18)
    """
    check.reduction(reduction)
    z, dtype = prepared(logits, "logits")
    y, _ = check.floating(target, "target")
    check.same_shape(y, z.shape, "target", "logits")
    check.within(y, 0.0, 1.0, "target")
    threads = threads_for(z.size, n_threads)
    z, shares = np.asarray(z, order="C"), y.astype(z.dtype, order="C", copy=False)
    if pos_weight is None and (shares is y or np.array_equal(shares, y)):
        return _reduced(_losses_of(z, shares, threads), dtype, sample_weight, reduction)
    # a factor of each term: of shares of their sum, 1 - y' has few digits where y' is near 1
    positive, negative = y.astype(np.float64), 1.0 - y.astype(np.float64)
    if pos_weight is not None:
        positive *= check.sample_weight(pos_weight, y.shape, "pos_weight")
    losses = _times(positive, _losses_of(z, np.ones_like(z), threads))
    losses += _times(negative, _losses_of(z, np.zeros_like(z), threads))
    return _reduced(losses, dtype, sample_weight, reduction)


def _losses_of(z: Array, y: Array, threads: int) -> Array:
    """-y log σ(z) - (1-y) log σ(-z), of contiguous arrays of one dtype."""
    losses = np.empty_like(z)
    kernels(z.dtype).elementwise.binary_cross_entropy(z, y, losses, threads)
    return losses


def _times(weights: Array, losses: Array) -> Array:
    """Losses times weights; a weight of 0 leaves out, whatever the loss."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(weights == 0, 0.0, losses * weights)


@overload
def mse(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: Reduced = "mean",
) -> float: ...


@overload
def mse(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: Literal["none"],
) -> Array: ...


def mse(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Array | float:
    """Squared error, (ŷ - y)².

    Parameters
    ----------
    prediction, target : array-like of real numbers
        ŷ and y, of one shape.
    sample_weight : array-like, optional
        Weights >= 0, of a shape that broadcasts to that of ŷ.
    reduction : {"mean", "sum", "none"}, default="mean"
        The mean is over the sum of the weights.

    Returns
    -------
    float, or ndarray of the shape of ŷ for "none"

    Raises
    ------
    ValueError, TypeError
        If shapes differ, a weight is negative, or the reduction is unknown.

    Examples
    --------
    >>> from fastsoftmax import mse
    >>> mse([1.0, 3.0], [0.0, 1.0])
    2.5
    """
    return _error(np.square, prediction, target, sample_weight, reduction)


@overload
def mae(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: Reduced = "mean",
) -> float: ...


@overload
def mae(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: Literal["none"],
) -> Array: ...


def mae(
    prediction: ArrayLike,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Array | float:
    """Absolute error, |ŷ - y|.

    Parameters
    ----------
    prediction, target, sample_weight, reduction
        As in `mse`.

    Returns
    -------
    float, or ndarray for "none"
        As in `mse`.

    Raises
    ------
    TypeError, ValueError
        As in `mse`.

    Examples
    --------
    >>> from fastsoftmax import mae
    >>> mae([1.0, 3.0], [0.0, 1.0])
    1.5
    """
    return _error(np.abs, prediction, target, sample_weight, reduction)


def _error(
    of: Callable[[Array], Array], prediction: ArrayLike, target: ArrayLike,
    sample_weight: ArrayLike | None, reduction: Reduction,
) -> Array | float:  # fmt: skip
    check.reduction(reduction)
    prediction, dtype = prepared(prediction, "prediction")
    target, other = prepared(target, "target")
    check.same_shape(target, prediction.shape, "target", "prediction")
    with np.errstate(over="ignore", invalid="ignore"):
        losses = of(prediction - target)
    return _reduced(losses, np.result_type(dtype, other), sample_weight, reduction)


def _reduced(
    losses: Array, dtype: np.dtype, sample_weight: ArrayLike | None, reduction: Reduction
) -> Array | float:
    total = losses.size
    if sample_weight is not None:
        weights = check.sample_weight(sample_weight, losses.shape)
        if reduction == "mean":  # which no common factor changes: at most 1, they cannot overflow
            weights, _ = scaled(weights, most=0)
            total = weights.sum(dtype=np.float64)
        losses = _times(weights, losses)
    if reduction == "none":
        return rounded(losses, dtype)[()]
    with np.errstate(over="ignore", invalid="ignore"):  # the mean over nothing is NaN
        loss = losses.sum(dtype=np.float64)
        return float(np.divide(loss, total) if reduction == "mean" else loss)


def one_hot(
    labels: ArrayLike, n_classes: int | None = None, *, dtype: DTypeLike = np.float64
) -> Array:
    """One-hot rows: 1 at the label's place, else 0.

    Parameters
    ----------
    labels : array-like of int
        Indices 0..K-1, of any shape.
    n_classes : int, optional
        K; by default one more than the largest label.
    dtype : dtype, default=float64

    Returns
    -------
    ndarray of shape ``(*labels.shape, K)``

    Raises
    ------
    ValueError, TypeError
        If the labels are not integers or lie outside of 0..K-1.

    Examples
    --------
    >>> from fastsoftmax import one_hot
    >>> one_hot([0, 2], dtype=int).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    labels = check.as_targets(labels, "labels", "class indices")
    if n_classes is None:
        found = labels.size and labels.dtype.kind in "biu"
        n_classes = max(int(labels.max()) + 1, 1) if found else 1
    n_classes = check.integer(n_classes, "n_classes", least=1, most=MOST_CLASSES)
    codes = check.class_indices(labels.ravel(), labels.size, n_classes, "labels")
    rows = np.zeros((labels.size, n_classes), dtype)
    rows[np.arange(labels.size), codes] = 1
    return rows.reshape(*labels.shape, n_classes)
