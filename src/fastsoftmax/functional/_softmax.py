"""Softmax and its kin along any axes."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastsoftmax._core import kernels
from fastsoftmax._runtime.conversion import converted
from fastsoftmax._runtime.typing import Array, Axis, Tensor
from fastsoftmax._validation import check
from fastsoftmax.functional._layout import (
    STEEP,
    Layout,
    as_stored,
    distinct,
    precision_of,
    quotients,
    rounded,
    workspace,
)

_SOFTMAX, _LOG_SOFTMAX = 0, 1  # of _core/loss/softmax_kernels.pxd
STEEPEST = 1e30  # 1/T that float32 can multiply by; more changes no result of float16


def _normalised(
    x: ArrayLike, axis: Axis, dtype: DTypeLike | None, temperature: float, out: Any,
    n_threads: int | None, kind: int,
) -> Array:  # fmt: skip
    given, out = out, check.shared_output(out)
    x, dtype = as_stored(x, "x", check.float_dtype(dtype) or check.exponentials_dtype(x))
    layout = Layout.of(x.shape, axis)
    factor, threads = check.inverse_temperature(temperature), layout.threads(n_threads)
    distinct(x, out, "x")
    check.not_empty(layout.split, "x")
    to, rows = layout.output(x, dtype, out), layout.split_view(x)
    if rows.dtype == np.float16:
        factor = min(factor, STEEPEST)
    elif factor > STEEP:
        rows, factor = quotients(rows, temperature, 1), 1.0
    softmax = kernels(precision_of(rows.dtype)).softmax
    softmax.softmax(rows, to, kind, factor, workspace, threads)
    result = layout.back(to, dtype, out)
    return result if given is None else given


def softmax(
    x: ArrayLike,
    axis: Axis = -1,
    *,
    dim: Axis = None,
    dtype: DTypeLike | None = None,
    temperature: float = 1.0,
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> Array:
    """Softmax, exp(xⱼ/T) / Σₖ exp(xₖ/T), along an axis.

    Parameters
    ----------
    x : array-like of real numbers
        Logits, of any shape and strides. float16, float32 and float64 give results of the same
        dtype (float16 is computed in float32). As in SciPy, integers of 8 bits give float16 and
        those of 16 bits float32. Longer integers, booleans and longer floats give float64, and
        bfloat16 gives float32.
    axis : int, tuple of int or None, default=-1
        The axis or axes along which the result sums to 1; None means all, as by default in SciPy.
    dim : int or tuple of int, optional
        PyTorch's name for `axis`.
    dtype : dtype, optional
        float16, float32 or float64, of NumPy or PyTorch: x is converted to this dtype, in which
        the result is given.
    temperature : float, default=1.0
        T > 0: the logits are divided by it.
    out : ndarray or tensor, optional
        Array for the result, of its shape and dtype, which may be x itself. It is also what is
        returned.
    n_threads : int or None
        Number of threads, >= 1; None means one for each processor that this process may use. Small
        arrays use one thread. The result is the same to the bit for any number.

    Returns
    -------
    ndarray of the shape of x
        Probabilities. As in SciPy, they are NaN where x holds NaN or its maximum is infinite.

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
    axis = check.axis_or_dim(axis, dim)
    return _normalised(x, axis, dtype, temperature, out, n_threads, _SOFTMAX)


