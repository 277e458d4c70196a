"""Softmax, cross-entropy and their kin: arrays in, arrays out."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax import _validation as check
from fastsoftmax._core import kernels
from fastsoftmax._threads import team
from fastsoftmax.data import DenseData, Gradients

_EXP_COST = 16  # multiply-adds that take as long as one exponential


class _Rows(NamedTuple):
    """An array as C-contiguous rows (n, k), and the way back."""

    rows: NDArray
    moved: tuple[int, ...]  # shape with the axis last
    axis: int
    shape: tuple[int, ...]

    @classmethod
    def of(cls, x: ArrayLike, axis: int, name: str) -> Self:
        x = check.real_array(x, name)
        shape = x.shape
        x = np.atleast_1d(x)
        axis = check.axis(axis, x.shape, name)
        moved = np.moveaxis(x, axis, -1)
        rows = np.ascontiguousarray(moved).reshape(-1, moved.shape[-1])
        return cls(rows, moved.shape, axis, shape)

    def back(self, rows: NDArray) -> NDArray:
        return np.moveaxis(rows.reshape(self.moved), -1, self.axis).reshape(self.shape)

    def team(self, n_threads: int | None) -> int:
        return team(check.threads(n_threads), self.rows.size * _EXP_COST)


def softmax(x: ArrayLike, axis: int = -1, *, n_threads: int | None = None) -> NDArray:
    """Softmax, exp(xⱼ) / Σₖ exp(xₖ), along an axis.

    Parameters
    ----------
    x : array-like of real numbers
        Logits. float32 and float64 keep their precision, float16 and small integers give float32,
        other integers float64.
    axis : int, default=-1
    n_threads : int or None
        Threads, >= 1; None for as many as the processors this process may use.

    Returns
    -------
    ndarray of the shape of x
        Probabilities, summing to 1 along the axis.

    Raises
    ------
    ValueError, TypeError
        If x is not numeric or empty along the axis, or the axis is out of range.

    Examples
    --------
    >>> from fastsoftmax import softmax
    >>> softmax([1.0, 1.0, 1.0, 1.0]).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    x = _Rows.of(x, axis, "x")
    out = np.empty_like(x.rows)
    kernels(out.dtype).softmax.softmax(x.rows, out, x.team(n_threads))
    return x.back(out)


def log_softmax(x: ArrayLike, axis: int = -1, *, n_threads: int | None = None) -> NDArray:
    """Logarithm of softmax, xⱼ - log Σₖ exp(xₖ), along an axis.

    Parameters, result and errors are those of `softmax`.

    Examples
    --------
    >>> from fastsoftmax import log_softmax
    >>> log_softmax([0.0, -1000.0]).tolist()
    [0.0, -1000.0]
    """
    x = _Rows.of(x, axis, "x")
    out = np.empty_like(x.rows)
    kernels(out.dtype).softmax.log_softmax(x.rows, out, x.team(n_threads))
    return x.back(out)


def logsumexp(x: ArrayLike, axis: int = -1, *, n_threads: int | None = None) -> NDArray:
    """log Σₖ exp(xₖ) along an axis, as max + log1p of the other terms [1]_.

    Parameters and errors are those of `softmax`.

    Returns
    -------
    ndarray of the shape of x without the axis; a scalar for 1-d x

    References
    ----------
    .. [1] Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and softmax
       functions", IMA J. Numer. Anal. 41 (2021), doi 10.1093/imanum/draa038.

    Examples
    --------
    >>> from fastsoftmax import logsumexp
    >>> float(logsumexp([0.0, -40.0]))
    4.248354255291589e-18
    """
    x = _Rows.of(x, axis, "x")
    out = np.empty(len(x.rows), x.rows.dtype)
    kernels(out.dtype).softmax.logsumexp(x.rows, out, x.team(n_threads))
    return out.reshape(x.moved[:-1])[()]


