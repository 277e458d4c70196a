"""Rows drawn for each class, with the weights that make up for it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def numbers_of(n: int) -> type[np.signedinteger]:
    """The type that numbers so many rows: 32 bits, as the kernels take it, while these suffice."""
    return np.int32 if n < 2**31 else np.int64


class RowSample(NamedTuple):
    """Rows drawn for each class, or pair of classes, and the square roots of their weights.

    Rows and factors are (m, most), of which the first `counts` of each are drawn, or one after
    another.
    """

    rows: NDArray[np.int32]
    factors: NDArray
    counts: NDArray[np.intp]  # (m,)
    totals: NDArray[np.float64]  # (m,), the sum of what rows were drawn by

    @classmethod
    def of_all_rows(cls, weights: NDArray) -> "RowSample":
        """All rows, of such weights for each matrix: (m, n)."""
        m, n = weights.shape
        rows = np.empty((m, n), np.int32)
        rows[:] = np.arange(n, dtype=np.int32)
        return cls(rows, np.sqrt(weights), np.array([n] * m), weights.sum(axis=1))

    @classmethod
    def of_parts(cls, parts: "Sequence[RowSample]") -> "RowSample":
        """What was drawn from parts of X together, where it is (m, most) of each."""
        if len(parts) == 1:
            return parts[0]
        counts = np.sum([part.counts for part in parts], axis=0)
        drawn = np.concatenate([part._inside for part in parts], axis=1)
        inside = np.arange(counts.max()) < counts[:, None]

        def together(numbers: list[NDArray]) -> NDArray:
            out = np.zeros(inside.shape, numbers[0].dtype)
            out[inside] = np.concatenate(numbers, axis=1)[drawn]
            return out

        rows, factors = (together([part[i] for part in parts]) for i in range(2))
        return cls(rows, factors, counts, np.sum([part.totals for part in parts], axis=0))

    @property
    def _inside(self) -> NDArray[np.bool_]:
        """Which places are those of drawn rows, where these are (m, most)."""
        return np.arange(self.rows.shape[1]) < self.counts[:, None]

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where in `rows` those of each begin, (m,)."""
        if self.rows.ndim == 1:
            return np.cumsum(self.counts) - self.counts
        return np.arange(len(self.counts)) * self.rows.shape[1]

    def every(self, step: int) -> "RowSample":
        """Every step-th of each, where they are (m, most)."""
        rows, factors = (np.ascontiguousarray(x[:, ::step]) for x in (self.rows, self.factors))
        return RowSample(rows, factors, -(-self.counts // step), self.totals)

    def of_all(self, step: int, n: int, start: int = 0) -> "RowSample":
        """The same rows, drawn from n which are every step-th of X, by their numbers there."""
        if step == 1:
            return self
        return self._replace(rows=self.rows.astype(numbers_of(step * n)) * step + start)

    def powers(self, power: int) -> NDArray[np.float64]:
        """Σ factorᵢ to that power of each, where they are (m, most)."""
        return np.sum(np.where(self._inside, self.factors, 0) ** power, axis=1, dtype=np.float64)

    def each(self) -> Iterator[tuple[NDArray[np.int32], NDArray]]:
        """Rows and factors of one after another."""
        rows, factors = self.rows.ravel(), self.factors.ravel()
        for start, count in zip(self.starts, self.counts, strict=True):
            yield rows[start : start + count], factors[start : start + count]
