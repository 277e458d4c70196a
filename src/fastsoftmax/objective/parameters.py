"""What a solver's vector θ means: weights and intercepts, in coordinates that suit the kind of X.

`Standardised` for dense X, `FeatureMajor` for sparse. Each knows how θ is laid out, which change of
variables makes it a good vector to iterate on, and how to take value and gradient there.
"""

from abc import ABC, abstractmethod
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import (
    Data,
    DenseBlocks,
    DenseData,
    SparseBlocks,
    SparseData,
    Standardisation,
    Step,
    StoredLogits,
    dot,
    largest,
    products,
)
from fastsoftmax.objective.bulk import bulk
from fastsoftmax.objective.features import OFFSET, Change, Moments, change_of, moments_of
from fastsoftmax.objective.resting import Rows

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective

PROJECTED = 1 << 15  # rows at a time
# onto random directions, where the features are more, to tell a row's length by (Johnson &
# Lindenstrauss 1984)
PROJECTIONS = 16


class Parameters(ABC):
    """What both kinds share: a table of θ, and one pass that gives value, gradient and products."""

    _objective: "Objective"
    spread: NDArray | None = None  # of each feature, its variance, where that is known
    narrows = False  # whether float32 shows what the features say

    @staticmethod
    @abstractmethod
    def suited(
        data: Data,
        weights: NDArray | None,
        units: NDArray | None,
        fit_intercept: bool,
        penalty: float,
    ) -> tuple[Data, Any]:
        """The data times the units, as they can be computed with, and what the constructor needs
        to know of them."""

    def of(self, objective: "Objective") -> "Parameters":
        """The same coordinates for another objective of the same data."""
        other = copy(self)
        other._objective, other.passes = objective, 0.0
        return other

    @abstractmethod
    def lengths(self) -> NDArray[np.float64] | None:
        """About that of each row, features being of unit variance; of mean square 1."""

    @abstractmethod
    def table(self, theta: NDArray) -> NDArray:
        """θ as (K, D), or (K, D + 1) with the intercepts last: a view."""

    def split(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """Weights (K, D) and intercepts (K,) as views of θ; None without intercepts."""
        table = self.table(theta)
        if not self._objective.fit_intercept:
            return table, None
        return table[:, :-1], table[:, -1]

    def _free(self, theta: NDArray) -> NDArray:
        """The weights of features that are not penalised, in the units of the others: (K, m)."""
        free = self._objective.free
        return self.table(theta)[:, free] * self.units(free)

    def _free_products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """What of `products` is theirs."""
        W, step = (self._free(v).ravel() for v in (theta, direction))
        return np.array([np.sum(W * W), np.sum(W * step), np.sum(step * step)])

    def _release(self, theta: NDArray, gradient: NDArray, ridge: float) -> float:
        """Take the ridge of these weights out of a gradient, in place; what it adds to F."""
        free = self._objective.free
        if not len(free):
            return 0.0
        W = self._free(theta)
        self.table(gradient)[:, free] -= ridge * W * self.units(free)
        return 0.5 * ridge * float(np.sum(W * W))

    def hessian_times(self, direction: NDArray, curved: StoredLogits) -> NDArray:
        """The Hessian of loss and ridge times a direction, whose logits are `curved`."""
        o = self._objective
        return self.value_and_grad(direction, curved, Rows(o.data, None, None, o.penalty))[1]

    @abstractmethod
    def user(self, theta: NDArray, dtype: np.dtype | None = None) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ for products with X, in the objective's precision or in another."""

    @abstractmethod
    def penalised(self, theta: NDArray) -> NDArray[np.float64]:
        """The weights of θ in the units in which they are penalised, those that are: a copy."""

    def free_features(self, data: Data) -> NDArray[np.float64]:
        """The features that are not penalised of some rows, in the coordinates of θ: (n, m)."""
        free = self._objective.free
        return np.concatenate([p.only(free).in_float64(slice(None)) for _, p in data.pieces()])

    @abstractmethod
    def penalised_gradient(self, gradient: NDArray) -> NDArray[np.float64]:
        """A gradient by θ as one by these weights: a copy."""

    @abstractmethod
    def sizes(self) -> NDArray[np.float64]:
        """Weighted root mean squares of the features, as `penalised` has their weights."""

    @abstractmethod
    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        """Loss of these rows and ridge, and their gradient, at θ, or from the rows' stored logits,
        moved first by a step, if there is one.

        Without targets what is stored is taken for the gradient of the loss by the logits.
        """


class Standardised(Parameters):
    """For each class its weights, then its intercept, of features that are centred and scaled.

    With logits W(x - μ) + c, μ the weighted means and b = c - Wμ, the Hessian does not couple
    intercepts and weights through the means; with W = V / h, h² = p̄·var + λ, its diagonal is about
    1 where the classes are about equally probable (p̄ = (1 - 1/K) / K). Neither changes F nor its
    optimum, and X is left alone. Takes two passes, for means and variances.
    """

    by_feature = False  # or class by class
    passes = 2.0  # that the change of variables took

    @staticmethod
    def suited(
        data: Data,
        weights: NDArray | None,
        units: NDArray | None,
        fit_intercept: bool,
        penalty: float,
    ) -> tuple[Data, tuple[Moments, NDArray | None]]:
        data = data if units is None else data.scaled(units)
        data, moments, origin = moments_of(data, weights, fit_intercept)
        held = moments.held_by_float32(data, fit_intercept)
        return data if held else data.to_float64(), (moments, origin)

    def __init__(self, objective: "Objective", told: tuple[Moments, NDArray | None]) -> None:
        moments, origin = told
        self._objective, self._data = objective, objective.data
        data, penalty, fit_intercept = objective.data, objective.penalty, objective.fit_intercept
        d = data.shape[1]
        self.shape = objective.n_logits, d + fit_intercept
        self.dtype = data.dtype
        self.moments = moments
        share = objective.typical_share
        curvature = share * (1 - share)
        #: not where X is not finite, or where its numbers are farther apart than numbers can be
        self.finite = moments.finite
        #: of each feature from its centre, or from 0 where there is no intercept
        self.deviations = moments.spread(fit_intercept) if self.finite else np.ones(d)
        #: constant features, which the intercept stands for
        self.constant = fit_intercept & (self.deviations == 0)
        #: the deviations of most rows, where those of all are the deviations of a few far cells
        centres, self.bulk = moments.means, self.deviations
        if self.finite:
            centres, self.bulk = bulk(data, centres, self.deviations, bool(fit_intercept))
            if fit_intercept:
                self.deviations = np.hypot(self.deviations, moments.means - centres)
        with np.errstate(over="ignore"):
            self.spread = self.deviations**2
        self.shift = centres if fit_intercept and self.finite else np.zeros(d)
        ridge = np.full(d, penalty)
        ridge[objective.free] = 0
        scales = np.hypot(np.sqrt(curvature) * self.bulk, np.sqrt(ridge))
        self.scales = np.where((scales > 0) & ~self.constant, scales, 1.0)
        self.intercept_scale = np.sqrt(curvature)
        held = (np.abs(moments.means) <= OFFSET * self.bulk) | self.constant
        self.narrows = self.finite and moments.held_by_float32(data, fit_intercept) and held.all()
        #: what was found out of X in these coordinates, for all objectives that share them
        self.found: dict[Any, Any] = {}
        self._take_over(objective)
        #: where the features as they are given have their means
        self._centre = self.shift if origin is None else self.shift + origin
        self._change, self._change_of_given = (
            Standardisation(
                self.shape, self.scales, shift, self.intercept_scale, self.constant, data.n_threads
            )
            for shift in (self.shift, self._centre)
        )

    def _take_over(self, objective: "Objective") -> None:
        """The coordinates of a fit before this one, in which its Grams are.

        Not where another feature is constant, which is left out: that is more than conditioning.
        """
        carry = objective.carry
        if carry is None:
            return
        if self.finite and np.array_equal(self.constant, carry.coordinates["constant"]):
            vars(self).update(carry.coordinates)
        else:
            objective.carry = None

    def coordinates(self) -> dict[str, Any]:
        """The change of variables, for a fit to come."""
        names = "spread", "deviations", "bulk", "constant", "shift", "scales"
        return {name: getattr(self, name) for name in names}

    def table(self, theta: NDArray) -> NDArray:
        """θ as (K, D), or (K, D + 1) with the intercepts last: a view."""
        return theta.reshape(self.shape)

    def places(self, flat: NDArray) -> tuple[NDArray, NDArray]:
        """Classes and features of places in θ; the feature of an intercept is D."""
        return np.divmod(flat, self.shape[1])

    def flat(self, classes: NDArray, features: NDArray) -> NDArray:
        """The way back."""
        return classes * self.shape[1] + features

    def units(self, features: NDArray) -> NDArray:
        """What a weight of the model is, in terms of its place in θ; 0 for intercepts."""
        each = np.append(1 / self.scales, np.zeros(int(self._objective.fit_intercept)))
        return each[features]

    def project(self, theta: NDArray) -> NDArray:
        """θ without what all classes have in common (their gauge): the loss does not see it."""
        return theta.ravel() if self._objective.logistic else self._change.project(theta)

    def lengths(self) -> NDArray[np.float64]:
        """About that of each row, features being of unit variance; of mean square 1."""
        o, key = self._objective, ("lengths", self._objective.penalty)
        if key not in self.found:
            h = np.hypot(self.intercept_scale * self.bulk, np.sqrt(o.penalty))
            onto = np.eye(len(h))
            if len(h) > PROJECTIONS:
                onto = 2.0 * np.random.default_rng(0).integers(2, size=(PROJECTIONS, len(h))) - 1
            W = np.divide(onto, h, out=np.zeros_like(onto), where=(h > 0) & ~self.constant)
            o.n_passes += 0.5 * len(W) / o.n_logits
            squares = np.concatenate(
                [squared_lengths(piece, W, -at(self.shift, W)) for _, piece in o.data.pieces()]
            )
            self.found[key] = np.sqrt(squares / max(squares.mean(), np.finfo(float).tiny))
        return self.found[key]

    def narrowed(self, most: int) -> DenseData:
        """X in float32, for all objectives that share these coordinates, or as it is."""
        if "narrowed" not in self.found:
            self.found["narrowed"] = self._data.narrowed(most)
        return self.found["narrowed"]

    def of_model(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of weights (K, D) and intercepts (K,)."""
        theta = np.zeros(self.shape).ravel()
        V, c = self.split(theta)
        V[:] = coef * self.scales
        V[:, self.constant] = 0
        if c is not None:
            c[:] = (intercept + at(self._centre, coef)) * self.intercept_scale
        return theta

    def user(self, theta: NDArray, dtype: np.dtype | None = None) -> tuple[NDArray, NDArray | None]:
        return self._change.model(theta, self._objective.data.dtype if dtype is None else dtype)

    def penalised(self, theta: NDArray) -> NDArray[np.float64]:
        W = self.split(theta)[0] / self.scales
        return np.delete(W, self._objective.free, axis=1)

    def penalised_gradient(self, gradient: NDArray) -> NDArray[np.float64]:
        G = self.split(gradient)[0] * self.scales
        return np.delete(G, self._objective.free, axis=1)

    def free_features(self, data: Data) -> NDArray[np.float64]:
        free = self._objective.free
        return (super().free_features(data) - self.shift[free]) / self.scales[free]

    def sizes(self) -> NDArray[np.float64]:
        return np.delete(self.moments.spread(False), self._objective.free)

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        return self._change.products(theta, direction) - self._free_products(theta, direction)

    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        loss, grads = rows.data.value_and_grad(
            *(self.user(theta) if stored is None else (None, None)),
            *(rows.targets, rows.weights, 1 / self._data.shape[0]),
            stored=stored,
            step=step,
        )
        penalty, gradient = self._change.gradient(theta, grads.W, grads.b, rows.ridge)
        penalty = penalty if rows.ridge else 0.0  # where squares may overflow
        return loss + penalty - self._release(theta, gradient, rows.ridge), gradient

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ: fresh arrays."""
        return self._change_of_given.model(theta, np.dtype(np.float64))

    def by_model(self, gradient: NDArray) -> tuple[NDArray, NDArray | None]:
        """Gradients with respect to W and b, from that with respect to θ."""
        by_V, by_c = self.split(gradient)
        if by_c is None:
            return by_V * self.scales, None
        by_b = by_c * self.intercept_scale
        return by_V * self.scales + by_b[:, None] * self.shift, by_b

    def norms(self, gradient: NDArray) -> tuple[float, float]:
        """max |∇F| with respect to (W, b), and ‖∇_W F‖², from that with respect to θ."""
        return self._change_of_given.norms(gradient)


def at(point: NDArray, W: NDArray) -> NDArray:
    """W x, without BLAS: its threads would go on spinning where the kernels' should run."""
    return np.einsum("kd,d->k", W, point)


def squared_lengths(data: DenseData, W: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Those of the rows of X Wᵀ + b, a few thousand at a time."""
    out = np.empty(data.shape[0])
    for start in range(0, len(out), PROJECTED):
        rows = slice(start, start + PROJECTED)
        some = data.rows(rows)
        z = StoredLogits(some.shape[0], len(W), data.dtype, data.n_threads)
        some.store_logits(W, b, z)
        out[rows] = z.squares()
    return out


class FeatureMajor(Parameters):
    """For each feature its weights for all classes, after them the intercepts: of most features
    nothing is changed.

    A sparse X is not centred without work for its zeros, and what that gains a preconditioner gives
    too; but for features with hardly any zeros and a large mean, and for those of extreme numbers,
    θ has the weights of X changed (`features.py`). All that goes over D·K numbers is a kernel,
    since X may have fewer non-zeros than that.
    """

    by_feature = True
    passes = 0.0
    finite = True  # seen to when the values were checked

    @staticmethod
    def suited(
        data: Data,
        weights: NDArray | None,
        units: NDArray | None,
        fit_intercept: bool,
        penalty: float,
    ) -> tuple[Data, Change | None]:
        return change_of(data, weights, units, fit_intercept, penalty)

    def __init__(self, objective: "Objective", change: Change | None) -> None:
        self._objective, self._data = objective, objective.data
        self.shape = objective.n_logits, objective.data.shape[1] + objective.fit_intercept
        self._n_weights = objective.n_logits * objective.data.shape[1]
        self._shift = self._factors = None
        if change is not None:
            self._shift = change.shift if change.shift.any() else None
            self._factors = change.factors if (change.factors != 1).any() else None
        #: of gradients, once they are summed, and of directions: enough for the way to go
        self.dtype = np.dtype(np.float64 if objective.l1 else np.float32)
        self.intercept_scale = 1.0

    def coordinates(self) -> None:
        """There is no change of variables to keep."""

    def lengths(self) -> None:
        """Not known: the variances are not either."""

    def table(self, theta: NDArray) -> NDArray:
        """θ as (K, D), or (K, D + 1) with the intercepts last, in Fortran's order: a view."""
        return theta.reshape(self.shape[::-1]).T

    def places(self, flat: NDArray) -> tuple[NDArray, NDArray]:
        """Classes and features of places in θ; the feature of an intercept is D."""
        features, classes = np.divmod(flat, self.shape[0])
        return classes, features

    def flat(self, classes: NDArray, features: NDArray) -> NDArray:
        """The way back."""
        return features * self.shape[0] + classes

    def units(self, features: NDArray) -> NDArray:
        """What a weight of the model is, in terms of its place in θ; 0 for intercepts."""
        if self._factors is None:
            return (features < self._data.shape[1]).astype(float)
        return np.append(self._factors, 0.0)[features]

    def project(self, theta: NDArray) -> NDArray:
        """θ without what all classes have in common (their gauge): the loss does not see it."""
        if self._objective.logistic:
            return theta.ravel()
        table = theta.reshape(self.shape[::-1])
        return (table - table.mean(axis=1, keepdims=True)).ravel()

    def of_model(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of weights (K, D) and intercepts (K,)."""
        theta = np.zeros(self.shape).ravel()
        W, b = self.split(theta)
        W[:] = coef if self._data.fold is None else self._data.fold.fold(coef)
        if self._factors is not None:
            W /= self._factors
        if b is not None:
            b[:] = intercept if self._shift is None else intercept + at(self._shift, coef)
        return theta

    def user(self, theta: NDArray, dtype: np.dtype | None = None) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ, for X as it is computed with: views."""
        return self.split(theta)

    def penalised(self, theta: NDArray) -> NDArray[np.float64]:
        W = self._of_features(theta).astype(np.float64)
        W = W if self._factors is None else W * self._factors[:, None]
        return np.delete(W, self._objective.free, axis=0)

    def penalised_gradient(self, gradient: NDArray) -> NDArray[np.float64]:
        G = self._of_features(gradient).astype(np.float64)
        G = G if self._factors is None else G / self._factors[:, None]
        return np.delete(G, self._objective.free, axis=0)

    def sizes(self) -> NDArray[np.float64]:
        if self._sizes is None:
            (n, d), weights = self._data.shape, self._objective.given[1]
            total = np.zeros(d)
            for rows, piece in self._data.pieces():
                X = piece.X.astype(np.float64)
                total += X.multiply(X).T @ (np.ones(X.shape[0]) if weights is None else weights[rows])
            sizes = np.sqrt(total / n) / (1.0 if self._factors is None else self._factors)
            self._sizes = np.delete(sizes, self._objective.free)[:, None]
        return self._sizes

    _sizes: NDArray[np.float64] | None = None

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ in all features: fresh arrays."""
        W, b = self.split(theta)
        fold = self._data.fold
        W = W.copy(order="K") if fold is None else fold.unfold(W, self._data.n_threads)
        if self._factors is not None:
            W *= self._factors
        if b is None:
            return W, None
        return W, b.copy() if self._shift is None else b - at(self._shift, W)

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        if self._factors is not None:
            w, step = (self._of_features(v) * self._factors[:, None] for v in (theta, direction))
            of_all = np.array([np.sum(w * w), np.sum(w * step), np.sum(step * step)])
        else:
            of_all = products(theta, direction, self._n_weights, self._data.n_threads)
        return of_all - self._free_products(theta, direction)

    def _of_features(self, theta: NDArray) -> NDArray:
        """The weights in θ, (D, K): a view."""
        return theta[: self._n_weights].reshape(-1, self.shape[0])

    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        gradient = np.empty(theta.size, self.dtype)
        W, b = self.split(theta)
        if stored is not None and step is not None:
            stored.move(*step)
        by_W, by_b = self.split(gradient)
        ridge = rows.ridge if self._factors is None else 0.0
        value, by_intercepts = rows.data.penalised(
            W, b, rows.targets, rows.weights, 1 / self._data.shape[0], ridge, by_W, stored
        )
        if by_b is not None:
            by_b[:] = by_intercepts
        if self._factors is not None:
            weights = self._of_features(theta) * self._factors[:, None]
            self._of_features(gradient)[:] += rows.ridge * weights * self._factors[:, None]
            penalty = 0.5 * rows.ridge * float(np.sum(weights**2)) if rows.ridge else 0.0
            return value + penalty - self._release(theta, gradient, rows.ridge), gradient
        weights = theta[: self._n_weights]
        value += 0.5 * ridge * dot(weights, weights, self._data.n_threads)
        return value - self._release(theta, gradient, rows.ridge), gradient

    def norms(self, gradient: NDArray) -> tuple[float, float]:
        """max |∇F| with respect to (W, b), and ‖∇_W F‖²; a rotation changes only the former."""
        n_threads, fold = self._data.n_threads, self._data.fold
        if self._shift is not None or self._factors is not None:
            return self._norms_of_changed(gradient)
        by_W = gradient[: self._n_weights]
        square = dot(by_W, by_W, n_threads)
        if fold is None:
            return largest(gradient, n_threads), square
        at = fold.shared * self.shape[0]
        own = np.abs(by_W[at:].reshape(-1, self.shape[0])).max(axis=1, initial=0) * fold.peaks
        parts = (
            largest(by_W[:at], n_threads),
            own.max(initial=0),
            largest(gradient[self._n_weights :]),
        )
        return float(np.max(parts)), square

    def _norms_of_changed(self, gradient: NDArray) -> tuple[float, float]:
        by_W = self._of_features(gradient).astype(np.float64)
        by_b = gradient[self._n_weights :]
        with np.errstate(over="ignore"):
            if self._factors is not None:
                by_W /= self._factors[:, None]
            # where intercepts are optimal, what is left of their gradient is rounding
            square = float(np.sum(by_W**2))
            if self._shift is not None:
                by_W += np.multiply.outer(self._shift, by_b)
            return float(max(np.abs(by_W).max(), np.abs(by_b).max(initial=0.0))), square


PARAMETERS = {
    DenseData: Standardised,
    DenseBlocks: Standardised,
    SparseData: FeatureMajor,
    SparseBlocks: FeatureMajor,
}
