"""Cross-entropy of logits that the caller holds."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._core import kernels
from fastsoftmax._runtime.conversion import converted
from fastsoftmax._runtime.typing import Array, Reduced, Reduction, Tensor
from fastsoftmax._validation import check
from fastsoftmax.functional._layout import (
    STEEP,
    Layout,
    as_stored,
    distinct,
    precision_of,
    prepared,
    quotients,
    rounded,
    workspace,
)
from fastsoftmax.functional._weights import scaled, times_power_of_two

LEAST_EXPONENT = -4096  # below that of a product of two weights


class _Rows(TypedDict, total=False):
    axis: int
    sample_weight: ArrayLike | None
    ignore_index: int | None


class _Options(_Rows, total=False):
    label_smoothing: float
    temperature: float
    n_threads: int | None


class _Target(NamedTuple):
    """Targets t = c (own y + base) of every row, as in `_core/loss/cross_entropy_kernels.pyx`.

    Weights and targets are divided by powers of two where the dtype could not hold them.
    """

    labels: NDArray | None  # (rows,), int32
    given: NDArray | None  # (outer, K, inner)
    own: NDArray  # (rows,)
    base: NDArray | None
    of_class: NDArray | None  # (K,)
    total: float  # what the mean divides by, over
    of_total: int  # the exponent of this power of two
    of_losses: int  # and that over which the targets are

    @classmethod
    def of(
        cls, target, layout, dtype, *, weight, sample_weight, ignore_index, label_smoothing
    ) -> Self:
        _, k, _ = layout.split
        rows = int(np.prod(layout.kept, dtype=int))
        label_smoothing = check.fraction(label_smoothing, "label_smoothing")
        weight, by_class = check.class_weight(weight, k), 0
        if weight is not None:
            weight, by_class = scaled(weight, most=0)
        sample, by_row = np.ones(rows), 0
        if sample_weight is not None:
            sample, by_row = scaled(check.sample_weight(sample_weight, layout.kept).ravel())
        target = check.row_targets(target, layout.kept, layout.shape)
        labels = given = None
        by_target = 0
        of_total = by_row + by_class
        own = base = sample
        if target.shape == layout.kept:
            labels, ignored = check.labels_or_ignored(target.ravel(), rows, k, ignore_index)
            sample[ignored] = 0.0
            counted = sample if weight is None else sample * weight[labels]
            counted, by_counted = scaled(counted, dtype)
            total = counted.sum()
            of_total += by_counted
            if not label_smoothing:  # the row's weight is that of its one class, too
                own, weight = counted, None
                by_row += by_counted
        else:
            check.no_ignore_index(ignore_index)
            if target.dtype.kind == "f" and target.dtype.itemsize > dtype.itemsize:
                target, by_target = scaled(target, dtype)
            given = layout.split_view(check.as_floats(target, dtype, "target"))
            if target.dtype.kind in "iu":  # counts: so many rows of one label each
                counts = given if weight is None else given * weight[:, None]
                base = sample * given.sum(axis=1, dtype=np.float64).ravel()
                total = sample @ counts.sum(axis=1, dtype=np.float64).ravel()
            else:
                total = sample.sum()
                of_total = by_row
        own, by_own = scaled(own, dtype)
        if label_smoothing:
            base = np.ldexp(base, -by_own) * (label_smoothing / k)
            own = own * (1.0 - label_smoothing)
        else:
            base = None
        return cls(
            labels, given, own.astype(dtype), None if base is None else base.astype(dtype),
            None if weight is None else weight.astype(dtype), float(total), of_total,
            by_row + by_class + by_target + by_own,
        )  # fmt: skip


def _losses(
    logits, target, axis, temperature, reduction, out, wants_gradient, n_threads, **options
):  # fmt: skip
    """Losses reduced, and the gradient or None."""
    check.reduction(reduction)
    given, out = out, check.shared_output(out)
    z, dtype = as_stored(logits, "logits")
    layout = Layout.of(z.shape, check.one_axis(axis, z.ndim, "logits"))
    outer, _, inner = layout.split
    factor = check.inverse_temperature(temperature)
    check.not_empty(layout.split, "logits")
    distinct(z, out, "logits")
    precision = precision_of(z.dtype)
    if steep := factor > STEEP:
        z = converted(z, precision)
    target = _Target.of(target, layout, precision, **options)
    to = layout.output(z, dtype, out) if wants_gradient else None
    if target.given is not None:
        distinct(target.given, to, "target")
    if steep:
        z, factor = quotients(z, temperature, axis), 1.0
    losses = np.empty(outer * inner, precision)
    scale, exponent = 1.0, target.of_losses
    if reduction == "mean":
        scale = 1.0 / target.total if target.total else np.nan
        exponent -= target.of_total
    scale = float(times_power_of_two(scale, exponent))
    kernels(precision).cross_entropy.cross_entropy(
        layout.split_view(z), target.labels, target.given, target.own, target.base,
        target.of_class, factor, scale * factor, losses, to, workspace,
        layout.threads(n_threads),
    )  # fmt: skip
    if reduction == "none":
        if exponent:
            losses = times_power_of_two(losses.astype(np.float64), exponent)
        value = rounded(losses.reshape(layout.kept), dtype)[()]
    else:
        value = float(losses.sum(dtype=np.float64)) * scale
    if to is None:
        return value, None
    if steep:
        with np.errstate(over="ignore"):
            to[...] = to.astype(np.float64) / temperature
    gradient = layout.back(to, dtype, out)
    return value, gradient if given is None else given


@overload
def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Reduced = "mean",
    **options: Unpack[_Options],
) -> float: ...


@overload
def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Literal["none"],
    **options: Unpack[_Options],
) -> Array: ...


def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    axis: int = -1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
    n_threads: int | None = None,
) -> Array | float:
    """Cross-entropy of rows of logits, -Σₖ wₖ tₖ log softmax(z/T)ₖ.

    Parameters
    ----------
    logits : array-like of real numbers, of shape (n, K) or any other
    target : array-like
        Labels, integer class indices 0..K-1, in the shape of the logits without the axis of the
        classes; (n, 1) means labels, too. Or, in the shape of the logits, one number per class:
        floating-point numbers >= 0 are probabilities, whatever their sum, and integers are counts,
        nₖ rows of class k.
    weight : array-like of shape (K,), optional
        Weights w of the classes, >= 0.
    axis : int, default=-1
        The axis of the classes. PyTorch's is 1.
    sample_weight : array-like of the shape of the logits without the axis, optional
        Weights s of the rows, >= 0.
    ignore_index : int, optional
        Rows with this label are left out: their loss and gradient are exactly 0, whatever their
        logits. Only for labels. PyTorch's default is -100.
    label_smoothing : float, default=0.0
        ε from 0 to 1: the target is (1-ε) t + ε/K (for counts, ε/K times their sum) [2]_.
    temperature : float, default=1.0
        T > 0: the logits are divided by it.
    reduction : {"mean", "sum", "none"}, default="mean"
        The mean is over Σᵢ sᵢ w[yᵢ] for labels, Σᵢ sᵢ Σₖ wₖ nᵢₖ for counts and Σᵢ sᵢ for
        probabilities, as in PyTorch; without rows it is NaN.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    float, or for "none" ndarray of one loss per row, multiplied by its weight

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, a label is out of range, a weight or a target is negative, or an
        option is out of its range.

    References
    ----------
    .. [1] Raschka, "Deep Learning & Applications" lecture notes, Softmax Regression.
    .. [2] Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7.

    Examples
    --------
    >>> from fastsoftmax import cross_entropy
    >>> cross_entropy([[0.0, -40.0]], [0])
    4.248354255291589e-18
    >>> cross_entropy([[0.0, 1.0], [2.0, 0.0]], [1, -100], ignore_index=-100, reduction="none")
    array([0.31326169, 0.        ])
    """
    return _losses(
        logits, target, axis, temperature, reduction, None, False, n_threads, weight=weight,
        sample_weight=sample_weight, ignore_index=ignore_index, label_smoothing=label_smoothing,
    )[0]  # fmt: skip


@overload
def cross_entropy_value_and_grad(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Reduced = "mean",
    out: Array | Tensor | None = None,
    **options: Unpack[_Options],
) -> tuple[float, Array]: ...


@overload
def cross_entropy_value_and_grad(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Literal["none"],
    out: Array | Tensor | None = None,
    **options: Unpack[_Options],
) -> tuple[Array, Array]: ...


def cross_entropy_value_and_grad(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    axis: int = -1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> tuple[Array | float, Array]:
    """`cross_entropy` and its gradient with respect to the logits, in one pass over them.

    Parameters
    ----------
    logits, target, weight, axis, sample_weight, ignore_index, label_smoothing, temperature, \
