"""Numbers by feature, of which those of absent features are not sent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class ByFeature(NamedTuple):
    """Sums over rows for each feature, (D, K): those that are 0 for all K are not sent."""

    numbers: NDArray

    def __add__(self, other: Any) -> ByFeature:
        return ByFeature(self.numbers + other.numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        bits = self.numbers.view(f"u{self.numbers.itemsize}")  # of which -0 has some
        some = bits[:, 0] != 0
        rest = np.flatnonzero(~some)
        some[rest] = bits[rest].any(axis=1)
        return sums_of_some, cut(self.numbers, some)


class Weights(NamedTuple):
    """The weights of a model, (K, D), of which those of some features are sent: an array then."""

    W: NDArray
    some: NDArray[np.bool_]

    def __reduce__(self) -> tuple[Any, ...]:
        return weights_of_some, cut(self.W.T, self.some)


def cut(numbers: NDArray, some: NDArray[np.bool_]) -> tuple[NDArray, int, NDArray]:
    """The numbers of some features, how many features there are, and which these are."""
    return numbers[some], len(some), np.packbits(some)


def of_some(numbers: NDArray, d: int, bits: NDArray[np.uint8]) -> NDArray:
    """All numbers, 0 but for some features."""
    out = np.zeros((d, *numbers.shape[1:]), numbers.dtype)
    out[np.unpackbits(bits, count=d).view(bool)] = numbers
    return out


def sums_of_some(*args: Any) -> ByFeature:
    return ByFeature(of_some(*args))


def weights_of_some(*args: Any) -> NDArray:
    return of_some(*args).T
