"""Softmax and its kin along any axes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._core import kernels
from fastsoftmax._validation import numbers as check
from fastsoftmax.functional._layout import Axis, Layout, distinct, prepared, rounded, workspace

_SOFTMAX, _LOG_SOFTMAX = 0, 1  # of _core/loss/softmax.pyx


def _normalised(
    x: ArrayLike, axis: Axis, temperature: float, out: NDArray | None, n_threads: int | None,
    kind: int,
) -> NDArray:  # fmt: skip
    x, dtype = prepared(x, "x")
    layout = Layout.of(x.shape, axis)
    factor = check.inverse_temperature(temperature)
    distinct(x, out, "x")
    check.not_empty(layout.split, "x")
    to = layout.output(x, dtype, out)
    kernels(x.dtype).softmax.softmax(
        layout.split_view(x), to, kind, factor, workspace, layout.threads(n_threads)
    )
    return layout.back(to, dtype, out)


def softmax(
    x: ArrayLike,
    axis: Axis = -1,
    *,
    temperature: float = 1.0,
    out: NDArray | None = None,
    n_threads: int | None = None,
) -> NDArray:
    """Softmax, exp(xⱼ/T) / Σₖ exp(xₖ/T), along an axis.

    Parameters
    ----------
    x : array-like of real numbers
        Logits, of any shape and strides. float16, float32 and float64 give their own dtype (float16
        is computed in float32), integers, booleans and longer floats float64.
    axis : int, tuple of int or None, default=-1
        The axis or axes that sum to 1; None for all.
    temperature : float, default=1.0
        T > 0: the logits are divided by it.
    out : ndarray, optional
        Where to put the result, of its shape and dtype. May be x itself.
    n_threads : int or None
        Threads, >= 1; None for as many as the processors this process may use. Few numbers are left
        to one thread. The result is the same to the bit for any number.

    Returns
    -------
    ndarray of the shape of x
        Probabilities. As SciPy has it, NaN where x holds NaN or its maximum is infinite.

    Raises
    ------
    ValueError, TypeError
        If x is not real or is empty along the axis, the axis is out of range, the temperature is
        not positive, or `out` has another shape or dtype or overlaps x without being it.

    References
    ----------
    .. [1] Raschka, "Deep Learning & Applications" lecture notes, Softmax Regression.

    Examples
    --------
    >>> from fastsoftmax import softmax
    >>> softmax([1.0, 1.0, 1.0, 1.0]).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return _normalised(x, axis, temperature, out, n_threads, _SOFTMAX)


def log_softmax(
    x: ArrayLike,
    axis: Axis = -1,
    *,
    temperature: float = 1.0,
    out: NDArray | None = None,
    n_threads: int | None = None,
) -> NDArray:
    """Logarithm of softmax, xⱼ/T - log Σₖ exp(xₖ/T), along an axis.

    Parameters
    ----------
    x, axis, temperature, out, n_threads
        As of `softmax`.

    Returns
    -------
    ndarray of the shape of x
        In the dtype that `softmax` gives.

    Raises
    ------
    TypeError, ValueError
        As `softmax`.

    Examples
    --------
    >>> from fastsoftmax import log_softmax
    >>> log_softmax([0.0, -1000.0]).tolist()
    [0.0, -1000.0]
    """
    return _normalised(x, axis, temperature, out, n_threads, _LOG_SOFTMAX)


