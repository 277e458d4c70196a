"""Loss and gradients of the linear model, from X: the logits are never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Self, TypeAlias, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine.data import Batch, Gradients, Point, data_of
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.typing import Array, MatrixLike, Reduced
from fastsoftmax._validation import check
from fastsoftmax._validation.sparse import features
from fastsoftmax.functional._weights import scaled, times_power_of_two

Wrt: TypeAlias = Literal["W", "b", "X"]


class _Options(TypedDict, total=False):
    sample_weight: ArrayLike | None
    class_weight: ArrayLike | None
    ignore_index: int | None
    label_smoothing: float
    reduction: Reduced
    n_threads: int | None


def linear_cross_entropy(
    X: MatrixLike,
    W: ArrayLike,
    b: ArrayLike | None,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduced = "mean",
    n_threads: int | None = None,
) -> float:
    """Cross-entropy of the logits X Wᵀ + b, which are never stored.

    This is about half the work of `linear_cross_entropy_value_and_grad`, as there are no gradients.

    Parameters
    ----------
    X, W, b, target, sample_weight, class_weight, ignore_index, label_smoothing, reduction, \
n_threads
        As in `linear_cross_entropy_value_and_grad`.

    Returns
    -------
    float
        The loss.

    Raises
    ------
    TypeError, ValueError
        As in `linear_cross_entropy_value_and_grad`.

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
        ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction,
        n_threads=n_threads,
    )[0]  # fmt: skip


@overload
def linear_cross_entropy_value_and_grad(
    X: MatrixLike, W: ArrayLike, b: ArrayLike | None, target: ArrayLike, *,
    wrt: tuple[Literal["W"], Literal["b"]] = ("W", "b"), **options: Unpack[_Options],
) -> tuple[float, Gradients[Array, Array, None]]: ...  # fmt: skip


@overload
def linear_cross_entropy_value_and_grad(
    X: MatrixLike, W: ArrayLike, b: ArrayLike | None, target: ArrayLike, *,
    wrt: tuple[Literal["W"]], **options: Unpack[_Options],
) -> tuple[float, Gradients[Array, None, None]]: ...  # fmt: skip


@overload
def linear_cross_entropy_value_and_grad(
    X: MatrixLike, W: ArrayLike, b: ArrayLike | None, target: ArrayLike, *,
    wrt: tuple[Literal["W"], Literal["b"], Literal["X"]], **options: Unpack[_Options],
) -> tuple[float, Gradients[Array, Array, Array]]: ...  # fmt: skip


@overload
def linear_cross_entropy_value_and_grad(
    X: MatrixLike, W: ArrayLike, b: ArrayLike | None, target: ArrayLike, *,
    wrt: Sequence[Wrt], **options: Unpack[_Options],
) -> tuple[float, Gradients[Array | None, Array | None, Array | None]]: ...  # fmt: skip


