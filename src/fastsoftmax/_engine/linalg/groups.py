"""Block coordinate descent for norms of groups: what its kernels take.

Tables are (K, m), the groups of places being the same for all classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def blocks_of(
    groups: NDArray[np.int64], diagonals: NDArray, skipped: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The places of one group after the other, but for the first `skipped`, the starts of groups
    in these, bounds of the curvature of groups, and scratch for a step.

    A matrix with the diagonal h is at most diag(√h_j Σ_i √h_i), the sum over the group.
    """
    of_places = groups[0, skipped:]
    order = np.argsort(of_places, kind="stable")
    places = order + skipped
    begins = np.flatnonzero(np.diff(of_places[order], prepend=-1))
    starts = np.append(begins, len(places))
    roots = np.sqrt(np.maximum(diagonals, 0.0), dtype=np.float64)
    bounds = np.zeros(roots.shape)
    if len(places):
        sums = np.add.reduceat(roots[:, places], begins, axis=1)
        bounds[:, places] = roots[:, places] * np.repeat(sums, np.diff(starts), axis=1)
    return places.astype(np.int64), starts.astype(np.int64), bounds, np.empty(groups.size)


def descend_by_grams(
    kernel: Any,
    grams: NDArray,
    groups: NDArray[np.int64],
    tables: tuple[NDArray, NDArray, NDArray],
    cycles: int,
    tolerance: float,
) -> NDArray:
    """The change of least g·d + ½ dᵀ H d + Σ ‖t∘(v + d)‖; the tables are g, v and t."""
    places, starts, bounds, step = blocks_of(groups, np.einsum("kii->ki", grams))
    change = np.zeros_like(tables[0])
    kernel.by_grams(
        grams, np.empty_like(change), places, starts, *tables, bounds, change, step, cycles,
        tolerance,
    )  # fmt: skip
    return change