def log_softmax(
    x: ArrayLike,
    axis: Axis = -1,
    *,
    dim: Axis = None,
    dtype: DTypeLike | None = None,
    temperature: float = 1.0,
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> Array:
    """Logarithm of softmax, xⱼ/T - log Σₖ exp(xₖ/T), along an axis.

    Parameters
    ----------
    x, axis, dim, dtype, temperature, out, n_threads
        As in `softmax`.

    Returns
    -------
    ndarray of the shape of x
        In the dtype that `softmax` gives.

    Raises
    ------
    TypeError, ValueError
        As in `softmax`.

    Examples
    --------
    >>> from fastsoftmax import log_softmax
    >>> log_softmax([0.0, -1000.0]).tolist()
    [0.0, -1000.0]
    """
    axis = check.axis_or_dim(axis, dim)
    return _normalised(x, axis, dtype, temperature, out, n_threads, _LOG_SOFTMAX)


@overload
def logsumexp(
    x: ArrayLike,
    axis: Axis = -1,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: Literal[False] = False,
    *,
    dim: Axis = None,
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> Array: ...


@overload
def logsumexp(
    x: ArrayLike,
    axis: Axis = -1,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    *,
    return_sign: Literal[True],
    dim: Axis = None,
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> tuple[Array, Array]: ...


def logsumexp(
    x: ArrayLike,
    axis: Axis = -1,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
    *,
    dim: Axis = None,
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> Array | tuple[Array, Array]:
    """Logarithm of a sum, log Σₖ bₖ exp(xₖ), along an axis, as max + log1p of the other terms.

    Parameters
    ----------
    x : array-like of real numbers
        As in `softmax`, except that short integers give float64, too, as in SciPy. The result over
        an empty axis is -infinity.
    axis : int, tuple of int or None, default=-1
        The axis or axes to sum over; None means all, as by default in SciPy.
    b : array-like of real numbers, optional
        Factors of the exponentials; they and x are broadcast and promoted together, as in SciPy
        1.16. Where a factor is 0, its x does not matter. A negative sum gives NaN unless
        `return_sign` is set.
    keepdims : bool, default=False
        Whether to keep the axes that are summed over, with length 1.
    return_sign : bool, default=False
        Whether to return (log |sum|, sign of the sum), the sign as a number 1, 0, -1 or NaN.
    dim : int or tuple of int, optional
        PyTorch's name for `axis`.
    out : ndarray or tensor, optional
        Array for the logarithm, of its shape and dtype. It is also what is returned.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    ndarray of the shape of x without the axis, a scalar for 1-d x; with `return_sign` two of them

    Raises
    ------
    ValueError, TypeError
        As in `softmax`; if b and x do not broadcast together.

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
    >>> log, sign = logsumexp([0.0, 0.0], b=[1.0, -3.0], return_sign=True)
    >>> round(float(log), 4), float(sign)
    (0.6931, -1.0)
    """
    axis = check.axis_or_dim(axis, dim)
    given, out = out, check.shared_output(out)
    if b is None:
        x, dtype = as_stored(x, "x")
    else:
        x, factors, dtype = check.floating_pair(x, check.factors_of_exp(b), ("x", "b"))
        x, factors = check.broadcast_together(x, factors, ("x", "b"))
    layout = Layout.of(x.shape, axis)
    outer, k, inner = layout.split
    shape = layout.keepdims(axis) if keepdims else layout.kept
    if out is not None:
        check.output(out, shape, dtype)
    threads = layout.threads(n_threads)
    if b is not None:
        sums, signs = _weighted(x, factors, layout)
    elif k == 0 or outer * inner == 0:
        sums = np.full(outer * inner, -np.inf, x.dtype)
    else:
        sums = np.empty((outer, 1, inner), x.dtype)
        softmax = kernels(precision_of(x.dtype)).softmax
        softmax.logsumexp(layout.split_view(x), sums, 1.0, workspace, threads)
    if b is not None and not return_sign:
        sums[signs < 0] = np.nan
    elif return_sign and b is None:
        signs = np.where(np.isnan(sums), np.nan, sums > -np.inf)
    result = rounded(sums.reshape(shape), dtype)[()]
    if out is not None:
        out[...] = result
        result = given
    return (result, signs.reshape(shape).astype(dtype)[()]) if return_sign else result


def _weighted(x: Array, b: Array, layout: Layout) -> tuple[Array, Array]:
    """log |Σ b exp(x)|, from sums of the positive and of the negative terms apart, and the sign."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x, b = layout.split_view(x), layout.split_view(b)
        shifted = np.where(b == 0, -np.inf, x + np.log(abs(b)).astype(x.dtype))
        plus, minus = (
            logsumexp(np.where(b * sign >= 0, shifted, -np.inf), axis=1) for sign in (1, -1)
        )
        more, less = np.maximum(plus, minus), np.minimum(plus, minus)
        alone = less == -np.inf
        sums = more + np.log1p(-np.exp(np.where(alone, -np.inf, less - more)))
        signs = np.sign(plus - minus)
        signs[np.isnan(signs) & (more == -np.inf)] = 0.0
        # NaN in b has no sign
        unknown = np.isnan(shifted).any(axis=1) | np.isnan(signs)
        sums, signs = np.where(alone, more, sums), signs.astype(x.dtype)
        sums[unknown] = signs[unknown] = np.nan
        return sums.ravel(), signs.ravel()


def softmax_vjp(
    probabilities: ArrayLike,
    vector: ArrayLike,
    axis: Axis = -1,
    *,
    dim: Axis = None,
    temperature: float = 1.0,
    out: Array | Tensor | None = None,
    n_threads: int | None = None,
) -> Array:
    """The softmax's Jacobian applied to a vector, p ⊙ (u - Σₖ pₖ uₖ) / T.

    The Jacobian, ∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ - pⱼ), is symmetric, so that this is its product with a vector
    from either side. If u is the gradient of a function with respect to softmax(x), this is its
    gradient with respect to x.

    Parameters
    ----------
    probabilities : array-like of real numbers
        p, the result of `softmax`.
    vector : array-like
        u, of the shape of p.
    axis : int, tuple of int or None, default=-1
    dim : int or tuple of int, optional
        PyTorch's name for `axis`.
    temperature : float, default=1.0
        T > 0, the temperature that was given to `softmax`.
    out : ndarray or tensor, optional
        Array for the result, of its shape and dtype, which may be p or u itself. It is also what is
        returned.
    n_threads : int or None
        As in `softmax`.

    Returns
    -------
    ndarray of the shape of p

    Raises
    ------
    ValueError, TypeError
        As in `softmax`; if the shapes differ.

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
    axis = check.axis_or_dim(axis, dim)
    given, out = out, check.shared_output(out)
    p, dtype = as_stored(probabilities, "probabilities")
    u, other = as_stored(vector, "vector")
    check.same_shape(u, p.shape, "vector", "probabilities")
    dtype, computed_in = np.result_type(dtype, other), np.result_type(p, u)
    p, u = converted(p, computed_in), converted(u, computed_in)
    layout = Layout.of(p.shape, axis)
    factor, threads = check.inverse_temperature(temperature), layout.threads(n_threads)
    distinct(p, out, "probabilities")
    distinct(u, out, "vector")
    check.not_empty(layout.split, "probabilities")
    to, rows, vectors = layout.output(p, dtype, out), layout.split_view(p), layout.split_view(u)
    softmax = kernels(precision_of(p.dtype)).softmax
    if p.dtype == np.float16:
        factor = min(factor, STEEPEST)
    is_steep = factor > STEEPEST  # it, or that times u, may overflow
    softmax.softmax_vjp(rows, vectors, to, 1.0 if is_steep else factor, workspace, threads)
    if is_steep:
        with np.errstate(over="ignore"):
            to[...] = to.astype(np.float64) / float(temperature)
    result = layout.back(to, dtype, out)
    return result if given is None else given
