"""How the features of X can be computed with: in which precision, about which point, in which units.

float32 shows a feature whose mean is at most some hundred deviations, and whose numbers and their
products neither overflow nor vanish; else X is computed in float64. A sparse X is not centred,
which would fill in its zeros. But a feature with a large mean has hardly any zeros: it is centred,
and one of extreme numbers is scaled by a power of two, in a copy of the values. Where no feature is
such, X is left alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax import _validation as check
from fastsoftmax.data import Data, DenseBlocks, DenseData, SparseBlocks, SparseData

OFFSET = 256.0  # of a mean, in deviations, beyond which float32 leaves a feature too few digits
RANGE = 1e-15, 1e15  # deviations of which float32 holds the products and squares that are needed
FAR = 10.0  # of the mean of a sparse feature, in deviations, beyond which it is centred
SCALES = 1e-12, 1e12  # of the numbers of a sparse feature, beyond which it is scaled
CELLS = 1e-20, 1e20  # what float32 can hold of those beside numbers of about 1


class Moments(NamedTuple):
    """Weighted means and standard deviations of dense features."""

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @property
    def finite(self) -> bool:
        """Whether float64 can hold sums of the features."""
        return bool(check.has_spread(self.means, self.deviations).all())

    def spread(self, centred: bool) -> NDArray[np.float64]:
        """Deviations from the mean, or from 0."""
        return self.deviations if centred else np.hypot(self.deviations, self.means)

    def held_by_float32(self, data: DenseData | DenseBlocks, centred: bool) -> bool:
        """Whether the features, as they are stored, keep enough digits in float32."""
        if not self.finite:
            return True  # an error tells why
        spread = data.as_stored(self.spread(centred))
        means = data.as_stored(np.abs(self.means))
        fits = means + np.sqrt(data.shape[0]) * spread < float(np.finfo(np.float32).max)
        told = (spread >= RANGE[0]) & (spread <= RANGE[1]) & (means <= OFFSET * spread)
        return bool((fits & (told | (spread == 0))).all())


class Change(NamedTuple):
    """A sparse X is computed with as (X - shift) * factors."""

    shift: NDArray[np.float64]
    factors: NDArray[np.float64]


def moments_of(data: DenseData | DenseBlocks, weights: NDArray | None) -> Moments:
    return Moments(*data.moments(weights))


def change_of(
    data: SparseData | SparseBlocks,
    weights: NDArray | None,
    units: NDArray | None,
    centred: bool,
    penalty: float,
) -> tuple[Data, Change | None]:
    """A sparse X times the units as it can be computed with, and what was changed to that end."""
    n, d = data.shape
    filled, largest, smallest = np.zeros(d), 0.0, np.inf
    for rows, piece in data.pieces():
        X, some = piece.X, None
        if weights is not None:
            some = np.repeat(weights[rows], np.diff(X.indptr))
        filled += np.bincount(X.indices, some, d)
        x = np.abs(X.data)
        largest = max(largest, float(x.max(initial=0)))
        smallest = min(smallest, float(x.min(initial=np.inf, where=x > 0)))
    shift, factors = np.zeros(d), np.ones(d) if units is None else units
    full = np.flatnonzero(filled > n * FAR**2 / (1 + FAR**2)) if centred else np.zeros(0, int)
    if len(full):
        means, deviations = data.only(full).moments(weights)
        shift[full] = np.where(np.abs(means) > FAR * deviations, means, 0)
    beyond = factors.min() * smallest < SCALES[0] or factors.max() * largest > SCALES[1]
    if not shift.any() and not beyond:
        return (data if units is None else data.scaled(units)), None
    scales, exact = powers_of_two(data, shift, factors, penalty)
    dtype = np.dtype(np.float64) if exact else data.dtype
    data = data.changed(shift, factors * scales, dtype)
    return data, Change(shift * factors, scales)


def powers_of_two(
    data: SparseData | SparseBlocks, shift: NDArray, factors: NDArray, penalty: float
) -> tuple[NDArray[np.float64], bool]:
    """Factors, 1 for most, that make features of extreme numbers moderate, and whether there are
    then still numbers beyond those of float32.

    A feature of tiny numbers is scaled as far as the penalty lets it have an effect.
    """
    largest, smallest = np.zeros(data.shape[1]), np.full(data.shape[1], np.inf)
    for _, piece in data.changed(shift, factors, np.dtype(np.float64)).pieces():
        at, x = piece.X.indices, np.abs(piece.X.data)
        np.maximum.at(largest, at, x)
        np.minimum.at(smallest, at[x > 0], x[x > 0])
    size = np.maximum(largest, min(np.sqrt(penalty), 1.0))
    extreme = (size < SCALES[0]) | (size > SCALES[1])
    exponents = np.where(extreme & (largest > 0), -np.frexp(np.where(size > 0, size, 1.0))[1], 0)
    scales = np.ldexp(1.0, np.clip(exponents, -1022, 1022))
    present = largest > 0
    with np.errstate(under="ignore"):
        few = smallest[present] * scales[present] < CELLS[0]
        many = largest[present] * scales[present] > CELLS[1]
    return scales, bool(few.any() or many.any())