reduction
        As in `cross_entropy`.
    out : ndarray or tensor, optional
        Array for the gradient, of the shape and dtype of the logits, which it may be itself. It is
        also what is returned.
    n_threads : int or None, default=None
        As in `cross_entropy`.

    Returns
    -------
    loss : float, or ndarray for "none"
    gradient : ndarray of the shape of the logits
        That of the reduced loss; for "none" that of the sum.

    Raises
    ------
    TypeError, ValueError
        As in `cross_entropy`.

    Examples
    --------
    >>> from fastsoftmax import cross_entropy_value_and_grad
    >>> loss, gradient = cross_entropy_value_and_grad([[1.0, 1.0], [1.0, 1.0]], [0, 1])
    >>> gradient.tolist()
    [[-0.25, 0.25], [0.25, -0.25]]
    """
    return _losses(
        logits, target, axis, temperature, reduction, out, True, n_threads, weight=weight,
        sample_weight=sample_weight, ignore_index=ignore_index, label_smoothing=label_smoothing,
    )  # fmt: skip


@overload
def nll_loss(
    log_probabilities: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Reduced = "mean",
    **options: Unpack[_Rows],
) -> float: ...


@overload
def nll_loss(
    log_probabilities: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Literal["none"],
    **options: Unpack[_Rows],
) -> Array: ...


def nll_loss(
    log_probabilities: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    axis: int = -1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array | float:
    """Negative log-likelihood, -w[y] log p_y, from given log-probabilities.

    Parameters
    ----------
    log_probabilities : array-like of real numbers
        log p, the result of `log_softmax`.
    target : array-like of int
        Labels, as in `cross_entropy`.
    weight, axis, sample_weight, ignore_index, reduction
        As in `cross_entropy`.

    Returns
    -------
    float, or ndarray of one loss per row for "none"

    Raises
    ------
    ValueError, TypeError
        As in `cross_entropy`.

    Examples
    --------
    The four examples of the lecture notes' section on cross-entropy:

    >>> import numpy as np
    >>> from fastsoftmax import nll_loss
    >>> A = np.array([[0.3792, 0.3104, 0.3104], [0.3072, 0.4147, 0.2780],
    ...               [0.4263, 0.2248, 0.3490], [0.2668, 0.2978, 0.4354]])
    >>> nll_loss(np.log(A), [0, 1, 2, 2], reduction="none").round(4).tolist()
    [0.9697, 0.8802, 1.0527, 0.8315]
    >>> round(nll_loss(np.log(A), [0, 1, 2, 2]), 4)
    0.9335
    """
    check.reduction(reduction)
    log_p, dtype = prepared(log_probabilities, "log_probabilities")
    axis = check.one_axis(axis, log_p.ndim, "log_probabilities")
    layout = Layout.of(log_p.shape, axis)
    check.not_empty(layout.split, "log_probabilities")
    rows, k = int(np.prod(layout.kept, dtype=int)), layout.split[1]
    target = check.as_targets(target, "target", "class indices")
    if target.shape == (*layout.kept, 1):
        target = target.reshape(layout.kept)
    check.same_shape(target, layout.kept, "target", "log_probabilities without its classes")
    labels, ignored = check.labels_or_ignored(target.ravel(), rows, k, ignore_index)
    weights, exponents = np.ones(rows), np.zeros(rows, np.int32)  # each is weight * 2**exponent
    if sample_weight is not None:
        weights, exponents = np.frexp(check.sample_weight(sample_weight, layout.kept).ravel())
    if weight is not None:
        by_label, more = np.frexp(check.class_weight(weight, k)[labels])
        weights, exponents = weights * by_label, exponents + more
    weights[ignored] = 0.0
    if reduction == "mean":  # which no common factor changes
        exponents = exponents - exponents.max(initial=LEAST_EXPONENT, where=weights > 0)
    taken = np.moveaxis(log_p, axis, -1).reshape(rows, k)[np.arange(rows), labels]
    with np.errstate(invalid="ignore"):
        losses = times_power_of_two(np.where(weights == 0, 0.0, -weights * taken), exponents)
        if reduction == "mean":
            return float(np.divide(losses.sum(), times_power_of_two(weights, exponents).sum()))
        if reduction == "sum":
            return float(losses.sum())
        return rounded(losses.reshape(layout.kept), dtype)[()]
