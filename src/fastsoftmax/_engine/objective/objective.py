"""The objective of softmax regression with an elastic net penalty."""

import math
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import ByRow, Data, RowSpace, StoredLogits, as_dtype
from fastsoftmax._engine.objective import easy_dual
from fastsoftmax._engine.objective.coordinates.feature_major import FeatureMajor
from fastsoftmax._engine.objective.coordinates.features import change_of, suited
from fastsoftmax._engine.objective.coordinates.standardised import Standardised
from fastsoftmax._engine.objective.l1 import L1
from fastsoftmax._engine.objective.loss import loss_of
from fastsoftmax._engine.objective.models import Models
from fastsoftmax._engine.objective.passes import Passes
from fastsoftmax._engine.objective.penalised_weights import PenalisedWeights
from fastsoftmax._engine.objective.rows import Part, Rows
from fastsoftmax._engine.objective.terms import Terms
from fastsoftmax._engine.objective.warm_start import WarmStart, key_of
from fastsoftmax._runtime.memory_budget import MemoryBudget


class Objective:
    """F(W, b) = Σ sᵢ·CEᵢ / Σ sᵢ + ((1 - r)/2·‖W‖² + r·‖W‖₁) / (C·Σ sᵢ), b free.

    CEᵢ is the cross-entropy of one softmax, or the sum of those of a logistic function for each
    logit: the classes are then problems of their own, solved together. A solver sees one vector θ
    of float64, which `parameters` gives its meaning. The loss and the ridge, ½·`penalty`·‖W‖², are
    smooth; `l1` is the rest, or None.

    Parameters
    ----------
    data : Data
    targets : ndarray of shape (n,), int32, or (n, K) in the dtype of X or uint8
        Classes 0..K-1, or their probabilities, or which of the logits should be on, 1, or off, 0,
        or are not known, 2, each with a logistic function of its own.
    n_logits : int
        K, or 1 for two classes: the log-odds of code 1.
    weights : ndarray of shape (n,) or None
    C : float
        Inverse strength of the penalty; infinity for none.
    fit_intercept : bool
    l1_ratio : float
        r.
    memory : MemoryBudget, optional
    warm_start : WarmStart or None
        What an objective of the same data left.
    units : ndarray of shape (d,), optional
        That of each feature in which `data` has it and its weights are penalised.
    l1_factors : ndarray of shape (d,), optional
        Of the features in ‖W‖₁, in those units; 0 for those that are free.
    groups : ndarray of shape (d,), optional
        The number of each feature's group: ‖W‖₁ is then Σ‖W_g‖, a group having the weights of its
        features for all classes.
    free : ndarray of shape (d,), bool, optional
        Features whose weights are not penalised.
    offset : ndarray of shape (n, n_logits), optional
        Added to the logits.
    row_space : RowSpace, optional
        That of `data` in its units, for an L2 penalty: the coordinates of the problem that a solver
        sees.
    like : Objective, optional
        One of the same data in the same units, whose coordinates are to be those of this one too:
        the weights differ so little that it makes no difference to conditioning.
    """

    def __init__(
        self,
        data: Data,
        targets: NDArray | ByRow,
        n_logits: int,
        *,
        weights: NDArray | ByRow | None,
        C: float,
        fit_intercept: bool,
        l1_ratio: float = 0.0,
        memory: MemoryBudget | None = None,
        warm_start: WarmStart | None = None,
        units: NDArray | None = None,
        l1_factors: NDArray | None = None,
        groups: NDArray[np.intp] | None = None,
        free: NDArray[np.bool_] | None = None,
        offset: NDArray | ByRow | None = None,
        row_space: RowSpace | None = None,
        like: "Objective | None" = None,
    ) -> None:
        n = data.shape[0]
        total_weight = float(n if weights is None else weights.sum())
        l1 = l1_ratio / (C * total_weight)
        self.memory = memory or MemoryBudget.of(None, data.nbytes)
        self.n_logits = n_logits
        self.loss = loss_of(targets, n_logits)
        self.fit_intercept = fit_intercept
        #: features whose weights are not penalised, in order
        self.free = np.flatnonzero(free) if free is not None else np.empty(0, np.intp)
        self.penalty = (1 - l1_ratio) / (C * total_weight)
        # of mean 1, so that weights of any scale are numbers of the precision of X
        weights = None if weights is None else weights / (total_weight / n)
        #: targets, weights of mean 1 and offset, in the precision in which they came
        self.given = targets, weights, offset
        self.terms = terms = Terms(self.loss, fit_intercept, self.penalty, l1, self.free)
        own_units = units
        #: whether the features were computed, as those of a basis of what the given ones span
        self.in_a_basis = row_space is not None
        if row_space is not None:
            data, own_units = row_space.rows, None
        self.has_easy_dual = False
        kind = FeatureMajor if data.is_sparse else Standardised
        if like is not None:
            data, told = like.exact_data, None
        else:
            data, told = self._prepared(data, weights, own_units)
        #: in no lower precision than X came
        self.exact_data = data
        self.compute_with(data)
        key = key_of(data, self.loss, fit_intercept)
        self.warm_start = warm_start if warm_start is not None and warm_start.key == key else None
        if like is not None:
            self.parameters = like.parameters.of(terms)
        else:
            self.parameters = kind(data, terms, told, weights, self.warm_start)
            if not self.parameters.reused:
                self.warm_start = None
        self.l1 = None
        if l1:
            self.l1 = L1(terms, self.parameters, l1_factors, groups, data.n_threads)
        self.shape = self.parameters.shape
        self.size = int(np.prod(self.shape))
        self.models = Models(self.parameters, self.loss, units, row_space, offset, weights)
        n, d = data.shape
        self.passes = Passes(max(1, 2 * n * d * n_logits), self.parameters.passes)

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
