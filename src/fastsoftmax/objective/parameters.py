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
from fastsoftmax.objective.resting import Rows

if TYPE_CHECKING:
    from fastsoftmax.objective.objective import Objective

OFFSET = 256.0  # of a mean, in deviations, beyond which float32 leaves a feature too few digits
PROJECTED = 1 << 15  # rows at a time
# onto random directions, where the features are more, to tell a row's length by (Johnson &
# Lindenstrauss 1984)
PROJECTIONS = 16


class Parameters(ABC):
    """What both kinds share: a table of θ, and one pass that gives value, gradient and products."""

    _objective: "Objective"
    spread: NDArray | None = None  # of each feature, its variance, where that is known
    narrows = False  # whether float32 shows what the features say

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

    def hessian_times(self, direction: NDArray, curved: StoredLogits) -> NDArray:
        """The Hessian of loss and ridge times a direction, whose logits are `curved`."""
        o = self._objective
        return self.value_and_grad(direction, curved, Rows(o.data, None, None, o.penalty))[1]

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

    def __init__(self, objective: "Objective") -> None:
        self._objective, self._data = objective, objective.data
        data, penalty, fit_intercept = objective.data, objective.penalty, objective.fit_intercept
        d = data.shape[1]
        self.shape = objective.n_logits, d + fit_intercept
        self.dtype = data.dtype
        #: not finite where X is not, or where the sum of its values overflows
        self.means, variances = data.moments(objective.weights)
        share = objective.typical_share
        curvature = share * (1 - share)
        with np.errstate(over="ignore", invalid="ignore"):
            self.spread = variances if fit_intercept else variances + self.means**2
            finite = bool(np.isfinite(self.spread).all() and np.isfinite(self.means).all())
        if not finite:
            variances = self.spread = np.ones(d)
        self.finite = finite
        centres, self.bulk = self.means, self.spread
        if finite:
            centres, self.bulk = bulk(data, self.means, self.spread, bool(fit_intercept))
            if fit_intercept:
                self.spread = variances + (self.means - centres) ** 2
        rounding = 8 * float(np.finfo(data.dtype).eps) * np.abs(self.means)
        #: constant features, which the intercept stands for: what is left of them is rounding
        self.constant = fit_intercept & (np.sqrt(variances) <= rounding) & finite
        self.shift = centres if fit_intercept and finite else np.zeros(d)
        scales = np.sqrt(curvature * self.bulk + penalty)
        self.scales = np.where((scales > 0) & ~self.constant, scales, 1.0)
        self.intercept_scale = np.sqrt(curvature)
        self.narrows = finite and self._narrows(len(objective.targets))
        #: what was found out of X in these coordinates, for all objectives that share them
        self.found: dict[Any, Any] = {}
        self._take_over(objective)
        self._change = Standardisation(
            self.shape, self.scales, self.shift, self.intercept_scale, self.constant, data.n_threads
        )

    def _narrows(self, n: int) -> bool:
        """Whether all of X is finite in float32, and its features keep enough digits."""
        deviations, means = np.sqrt(self.bulk), np.abs(self.means)
        held = means + np.sqrt(n * self.spread) < float(np.finfo(np.float32).max)
        return bool((held & ((means <= OFFSET * deviations) | self.constant)).all())

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
        names = "spread", "bulk", "constant", "shift", "scales"
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
            h = np.sqrt(self.intercept_scale**2 * self.bulk + o.penalty)
            onto = np.eye(len(h))
            if len(h) > PROJECTIONS:
                onto = 2.0 * np.random.default_rng(0).integers(2, size=(PROJECTIONS, len(h))) - 1
            W = np.divide(onto, h, out=np.zeros_like(onto), where=(h > 0) & ~self.constant)
            o.n_passes += 0.5 * len(W) / o.n_logits
            squares = np.concatenate(
                [squared_lengths(piece, W, -self._at_means(W)) for _, piece in o.data.pieces()]
            )
            self.found[key] = np.sqrt(squares / max(squares.mean(), np.finfo(float).tiny))
        return self.found[key]

    def narrowed(self, most: int) -> DenseData:
        """X in float32, for all objectives that share these coordinates, or as it is."""
        if "narrowed" not in self.found:
            self.found["narrowed"] = self._data.narrowed(most)
        return self.found["narrowed"]

    def _at_means(self, W: NDArray) -> NDArray:
        """W μ, without BLAS: its threads would go on spinning where the kernels' should run."""
        return np.einsum("kd,d->k", W, self.shift)

    def of_model(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of weights (K, D) and intercepts (K,)."""
        theta = np.zeros(self.shape).ravel()
        V, c = self.split(theta)
        V[:] = coef * self.scales
        V[:, self.constant] = 0
        if c is not None:
            c[:] = (intercept + self._at_means(coef)) * self.intercept_scale
        return theta

    def user(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ, in the precision in which the objective computes."""
        return self._change.model(theta, self._objective.data.dtype)

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        return self._change.products(theta, direction)

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
        return loss + penalty, gradient

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ: fresh arrays."""
        return self._change.model(theta, np.dtype(np.float64))

    def norms(self, gradient: NDArray) -> tuple[float, float]:
        """max |∇F| with respect to (W, b), and ‖∇_W F‖², from that with respect to θ."""
        return self._change.norms(gradient)


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
    """For each feature its weights for all classes, after them the intercepts: nothing is changed.

    A sparse X is not centred without work for its zeros, and what that gains a preconditioner gives
    too. All that goes over D·K numbers is a kernel, since X may have fewer non-zeros than that.
    """

    by_feature = True
    passes = 0.0
    finite = True  # seen to when the values were checked

    def __init__(self, objective: "Objective") -> None:
        self._objective, self._data = objective, objective.data
        self.shape = objective.n_logits, objective.data.shape[1] + objective.fit_intercept
        self._n_weights = objective.n_logits * objective.data.shape[1]
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
        return (features < self._data.shape[1]).astype(float)

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
        if b is not None:
            b[:] = intercept
        return theta

    def user(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ: views."""
        return self.split(theta)

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ in all features: fresh arrays."""
        W, b = self.split(theta)
        fold = self._data.fold
        W = W.copy(order="K") if fold is None else fold.unfold(W, self._data.n_threads)
        return W, None if b is None else b.copy()

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        return products(theta, direction, self._n_weights, self._data.n_threads)

    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        gradient = np.empty(theta.size, self.dtype)
        W, b = self.split(theta)
        if stored is not None and step is not None:
            stored.move(*step)
        by_W, by_b = self.split(gradient)
        value, by_intercepts = rows.data.penalised(
            W, b, rows.targets, rows.weights, 1 / self._data.shape[0], rows.ridge, by_W, stored
        )
        if by_b is not None:
            by_b[:] = by_intercepts
        weights = theta[: self._n_weights]
        return value + 0.5 * rows.ridge * dot(weights, weights, self._data.n_threads), gradient

    def norms(self, gradient: NDArray) -> tuple[float, float]:
        """max |∇F| with respect to (W, b), and ‖∇_W F‖²; a rotation changes only the former."""
        n_threads, fold = self._data.n_threads, self._data.fold
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


PARAMETERS = {
    DenseData: Standardised,
    DenseBlocks: Standardised,
    SparseData: FeatureMajor,
    SparseBlocks: FeatureMajor,
}
