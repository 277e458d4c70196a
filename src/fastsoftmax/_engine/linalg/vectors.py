"""Arithmetic of a solver's vectors, without BLAS and in as few readings of memory as can be.

BLAS's threads would go on spinning where the kernels' should run.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._core.solver import vectors
from fastsoftmax._runtime.threads import team


def dot(a: NDArray, b: NDArray, n_threads: int = 1) -> float:
    """aᵀb of contiguous vectors of one precision; the same to the bit for any number of threads."""
    if a.dtype != b.dtype:
        raise TypeError(f"expected vectors of one dtype, got {a.dtype} and {b.dtype}")
    return kernels(a.dtype).vectors.dot(a.ravel(), b.ravel(), team(n_threads, a.size))


def dots(rows: NDArray, order: Sequence[int], v: NDArray, n_threads: int = 1) -> NDArray:
    """vᵀ of some rows, in this order: float64."""
    out = np.empty(len(order))
    kernels(v.dtype).vectors.dots(
        rows, np.array(order, np.intp), v, out, team(n_threads, len(order) * v.size)
    )
    return out


def add(a: NDArray, t: float, b: NDArray, n_threads: int = 1) -> None:
    """``a += t * b``, in place; a may be float64 where b is float32."""
    kernel = kernels(b.dtype).vectors
    add = kernel.add if a.dtype == b.dtype else kernel.add_wide
    add(a, t, b, team(n_threads, a.size))


def combine(
    by: float,
    base: NDArray,
    factors: Sequence[float],
    rows: NDArray,
    order: Sequence[int],
    out: NDArray,
    n_threads: int = 1,
) -> None:
    """``out = by * base + Σ factorᵢ * rows[orderᵢ]``, of one precision."""
    kernels(out.dtype).vectors.combine(
        by, base, np.array(factors, np.float64), rows, np.array(order, np.intp), out,
        team(n_threads, (1 + len(order)) * out.size),
    )  # fmt: skip


def pair(
    direction: NDArray,
    t: float,
    before: NDArray,
    after: NDArray,
    s: NDArray,
    y: NDArray,
    n_threads: int = 1,
) -> None:
    """``s = t * direction`` and ``y = after - before``, rounded to the precision of s and y."""
    given = [np.ascontiguousarray(v, after.dtype) for v in (direction, before, after)]
    kernels(s.dtype).vectors.pair(given[0], t, *given[1:], s, y, team(n_threads, 2 * s.size))


def products(a: NDArray, b: NDArray, n: int, n_threads: int = 1) -> NDArray:
    """aᵀa, aᵀb and bᵀb of the first n numbers of a, float64, and b."""
    out = np.empty(3)
    kernels(b.dtype).vectors.products(a, b, n, out, team(n_threads, 3 * n))
    return out


def largest(a: NDArray, n_threads: int = 1) -> float:
    """max |a|, NaN if one is."""
    return kernels(a.dtype).vectors.largest(a, team(n_threads, a.size))


def substitute(upper: NDArray, z: NDArray, *, transposed: bool = False) -> NDArray:
    """U⁻¹z or U⁻ᵀz of a small upper triangle, float64; z is overwritten."""
    vectors.substitute(np.ascontiguousarray(upper), z, transposed)
    return z