def linear_cross_entropy_value_and_grad(
    X: MatrixLike,
    W: ArrayLike,
    b: ArrayLike | None,
    target: ArrayLike,
    *,
    wrt: Sequence[Wrt] = ("W", "b"),
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduced = "mean",
    n_threads: int | None = None,
) -> tuple[float, Gradients[Array | None, Array | None, Array | None]]:
    """Cross-entropy of the logits X Wᵀ + b, and its gradients, in one pass over X.

    The logits are never stored: a few rows of X are read, and their logits, softmax, loss and share
    of (A - Y)ᵀX are computed while they are in cache [1]_. Memory beyond the gradients is at most
    64 MiB for any number of rows and classes and for up to some 100 000 features. For a sparse X it
    is at most 64 MiB for A - Y, as much again for sums, and a copy of W if that is not in Fortran's
    order.

    Parameters
    ----------
    X : array-like or sparse matrix or array of shape (n, D)
        Features, of any dtype and strides that `SoftmaxRegression.fit` reads without a copy. The
        gradient for a sparse X is summed row by row. Only if one number for each feature and logit
        takes more than 64 MiB, or with more than 1024 logits, each call copies X by columns.
    W : array-like of shape (K, D)
        Weights. One row is one logit: the log-odds of class 1 against class 0.
    b : array-like of shape (K,) or None
        Intercepts; None for none.
    target : array-like of shape (n,) or (n, K)
        Integer class indices 0..K-1 of shape (n,); or, of shape (n, K), one number per class:
        floating-point numbers >= 0 are probabilities, whatever their sum, and integers are counts.
    wrt : sequence of "W", "b" and "X", default=("W", "b")
        The arrays with respect to which gradients are computed.
    sample_weight : array-like of shape (n,), optional
        Weights s of the rows, >= 0.
    class_weight : array-like of shape (K,), optional
        Weights w of the classes, >= 0: the loss of a row is -Σₖ wₖ·tₖ·log pₖ.
    ignore_index : int, optional
        Rows with this label are left out. Only for labels. PyTorch's default is -100.
    label_smoothing : float, default=0.0
        ε from 0 to 1: the target is (1-ε) t + ε/K (for counts, ε/K times their sum). The targets
        then take n·K numbers of memory.
    reduction : {"mean", "sum"}, default="mean"
        The mean is over Σᵢ sᵢ·w[yᵢ] for class indices, Σᵢ sᵢ Σₖ wₖ·nᵢₖ for counts and Σᵢ sᵢ for
        probabilities, as in PyTorch; without rows it is NaN.
    n_threads : int or None
        Number of threads, >= 1; None means one for each processor that this process may use. The
        result is the same to the bit for any number.

    Returns
    -------
    loss : float
    grads : Gradients
        ``grads.W`` (K, D), ``grads.b`` (K,) and ``grads.X`` (n, D) in the dtype of the computation;
        None for those not in ``wrt``.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, an index is out of range, a weight is negative or ``wrt`` names
        something else, or "X" where X is sparse.

    Notes
    -----
    The computation is in float32 if that represents every number of X's dtype, and otherwise in
    float64; W, b, target probabilities and weights are converted to it. Sums over rows are in
    float64 unless the totals, 8·K·D bytes, exceed 64 MiB. For sparse X they are in the precision of
    X over at most 8192 rows (16384 with more than 8 logits).

    References
    ----------
    .. [1] Raschka, "Deep Learning & Applications" lecture notes, Logistic Regression:
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
    X = features(X)
    W = check.coefficients(W, X.shape[1], "W")
    (n, _), k = X.shape, len(W)
    data = data_of(X, check.threads(n_threads))
    wrt = check.some_of(wrt, ("W", "b", "X"), "wrt")
    if b is not None:
        b = check.vector(b, k, "b", "one intercept per row of W")
    if "X" in wrt and sparse.issparse(X):
        raise ValueError("wrt: expected 'W' and 'b' at most for a sparse X, got 'X'")
    check.one_of(reduction, ("mean", "sum"), "reduction")
    batch = _Weighted.of(
        target, n, k, data.dtype, sample_weight=sample_weight, class_weight=class_weight,
        ignore_index=ignore_index,
        label_smoothing=check.fraction(label_smoothing, "label_smoothing"),
    )  # fmt: skip
    scale = batch.scale(reduction)
    loss, grads = data.value_and_grad(Point(W, b), Batch(batch.targets, batch.weights, scale), wrt)
    if reduction == "mean" and not batch.total:
        loss = np.nan
    return loss, Gradients(
        *(
            gradient.astype(data.dtype, copy=False) if name in wrt else None
            for name, gradient in zip(Gradients._fields, grads, strict=True)
        )
    )


class _Weighted(NamedTuple):
    """Targets and weights in the range of a dtype, over powers of two where these are needed."""

    targets: NDArray
    weights: NDArray | None
    total: float  # what the mean divides by, over
    of_total: int  # the exponent of this power of two
    of_losses: int  # and that over which the losses are

    @classmethod
    def of(
        cls, target, n, k, dtype, *, sample_weight, class_weight, ignore_index, label_smoothing
    ) -> Self:
        weights, by_row = check.weights(sample_weight, n, np.dtype(np.float64)), 0
        if weights is not None:
            weights, by_row = scaled(weights, most=0)
        n_logits, k, mass = k, max(k, 2), 1.0
        classes, by_class = check.weights(class_weight, k, np.dtype(np.float64), "class_weight"), 0
        if classes is not None:
            classes, by_class = scaled(classes, most=0)
        target = check.as_targets(target, "target", "class indices or numbers")
        if target.ndim == 2:
            check.no_ignore_index(ignore_index)
            counts = target.dtype.kind in "iu"
            target = check.targets(
                target, n, n_logits, dtype if target.dtype == dtype else np.dtype(np.float64)
            )
            seen = np.ones(n)
            if counts:
                mass = target.sum(axis=1, keepdims=True, dtype=float)
                seen = (target if classes is None else target * classes).sum(axis=1, dtype=float)
            total = seen.sum() if weights is None else seen @ weights
            of_total = by_row + (by_class if counts else 0)
        else:
            target, ignored = check.labels_or_ignored(target, n, k, ignore_index)
            if ignored.any():
                weights = np.where(ignored, 0.0, 1.0 if weights is None else weights)
            by_label = weights
            if classes is not None:
                by_label = classes[target] if weights is None else weights * classes[target]
            total = n if by_label is None else by_label.sum()
            of_total = by_row + by_class
            if not label_smoothing:  # the row's weight is that of its one class, too
                weights, classes = by_label, None
        by_target = 0
        if label_smoothing:
            check.several_logits(n_logits, "label_smoothing")
            target = smoothed(target, k, label_smoothing, mass)
        if target.ndim == 2:
            if classes is not None:
                target = target * classes
            target, by_target = scaled(target, dtype)
            target = target.astype(dtype, copy=False)
        if weights is not None:
            weights, by_weight = scaled(weights, most=0)
            by_row += by_weight
            weights = weights.astype(dtype)
        return cls(target, weights, float(total), of_total, by_row + by_class + by_target)

    def scale(self, reduction: Reduced) -> float:
        """What the sum of the losses is to be multiplied by."""
        if reduction == "sum":
            return float(times_power_of_two(1.0, self.of_losses))
        if not self.total:
            return 0.0
        return float(times_power_of_two(1.0 / self.total, self.of_losses - self.of_total))


def smoothed(target: NDArray, k: int, share: float, mass: NDArray | float) -> NDArray[np.float64]:
    """(1 - share) t + share / K times the mass of a row, from labels or numbers per class."""
    if target.ndim == 2:
        return (1.0 - share) * target + share / k * mass
    table = np.full((len(target), k), share / k)
    table[np.arange(len(target)), target] += 1.0 - share
    return table