def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    reduction: str = "mean",
    n_threads: int | None = None,
) -> NDArray | float:
    """Cross-entropy of rows of logits, log Σₖ exp(zₖ) - z_target.

    Parameters
    ----------
    logits : array-like of shape (n, K)
    target : array-like of shape (n,)
        Integer class indices 0..K-1.
    reduction : {"mean", "sum", "none"}, default="mean"
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    float, or ndarray of shape (n,) for "none"

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, an index is out of range, or the reduction is unknown.

    Examples
    --------
    >>> from fastsoftmax import cross_entropy
    >>> float(cross_entropy([[0.0, -40.0]], [0]))
    4.248354255291589e-18
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")
    logits = np.ascontiguousarray(check.features(logits, name="logits"))
    n, k = logits.shape
    target = check.class_indices(target, n, k)
    losses = np.empty(n, logits.dtype)
    n_threads = team(check.threads(n_threads), logits.size * _EXP_COST)
    kernels(logits.dtype).softmax.cross_entropy(logits, target, losses, n_threads)
    if reduction == "none":
        return losses
    total = losses.sum(dtype=np.float64)
    return float(total / n if reduction == "mean" else total)


def linear_cross_entropy(
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> float:
    """Mean cross-entropy of the logits X Wᵀ + b, which are never stored.

    Parameters and errors are those of `linear_cross_entropy_value_and_grad`, which costs about
    twice as much: the gradients are not computed here.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import linear_cross_entropy
    >>> loss = linear_cross_entropy([[1.0, 0.0]], np.zeros((3, 2)), None, [2])
    >>> bool(np.isclose(loss, np.log(3)))
    True
    """
    return linear_cross_entropy_value_and_grad(
        X, W, b, target, wrt=(), sample_weight=sample_weight, class_weight=class_weight,
        n_threads=n_threads,
    )[0]  # fmt: skip


def linear_cross_entropy_value_and_grad(
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None,
    target: ArrayLike,
    *,
    wrt: Sequence[str] = ("W", "b"),
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Gradients]:
    """Mean cross-entropy of the logits X Wᵀ + b, and its gradients, in one pass over X.

    The logits are never stored: some rows of X are read, and logits, softmax, loss and (A - Y)ᵀX
    follow while they are in cache [1]_. Memory beyond the gradients is at most 64 MB, whatever the
    number of rows, features and classes, but for X of more than some 100 000 features.

    Parameters
    ----------
    X : array-like of shape (n, D)
        Features; not copied if float32 or float64, whatever the strides.
    W : array-like of shape (K, D)
        Weights. One row is one logit: the log-odds of class 1 against class 0.
    b : array-like of shape (K,) or None
        Intercepts; None for none.
    target : array-like of shape (n,) or (n, K)
        Integer class indices 0..K-1 of shape (n,), or the probabilities (any numbers >= 0) of the
        classes, of shape (n, K).
    wrt : sequence of "W", "b" and "X", default=("W", "b")
        What to differentiate by.
    sample_weight : array-like of shape (n,), optional
        Weights s of the rows, >= 0.
    class_weight : array-like of shape (K,), optional
        Weights w of the classes, >= 0: the loss of a row is -Σₖ wₖ·tₖ·log pₖ.
    n_threads : int or None
        Threads, >= 1; None for as many as the processors this process may use. The result is the
        same to the bit for any number.

    Returns
    -------
    loss : float
        Mean: the weighted losses over Σᵢ sᵢ·w[yᵢ] for class indices, as PyTorch has it, and over
        Σᵢ sᵢ for probabilities.
    grads : Gradients
        ``grads.W`` (K, D), ``grads.b`` (K,) and ``grads.X`` (n, D) in the dtype of X, None where
        not asked for.

    Notes
    -----
    The dtype of X is computed in: W, b, target probabilities and weights are converted to it. Sums
    over rows are carried in float64 unless the totals, 8·K·D bytes, exceed 64 MiB.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, an index is out of range, a weight is negative or ``wrt`` names
        something else.

    References
    ----------
    .. [1] S. Raschka, "Deep Learning & Applications" lecture notes, Logistic Regression:
       ∇_W L = -(Xᵀ(Y - A))ᵀ.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import linear_cross_entropy_value_and_grad
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> loss, grads = linear_cross_entropy_value_and_grad(X, np.zeros((3, 2)), np.zeros(3), [0, 2])
    >>> bool(np.isclose(loss, np.log(3)))
    True
    >>> grads.W.shape, grads.b.shape
    ((3, 2), (3,))
    """
    X = check.features(X)
    W = check.features(W, n_features=X.shape[1], name="W")
    (n, _), k = X.shape, len(W)
    wrt = check.some_of(wrt, ("W", "b", "X"), "wrt")
    if b is not None:
        b = check.vector(b, k, "b", "one intercept a row of W")
    weights = check.weights(sample_weight, n, X.dtype)
    classes = check.weights(class_weight, max(k, 2), X.dtype, "class_weight")
    target = check.targets(target, n, k, X.dtype)
    if target.ndim == 2:
        total = n if weights is None else weights.sum(dtype=np.float64)
        if classes is not None:
            target = target * classes
    else:
        if classes is not None:
            weights = classes[target] if weights is None else weights * classes[target]
        total = n if weights is None else weights.sum(dtype=np.float64)
    data = DenseData(X, check.threads(n_threads))
    with np.errstate(divide="ignore"):  # rows of weight 0 only: the mean over nothing is NaN
        scale = float(np.divide(1.0, total))
    loss, grads = data.value_and_grad(W, b, target, weights, scale, wrt)
    return loss, Gradients(
        *(
            gradient.astype(X.dtype, copy=False) if name in wrt else None
            for name, gradient in zip(Gradients._fields, grads, strict=True)
        )
    )
