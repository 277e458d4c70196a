"""The objective of softmax regression with an elastic net penalty."""

import math
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import ByRow, Data, RowSpace, StoredLogits, as_dtype
from fastsoftmax._engine.objective import easy_dual
from fastsoftmax._engine.objective.coordinates.base import Parameters
from fastsoftmax._engine.objective.coordinates.feature_major import FeatureMajor
from fastsoftmax._engine.objective.coordinates.features import change_of, suited
from fastsoftmax._engine.objective.coordinates.standardised import Standardised
from fastsoftmax._engine.objective.l1 import L1
from fastsoftmax._engine.objective.models import Models
from fastsoftmax._engine.objective.observations import Observations
from fastsoftmax._engine.objective.passes import Passes
from fastsoftmax._engine.objective.penalised_weights import PenalisedWeights
from fastsoftmax._engine.objective.penalty import Penalty
from fastsoftmax._engine.objective.rows import Part, Rows
from fastsoftmax._engine.objective.terms import Terms
from fastsoftmax._engine.objective.warm_start import WarmStart, key_of, usable
from fastsoftmax._runtime.memory_budget import MemoryBudget


class Objective:
    """F(W, b) = Σ sᵢ·CEᵢ / Σ sᵢ + ((1 - r)/2·‖W‖² + r·‖W‖₁) / (C·Σ sᵢ), b free.

    CEᵢ is the cross-entropy of one softmax, or the sum of those of a logistic function for each
    logit: the classes are then problems of their own, solved together. A solver sees one vector θ
    of float64, which `parameters` gives its meaning. The loss and the ridge, ½·`penalty`·‖W‖², are
    smooth; `l1` is the rest, or None.

    Parameters
    ----------
    observations : Observations
    penalty : Penalty
    fit_intercept : bool
    row_space : RowSpace, optional
        That of the data in the units of the penalty, for an L2 penalty: the coordinates of the
        problem that a solver sees.
    memory : MemoryBudget, optional
    warm_start : WarmStart or None
        What an objective of the same data left.
    like : Objective, optional
        One of the same data in the same units, whose coordinates are to be those of this one too:
        the weights differ so little that it makes no difference to conditioning.
    """

    def __init__(
        self,
        observations: Observations,
        penalty: Penalty,
        *,
        fit_intercept: bool,
        row_space: RowSpace | None = None,
        memory: MemoryBudget | None = None,
        warm_start: WarmStart | None = None,
        like: "Objective | None" = None,
    ) -> None:
        total_weight, units = observations.total_weight, penalty.of.units
        self.memory = memory or MemoryBudget.of(None, observations.data.nbytes)
        self.loss, self.n_logits = observations.loss, observations.n_logits
        self.terms = Terms.of(self.loss, fit_intercept, penalty, total_weight)
        self.fit_intercept, self.penalty = fit_intercept, self.terms.penalty
        #: features whose weights are not penalised, in order
        self.free = self.terms.free
        data, targets, _, weights, offset = observations.of_mean_weight_1(total_weight)
        #: targets, weights of mean 1 and offset, in the precision in which they came
        self.given = targets, weights, offset
        #: whether the features were computed, as those of a basis of what the given ones span
        self.in_a_basis = row_space is not None
        self.has_easy_dual, told = False, None
        if like is not None:
            data = like.exact_data
        elif row_space is not None:
            data, told = self._prepared(row_space.rows, weights, None)
        else:
            data, told = self._prepared(data, weights, units)
        #: in no lower precision than X came
        self.exact_data = data
        self.compute_with(data)
        self.warm_start = usable(warm_start, key_of(data, self.loss, fit_intercept))
        self.parameters = self._coordinates(told, weights, like)
        self.shape = self.parameters.shape
        self.size = int(np.prod(self.shape))
        self.l1 = None
        if self.terms.l1:
            self.l1 = L1(self.terms, self.parameters, penalty.of, data.n_threads)
        self.models = Models(self.parameters, self.loss, units, row_space, offset, weights)
        n, d = data.shape
        self.passes = Passes(max(1, 2 * n * d * self.n_logits), self.parameters.passes)

    def _prepared(
        self, data: Data, weights: NDArray | ByRow | None, units: NDArray | None
    ) -> tuple[Data, Any]:
        """The data in the precision and the features to compute with, and what they told."""
        if self.terms.l1:  # whose certificate needs gradients to a part of λ, which float32 hides
            data = data.to_float64()
        prepare = change_of if data.is_sparse else suited
        data, told = prepare(data, weights, units, self.fit_intercept, self.penalty)
        # a rotation of features leaves an L2 penalty as it is, if it is that of all of them
        plain = not self.terms.l1 and told is None and not len(self.free)
        hold = easy_dual.hold_of_rows(data, self.terms) if plain else math.inf
        self.has_easy_dual = hold <= easy_dual.HOLD
        if plain and hold > easy_dual.EASY:
            data = data.with_merged_features()
        return data, told

    def _coordinates(
        self, told: Any, weights: NDArray | ByRow | None, like: "Objective | None"
    ) -> Parameters:
        """What θ means: what it meant to another objective or fit, where that is to be so."""
        if like is not None:
            return like.parameters.of(self.terms)
        kind = FeatureMajor if self.data.is_sparse else Standardised
        parameters = kind(self.data, self.terms, told, weights, self.warm_start)
        if not parameters.reused:
            self.warm_start = None
        return parameters

    def compute_with(self, data: Data) -> None:
        """Compute with this data, and in its precision (`precision.py`)."""
        self.data = data
        targets, weights, offset = self.given
        is_table = targets.dtype.kind == "f"
        self.targets = as_dtype(targets, data.dtype) if is_table else targets
        self.weights = None if weights is None else as_dtype(weights, data.dtype)
        self.offset = None
        if offset is not None and not data.is_distributed:
            self.offset = self.loss.logits_of(data)
            self.offset.put(offset)

    def of_rows(
        self, data: Data, targets: NDArray, weights: NDArray | None, offset: NDArray | None
    ) -> "Objective":
        """What these rows add to the loss, as a mean over all rows; for them alone."""
        other = copy(self)
        vars(other).pop("data_float64", None)
        other.data = other.exact_data = data
        other.given = targets, weights, offset
        other.passes = Passes(self.passes.work, 0.0)
        return other

    @cached_property
    def data_float64(self) -> Data:
        """The same data, computed in float64."""
        return self.exact_data.to_float64()

    @property
    def rounding(self) -> float:
        """Differences of F that are smaller, relatively, say nothing."""
        return max(float(np.finfo(self.data.dtype).eps), 1e-14)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """The probability of each class, or of each logit's being on, of the intercept-only
        model."""
        if self.data.is_distributed:
            return self.data.shares(self.loss, self.weights)
        return self.loss.shares(self.targets, self.weights)

    @property
    def rows(self) -> Rows:
        """All of them."""
        return Rows(self.data, self.targets, self.weights, self.penalty)

    def value_and_grad(
        self, theta: NDArray, part: Part | None = None, t: float | None = None
    ) -> tuple[float, NDArray]:
        """F and its gradient at θ, in one pass over X, or in half of one from its stored logits,
        moved first by t times their change.

        Those of a part of the rows are as if the others' losses were 0.
        """
        if self.offset is not None and part is None:
            part = Part(self.loss, self.rows)
            self.store_logits(theta, part.logits)
        if part is None:
            self.passes.count += 1
            return self.parameters.value_and_grad(theta, None, self.rows)
        self.passes.count += 0.5 * part.logits.n / self.data.shape[0]
        step = None if t is None else (part.change, t)
        return self.parameters.value_and_grad(theta, part.logits, part.rows, step)

    def user(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ for products with X, in the precision of these."""
        return self.parameters.user(theta, self.data.dtype)

    def lengths(self) -> NDArray[np.float64] | None:
        """About the length of each row, where features have unit variance and the mean square of
        all lengths is 1; None if that is not known."""
        lengths, passes = self.parameters.lengths(self.data)
        self.passes.count += passes
        return lengths

    def store_logits(self, theta: NDArray, out: StoredLogits) -> None:
        """The logits at θ, offset and all, in half a pass, or in none where all weights are 0."""
        W, b = self.user(theta)
        if W[:1, :1].any() or W.any():  # the former is nearly always enough
            self.passes.count += 0.5
            self.data.store_logits(W, b, out)
        else:
            out.fill(np.zeros(len(W)) if b is None else b)
        if self.offset is not None:
            out.move(self.offset, 1.0)

    def penalised_weights(
        self, theta: NDArray, gradient: NDArray, step: NDArray
    ) -> PenalisedWeights:
        """The weights of θ that are penalised, the gradient of a loss by them, and their step."""
        if self.l1:
            return self.l1.weights(theta, gradient, step)
        p = self.parameters
        of_weights = p.penalised(theta), p.penalised_gradient(gradient), p.penalised(step)
        sizes = p.sizes, p.squared_sizes
        return PenalisedWeights(*of_weights, *sizes, p.variations, self.penalty, None)

    def grad_norm(self, gradient: NDArray) -> float:
        """max |∇F| with respect to (W, b), from the gradient with respect to θ; of W as it is in
        the row space, if there is one."""
        return self.parameters.norms(gradient)[0]

    def intercept_grad_norm(self, gradient: NDArray) -> float:
        """max |∂F/∂b|, from the gradient with respect to θ."""
        by_b = self.parameters.split(gradient)[1]
        return 0.0 if by_b is None else float(np.abs(by_b).max() * self.parameters.intercept_scale)
