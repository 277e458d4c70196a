"""How the features of X can be computed with: in which precision, about which point, which units.

float32 shows a feature whose mean is at most some hundred deviations, and whose numbers and their
products neither overflow nor vanish; else X is computed in float64. A sparse X is not centred,
which would fill in its zeros. But a feature with a large mean has hardly any zeros: it is centred,
and one of extreme numbers is scaled by a power of two, in a copy of the values. Where no feature is
such, X is left alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    ByRow,
    Change,
    Data,
    DenseBlocks,
    DenseData,
    SparseBlocks,
    SparseData,
    sum_of_rows,
)
from fastsoftmax._runtime.engines.tree import Largest, Sums
from fastsoftmax._validation import check


@dataclass(frozen=True)
class FeatureRules:
    """Which features a precision holds as they are (docs/experiments/0024-float32-first.md).

    float32 has 7 digits, float64 16; either loses as many as a mean has more than a deviation.
    """

    offset: float = 256.0  # of a mean, in deviations: beyond, float32 has less than 5 digits left
    # deviations of which float32, from 1e-38 to 1e38, holds the squares and sums of 1e8 of them
    spread: tuple[float, float] = (1e-15, 1e15)
    lost: float = 1e7  # of a mean, in deviations: beyond, float64 has less than 9 digits left
    unproved: float = 1e-14  # what the rounding of products with a feature may add to a bound
    far: float = 10.0  # of a mean, in deviations: below, centring a copy gains less than a digit
    scales: tuple[float, float] = (1e-12, 1e12)  # of a sparse feature, which is scaled beyond
    # of numbers that float32 holds beside ones of about 1, times weights of up to 1e18
    cells: tuple[float, float] = (1e-20, 1e20)


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

    def held_by_float32(
        self, data: DenseData | DenseBlocks, centred: bool, rules: FeatureRules
    ) -> bool:
        """Whether the features, as they are stored, keep enough digits in float32."""
        if not self.finite:
            return True  # an error tells why
        spread = data.as_stored(self.spread(centred))
        means = data.as_stored(np.abs(self.means))
        fits = means + np.sqrt(data.shape[0]) * spread < float(np.finfo(np.float32).max)
        least, most = rules.spread
        told = (spread >= least) & (spread <= most) & (means <= rules.offset * spread)
        return bool((fits & (told | (spread == 0))).all())


def suited(
    data: DenseData | DenseBlocks,
    weights: NDArray | None,
    units: NDArray | None,
    centred: bool,
    penalty: float,
    rules: FeatureRules | None = None,
) -> tuple[DenseData | DenseBlocks, tuple[Moments, NDArray | None]]:
    """A dense X times the units as it can be computed with, its moments, and what was taken off."""
    rules = rules or FeatureRules()
    data = data if units is None else data.scaled(units)
    data, moments, origin = moments_of(data, weights, centred, penalty, rules)
    if data.dtype != np.float64 and not moments.held_by_float32(data, centred, rules):
        data = data.to_float64()
    return data, (moments, origin)


def moments_of(
    data: DenseData | DenseBlocks,
    weights: NDArray | None,
    centred: bool,
    penalty: float,
    rules: FeatureRules,
) -> tuple[DenseData | DenseBlocks, Moments, NDArray | None]:
    """Dense X, its moments, and what was taken off it, if the rounding of float64 called for that.

    With an intercept features are centred by the change of variables. Where that would leave too
    few digits even in float64, for products or for a certificate (the square of a gradient's error
    over twice the penalty), they are in a copy of X.
    """
    moments = Moments(*data.moments(weights))
    if not (centred and moments.finite):
        return data, moments, None
    means, deviations = np.abs(moments.means), moments.deviations
    far = (means > rules.far * deviations) & (deviations > 0)
    if not far.any():
        return data, moments, None
    errors = np.finfo(float).eps * means
    far &= (means / rules.lost > deviations) | (errors > np.sqrt(2 * rules.unproved * penalty))
    if not far.any():
        return data, moments, None
    origin = np.where(far, moments.means, 0.0)
    data = data.centred(origin)
    return data, Moments(*data.moments(weights)), origin


def change_of(
    data: SparseData | SparseBlocks,
    weights: NDArray | None,
    units: NDArray | None,
    centred: bool,
    penalty: float,
    rules: FeatureRules | None = None,
) -> tuple[Data, Change | None]:
    """A sparse X times the units as it can be computed with, and what was changed to that end."""
    (n, d), rules = data.shape, rules or FeatureRules()
    far, (least, most) = rules.far, rules.scales
    filled, largest, smallest = sum_of_rows(data, weights, extents, centred)
    largest, smallest = float(largest.numbers), -float(smallest.numbers)
    shift, factors = np.zeros(d), np.ones(d) if units is None else units
    full = np.flatnonzero(filled > n * far**2 / (1 + far**2)) if centred else np.zeros(0, int)
    if len(full):
        means, deviations = data.only(full).moments(weights)
        shift[full] = np.where(np.abs(means) > far * deviations, means, 0)
    beyond = factors.min() * smallest < least or factors.max() * largest > most
    if not shift.any() and not beyond:
        return (data if units is None else data.scaled(units)), None
    scales, smallest, largest = powers_of_two(data, weights, shift, factors, penalty, rules)
    every = weights is None or is_positive(weights)  # else far cells of others are clipped
    if every and not shift.any() and (scales == 1).all():
        return (data if units is None else data.scaled(units)), None
    told = ((smallest >= rules.cells[0]) & (largest <= rules.cells[1])).all()
    dtype = data.dtype if told else np.dtype(np.float64)
    data = data.changed(Change(shift, factors * scales, dtype, largest))
    return data, Change(shift * factors, scales, dtype)


def is_positive(weights: NDArray | ByRow) -> bool:
    """Whether all are, as far as is known here."""
    return not isinstance(weights, ByRow) and bool((weights > 0).all())


def extents(data: SparseData, weights: NDArray | None, centred: bool) -> Sums:
    """The weight of the rows that have each feature, where that is asked for, the largest number,
    and less the smallest."""
    X = data.X
    filled = np.zeros(data.shape[1])
    if centred and weights is None:
        filled += data.counts
    elif centred:
        filled += np.bincount(X.indices, np.repeat(weights, np.diff(X.indptr)), X.shape[1])
    x = X.data
    if not x.min(initial=1) > 0:  # else the numbers are their own sizes
        x = np.abs(x[x != 0])
    smallest, largest = x.min(initial=np.inf), x.max(initial=0)
    return Sums((filled, Largest(largest), Largest(-smallest)))


def ranges(data: SparseData, weights: NDArray | None) -> Sums:
    """The largest number of each feature, and minus the smallest, in rows of positive weight."""
    X, d = data.X, data.shape[1]
    smallest, largest = np.full(d, np.inf), np.zeros(d)
    at, x = X.indices, np.abs(X.data)
    counts = x > 0
    if weights is not None:
        counts &= np.repeat(weights > 0, np.diff(X.indptr))
    np.minimum.at(smallest, at[counts], x[counts])
    np.maximum.at(largest, at[counts], x[counts])
    return Sums((Largest(largest), Largest(-smallest)))


def powers_of_two(
    data: SparseData | SparseBlocks,
    weights: NDArray | None,
    shift: NDArray,
    factors: NDArray,
    penalty: float,
    rules: FeatureRules,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Factors, 1 for most, that make features of extreme numbers moderate; and the sizes of the
    least and the largest number of each feature that there then are in rows of positive weight.

    A feature of tiny numbers is scaled as far as the penalty lets it have an effect.
    """
    changed = data.changed(Change(shift, factors, np.dtype(np.float64)))
    largest, smallest = (each.numbers for each in sum_of_rows(changed, weights, ranges))
    smallest = -smallest
    size = np.maximum(largest, min(np.sqrt(penalty), 1.0))
    extreme = ((size < rules.scales[0]) | (size > rules.scales[1])) & (largest > 0)
    exponents = np.where(extreme, -np.frexp(np.where(size > 0, size, 1.0))[1], 0)
    scales = np.ldexp(1.0, np.clip(exponents, -1022, 1022))
    return scales, smallest * scales, largest * scales