def logsumexp(
    x: ArrayLike,
    axis: Axis = -1,
    *,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    out: NDArray | None = None,
    n_threads: int | None = None,
) -> NDArray:
    """Logarithm of a sum, log Σₖ bₖ exp(xₖ), along an axis, as max + log1p of the other terms.

    Parameters
    ----------
    x : array-like of real numbers
        As in `softmax`; -infinity over nothing.
    axis : int, tuple of int or None, default=-1
        What to sum over; None for all.
    b : array-like of real numbers, optional
        Factors of the exponentials, of a shape that broadcasts to that of x. Where one is 0 its x
        does not matter; a negative sum gives NaN.
    keepdims : bool, default=False
        Keep the axes that are summed over, with length 1.
    out : ndarray, optional
        Where to put the result, of its shape and dtype.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    ndarray of the shape of x without the axis; a scalar for 1-d x

    Raises
    ------
    ValueError, TypeError
        As `softmax`; if b does not broadcast to x.

    References
    ----------
    .. [1] Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and softmax
       functions", IMA J. Numer. Anal. 41 (2021), doi 10.1093/imanum/draa038.

    Examples
    --------
    >>> from fastsoftmax import logsumexp
    >>> float(logsumexp([0.0, -40.0]))
    4.248354255291589e-18
    >>> float(logsumexp([0.0, 1000.0], b=[2.0, 0.0])) == float(logsumexp([0.0, 0.0]))
    True
    """
    x, dtype = prepared(x, "x")
    if b is not None:
        factors, _ = check.floating(b, "b")
        factors = check.broadcast(factors, x.shape, "b", "x")
    layout = Layout.of(x.shape, axis)
    outer, k, inner = layout.split
    shape = layout.keepdims(axis) if keepdims else layout.kept
    if out is not None:
        check.output(out, shape, dtype)
    threads = layout.threads(n_threads)
    if b is not None:
        sums = _weighted(x, factors, layout)
    elif k == 0 or outer * inner == 0:
        sums = np.full(outer * inner, -np.inf, x.dtype)
    else:
        sums = np.empty(outer * inner, x.dtype)
        kernels(x.dtype).softmax.logsumexp(layout.split_view(x), sums, 1.0, workspace, threads)
    sums = rounded(sums.reshape(shape), dtype)
    if out is None:
        return sums[()]
    out[...] = sums
    return out


def _weighted(x: NDArray, b: NDArray, layout: Layout) -> NDArray:
    """log of the sum of b exp(x), from sums of the positive and of the negative terms apart."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x, b = layout.split_view(x), layout.split_view(b)
        shifted = np.where(b == 0, -np.inf, x + np.log(abs(b)).astype(x.dtype))
        plus, minus = (
            logsumexp(np.where(b * sign >= 0, shifted, -np.inf), axis=1) for sign in (1, -1)
        )
        only_plus = minus == -np.inf
        rest = plus + np.log1p(-np.exp(np.where(only_plus, -np.inf, minus - plus)))
        # NaN in b has no sign, NaN in x where b is negative shows in `minus`
        return np.where(
            np.isnan(shifted).any(axis=1), np.nan, np.where(only_plus, plus, rest)
        ).ravel()


def softmax_vjp(
    probabilities: ArrayLike,
    vector: ArrayLike,
    axis: int = -1,
    *,
    temperature: float = 1.0,
    out: NDArray | None = None,
    n_threads: int | None = None,
) -> NDArray:
    """The softmax's Jacobian applied to a vector, p ⊙ (u - Σₖ pₖ uₖ) / T.

    The Jacobian, ∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ - pⱼ), is symmetric: this is its product with a vector from
    either side, the gradient by x of a function of softmax(x) whose gradient by softmax(x) is u.

    Parameters
    ----------
    probabilities : array-like of real numbers
        p, the result of `softmax`.
    vector : array-like
        u, of the shape of p.
    axis : int, tuple of int or None, default=-1
    temperature : float, default=1.0
        T > 0, as it was given to `softmax`.
    out : ndarray, optional
        Where to put the result, of its shape and dtype. May be p or u itself.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    ndarray of the shape of p

    Raises
    ------
    ValueError, TypeError
        As `softmax`; if the shapes differ.

    References
    ----------
    .. [1] Raschka, "Deep Learning & Applications" lecture notes, Softmax Regression: derivative
       of the softmax.

    Examples
    --------
    >>> from fastsoftmax import softmax_vjp
    >>> softmax_vjp([0.5, 0.5], [1.0, 0.0]).tolist()
    [0.25, -0.25]
    """
    p, dtype = prepared(probabilities, "probabilities")
    u, other = prepared(vector, "vector")
    check.same_shape(u, p.shape, "vector", "probabilities")
    dtype = np.result_type(dtype, other)
    compute = np.result_type(p.dtype, u.dtype)
    p, u = p.astype(compute, copy=False), u.astype(compute, copy=False)
    layout = Layout.of(p.shape, axis)
    factor = check.inverse_temperature(temperature)
    distinct(p, out, "probabilities")
    distinct(u, out, "vector")
    check.not_empty(layout.split, "probabilities")
    to = layout.output(p, dtype, out)
    kernels(compute).softmax.softmax_vjp(
        layout.split_view(p), layout.split_view(u), to, factor, workspace,
        layout.threads(n_threads),
    )  # fmt: skip
    return layout.back(to, dtype, out)
