"""What a solver's vector θ means: weights and intercepts, in coordinates that suit the kind of X.

`Standardised` for dense X, `FeatureMajor` for sparse. Each knows how θ is laid out, which change of
variables makes it a good vector to iterate on, and how to take value and gradient there.
"""

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import Data, Step, StoredLogits
from fastsoftmax._engine.objective.coordinates.layout import Layout
from fastsoftmax._engine.objective.penalised_weights import squares
from fastsoftmax._engine.objective.rows import Rows
from fastsoftmax._engine.objective.terms import Terms


class Parameters(ABC):
    """What both kinds share: a table of θ, and one pass that gives value, gradient and products."""

    _terms: Terms
    shape: tuple[int, int]
    layout: Layout
    #: the features at which a model's logits are the intercepts of θ; None if these are 0
    centre: NDArray[np.float64] | None
    column_sizes: NDArray[np.float64]  # weighted root mean squares of the columns of a dense X
    spread: NDArray | None = None  # of each feature, its variance, where that is known
    fits_float32 = False  # whether float32 shows what the features say
    copied_bytes = 0  # of a copy of X in float32

    def of(self, terms: Terms) -> "Parameters":
        """The same coordinates for another objective of the same data."""
        other = copy(self)
        other._terms, other.passes = terms, 0.0
        return other

    def lengths(self, data: Data) -> tuple[NDArray[np.float64] | None, float]:
        """About the length of each row, where features have unit variance and the mean square of
        all lengths is 1, or None if variances are not known; and the passes that it took."""
        return None, 0.0

    def split(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """Weights (K, D) and intercepts (K,) as views of θ; None without intercepts."""
        table = self.layout.table(theta)
        if not self._terms.fit_intercept:
            return table, None
        return table[:, :-1], table[:, -1]

    def _penalised(self, by_feature: NDArray, axis: int) -> NDArray:
        """What there is for each feature, without those that are not penalised."""
        free = self._terms.free
        return np.delete(by_feature, free, axis=axis) if len(free) else by_feature

    def _products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """`products`, whichever weights are penalised."""
        W, step = self.penalised(theta), self.penalised(direction)
        return np.array([np.sum(W * W), np.sum(W * step), np.sum(step * step)])

    def _add_ridge(self, theta: NDArray, gradient: NDArray, ridge: float) -> float:
        """Add that of the weights that are penalised to a gradient, in place; what it adds to F."""
        units = self.units(np.arange(self.shape[1]))
        units[self._terms.free] = 0
        W = self.layout.table(theta) * units
        self.layout.table(gradient)[:] += ridge * W * units
        return squares(ridge, W)

    @abstractmethod
    def user(self, theta: NDArray, dtype: np.dtype) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ for products with X in this precision."""

    @abstractmethod
    def penalised(self, theta: NDArray) -> NDArray[np.float64]:
        """The weights of θ in the units in which they are penalised, those that are: a copy."""

    def features(self, data: Data, chosen: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Features of some rows in the coordinates of θ, and their constants: (n, size); or some of
        them alone."""
        there_is_one = chosen is None and self._terms.fit_intercept
        return with_constant(in_float64(data, chosen), there_is_one, 1.0)

    @abstractmethod
    def penalised_gradient(self, gradient: NDArray) -> NDArray[np.float64]:
        """A gradient by θ as one by these weights: a copy."""

    @abstractmethod
    def sizes(self) -> NDArray[np.float64]:
        """Weighted root mean squares of the features, as `penalised` has their weights."""

    def squared_sizes(self) -> float:
        """The sum of their squares."""
        return float(np.square(self.sizes()).sum())

    def logit_sizes(self, theta: NDArray) -> NDArray[np.float64]:
        """Per class the size of what its logits sum: at least the weighted root mean square of
        Σ |w x| + |b|."""
        W, b = self.user(theta, np.dtype(np.float64))
        sizes = at(self.column_sizes, np.abs(W))
        return sizes if b is None else sizes + np.abs(b)

    def variations(self) -> NDArray[np.float64]:
        """By how much these features vary in most rows, where that is known."""
        return self.sizes()

    @abstractmethod
    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        """Loss of these rows and ridge, and their gradient, at θ, or from the rows' stored logits,
        moved first by a step, if there is one.

        Without targets what is stored is taken for the gradient of the loss by the logits.
        """


def at(point: NDArray, W: NDArray) -> NDArray:
    """W x, without BLAS: its threads would go on spinning where the kernels' should run."""
    return np.einsum("kd,d->k", W, point)


def in_float64(data: Data, chosen: NDArray[np.intp] | None) -> NDArray[np.float64]:
    """Some features of rows, or all: a copy."""
    data = data if chosen is None else data.only(chosen)
    first, *others = [piece.in_float64(slice(None)) for _, piece in data.pieces()]
    return np.concatenate([first, *others]) if others else first


def with_constant(U: NDArray, there_is_one: bool, value: float) -> NDArray[np.float64]:
    """Rows with a constant at the end, where there is an intercept."""
    return np.hstack([U, np.full((len(U), int(there_is_one)), value)])
