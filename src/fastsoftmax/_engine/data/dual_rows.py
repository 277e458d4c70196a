"""Rows of a sparse X as coordinates of the dual problem (`_core/solver/ascent_kernels.pyx`)."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.sparse import SparseData


class DualRows:
    """Rows that have a weight, with a log-odds each.

    Parameters
    ----------
    data : SparseData
    scales : ndarray of shape (n,)
        s / (μS) of each; rows of 0 are left alone.
    constant : float
        The square of a constant feature, of which the intercept is the weight times the constant.
    offset : ndarray of shape (n,) or None
    """

    def __init__(
        self, data: SparseData, scales: NDArray, constant: float, offset: NDArray | None
    ) -> None:
        X, n = data.X, data.shape[0]
        self._X, self._constant = (X.data, X.indices, X.indptr), constant
        self._kernel = kernels(data.dtype).ascent
        self._order = np.flatnonzero(scales > 0).astype(np.int32)
        self._rows = np.zeros((n, 4), data.dtype)
        self._kernel.squares(*self._X, self._order, self._rows)
        self._rows[:, 0] = scales
        self._rows[:, 1] += constant
        if offset is not None:
            self._rows[:, 2] = offset

    @property
    def log_odds(self) -> NDArray:
        """Of each row's probability, (n, 1): a view."""
        return self._rows[:, 3:]

    def epoch(self, rng: np.random.Generator, w: NDArray, b: NDArray) -> float:
        """Move every row once, in random order, and with them w (d,) and b (1,); about what F - F*
        was on the way, divided by μ."""
        order = rng.permutation(self._order)
        return self._kernel.epoch(*self._X, order, self._rows, w, b, self._constant)
