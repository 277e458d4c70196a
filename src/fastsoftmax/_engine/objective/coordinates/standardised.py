"""Coordinates of dense X: features that are centred and scaled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    Batch,
    Data,
    DenseBlocks,
    DenseData,
    Point,
    Standardisation,
    Step,
    StoredLogits,
    digest,
)
from fastsoftmax._engine.objective.coordinates.base import Parameters, at, in_float64, with_constant
from fastsoftmax._engine.objective.coordinates.features import FeatureRules, Moments
from fastsoftmax._engine.objective.coordinates.layout import ByClass
from fastsoftmax._engine.objective.coordinates.scaling import scaling_of
from fastsoftmax._engine.objective.rows import Rows
from fastsoftmax._engine.objective.terms import Terms
from fastsoftmax._engine.objective.warm_start import WarmStart

PROJECTED = 1 << 15  # rows at a time: 2 MiB of float32 in as many directions
# onto random directions, where the features are more, to tell a row's length by (Johnson &
# Lindenstrauss 1984)
PROJECTIONS = 16


class Standardised(Parameters):
    """For each class its weights, then its intercept, of features that are centred and scaled.

    With logits W(x - μ) + c, μ the weighted means and b = c - Wμ, the Hessian does not couple
    intercepts and weights through the means; with W = V / h, h² = p̄·var + λ, its diagonal is about
    1 where the classes are about equally probable (p̄ = (1 - 1/K) / K). Neither changes F nor its
    optimum, and X is left alone. Takes two passes, for means and variances.
    """

    passes = 2.0  # that the change of variables took

    def __init__(
        self,
        data: DenseData | DenseBlocks,
        terms: Terms,
        told: tuple[Moments, NDArray | None],
        weights: NDArray | None,
        warm_start: WarmStart | None,
    ) -> None:
        self.moments, origin = told
        self.column_sizes = self.moments.spread(False)
        self._n, self._terms = data.shape[0], terms
        self.shape = shape = terms.loss.n_logits, data.shape[1] + terms.fit_intercept
        self.layout = ByClass(*shape)
        self.dtype = data.dtype
        share = terms.loss.typical_share
        self.intercept_scale = np.sqrt(share * (1 - share))
        #: not where X is not finite, or where its numbers are farther apart than numbers can be
        self.finite = self.moments.finite
        self.scaling = scaling_of(data, self.moments, terms)
        #: whether they are those of a fit before this one, in which its Grams are; not where
        #: another feature is constant, which is left out: that is more than conditioning
        self.reused = (
            self.finite
            and warm_start is not None
            and np.array_equal(self.scaling.constant, warm_start.scaling.constant)
        )
        if self.reused:
            self.scaling = warm_start.scaling
        self.spread, _, self.bulk, self.constant, self.shift, self.scales = self.scaling
        #: where the features as they are given have their means
        self.centre = self.shift if origin is None else self.shift + origin
        self._change, self._change_of_given = (
            Standardisation(
                shape, self.scales, shift, self.intercept_scale, self.constant, data.n_threads
            )
            for shift in (self.shift, self.centre)
        )
        rules = FeatureRules()
        held = (np.abs(self.moments.means) <= rules.offset * self.bulk) | self.constant
        self.fits_float32 = bool(
            self.finite
            and self.moments.held_by_float32(data, terms.fit_intercept, rules)
            and held.all()
        )
        #: equal where these are the same coordinates of the same X
        self.key = digest(*self.scaling, np.array([self.intercept_scale, terms.fit_intercept]))
        #: what was found out of X in these coordinates, for all objectives that share them
        self.found = Found()

    def units(self, features: NDArray) -> NDArray:
        """What a weight of the model is, in terms of its place in θ; 0 for intercepts."""
        each = np.append(1 / self.scales, np.zeros(int(self._terms.fit_intercept)))
        return each[features]

    def project(self, theta: NDArray) -> NDArray:
        """θ with the class mean projected out, to which the loss is invariant."""
        return self._change.project(theta) if self._terms.loss.shift_invariant else theta.ravel()

    def lengths(self, data: Data) -> tuple[NDArray[np.float64] | None, float]:
        terms, passes = self._terms, 0.0
        if data.is_distributed:
            return None, passes
        key = "lengths", terms.penalty
        if key not in self.found:
            h = np.hypot(self.intercept_scale * self.bulk, np.sqrt(terms.penalty))
            if len(h) > PROJECTIONS:
                onto = 2.0 * np.random.default_rng(0).integers(2, size=(PROJECTIONS, len(h))) - 1
            else:
                onto = np.eye(len(h))
            W = np.divide(onto, h, out=np.zeros_like(onto), where=(h > 0) & ~self.constant)
            passes = 0.5 * len(W) / terms.loss.n_logits

            def make() -> NDArray[np.float64]:
                squares = np.concatenate(
                    [squared_lengths(piece, W, -at(self.shift, W)) for _, piece in data.pieces()]
                )
                return np.sqrt(squares / max(squares.mean(), np.finfo(float).tiny))

            self.found[key] = data.once((*key, self.key), make)
        return self.found[key], passes

    def of_model(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of weights (K, D) and intercepts (K,)."""
        theta = np.zeros(self.shape).ravel()
        V, c = self.split(theta)
        V[:] = coef * self.scales
        V[:, self.constant] = 0
        if c is not None:
            c[:] = (intercept + at(self.centre, coef)) * self.intercept_scale
        return theta

    def user(self, theta: NDArray, dtype: np.dtype) -> tuple[NDArray, NDArray | None]:
        return self._change.model(theta, dtype)

    def penalised(self, theta: NDArray) -> NDArray[np.float64]:
        W = self.split(theta)[0] / self.scales
        return self._penalised(W, 1)

    def penalised_gradient(self, gradient: NDArray) -> NDArray[np.float64]:
        G = self.split(gradient)[0] * self.scales
        return self._penalised(G, 1)

    def features(self, data: Data, chosen: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        at = slice(None) if chosen is None else chosen
        U = in_float64(data, chosen)
        U -= self.shift[at]
        U *= (~self.constant / self.scales)[at]
        there_is_one = chosen is None and self._terms.fit_intercept
        return with_constant(U, there_is_one, 1 / self.intercept_scale)

    def sizes(self) -> NDArray[np.float64]:
        # a constant feature's gradient is that of the intercept, which is made 0
        return self._penalised(np.where(self.constant, 0.0, self.column_sizes), 0)

    def variations(self) -> NDArray[np.float64]:
        variations = self._penalised(self.bulk, 0)
        return np.where(variations > 0, variations, self.sizes())

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        if len(self._terms.free):
            return self._products(theta, direction)
        return self._change.products(theta, direction)

    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None, rows: Rows, step: Step | None = None
    ) -> tuple[float, NDArray]:
        W, b = self.user(theta, rows.data.dtype) if stored is None else (None, None)
        batch = Batch(rows.targets, rows.weights, 1 / self._n)
        loss, grads = rows.data.value_and_grad(Point(W, b, stored, step), batch)
        of_all = 0.0 if len(self._terms.free) else rows.ridge
        penalty, gradient = self._change.gradient(theta, grads.W, grads.b, of_all)
        if not of_all:  # where squares may overflow
            penalty = self._add_ridge(theta, gradient, rows.ridge) if rows.ridge else 0.0
        return loss + penalty, gradient

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


class Found(dict[Any, Any]):
    """Results by name, of which none go to workers."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Found, ()


def squared_lengths(data: DenseData, W: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Squared lengths of the rows of X Wᵀ + b, some thousand rows at a time."""
    out = np.empty(data.shape[0])
    for start in range(0, len(out), PROJECTED):
        rows = slice(start, start + PROJECTED)
        some = data.rows(rows)
        z = StoredLogits(some.shape[0], len(W), data.dtype, data.n_threads)
        some.store_logits(W, b, z)
        out[rows] = z.squares()
    return out
