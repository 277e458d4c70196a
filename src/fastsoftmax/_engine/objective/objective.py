"""The objective of softmax regression with an elastic net penalty."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import (
    Data,
    DenseBlocks,
    DenseData,
    RowSpace,
    SparseBlocks,
    SparseData,
    StoredLogits,
)
from fastsoftmax._engine.linalg import empty
from fastsoftmax._engine.objective.coordinates.base import at
from fastsoftmax._engine.objective.coordinates.feature_major import FeatureMajor
from fastsoftmax._engine.objective.coordinates.standardised import Standardised
from fastsoftmax._engine.objective.l1 import L1
from fastsoftmax._engine.objective.loss import loss_of
from fastsoftmax._engine.objective.penalised_weights import PenalisedWeights
from fastsoftmax._engine.objective.rows import Rows
from fastsoftmax._engine.objective.terms import Terms
from fastsoftmax._engine.objective.warm_start import WarmStart

STORED_LOGITS_SHARE = 0.4  # of the memory budget for both
HISTORY = 0.15  # of the memory budget for a solver's vectors

PARAMETERS = {
    DenseData: Standardised,
    DenseBlocks: Standardised,
    SparseData: FeatureMajor,
    SparseBlocks: FeatureMajor,
}


class Part:
    """Rows, and memory for their logits and the change of these along a line.

    The memory of the logits in the precision of X holds both in float32, and is handed on: new
    memory costs more than what is written to it.
    """

    def __init__(self, objective: "Objective", rows: Rows, before: "Part | None" = None) -> None:
        self.rows = rows
        size = objective.logits_bytes(rows.data.shape[0])
        self.memory = empty(size, np.uint8) if before is None else before.memory
        self.logits = objective.loss.logits_of(rows.data, self.memory)
        self.change = objective.loss.logits_of(rows.data, self.memory[self.logits.tiles.nbytes :])


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
    max_memory : int or None
        Bytes for what a solver keeps beyond X and the model. None: 512 MiB or a quarter of X,
        whichever is more.
    warm_start : WarmStart or None
        What an objective of the same data left.
    units : ndarray of shape (d,), optional
        That of each feature in which `data` has it and its weights are penalised.
    l1_factors : ndarray of shape (d,), optional
        Of the features in ‖W‖₁, in those units; 0 for those that are free.
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
        targets: NDArray,
        n_logits: int,
        *,
        weights: NDArray | None,
        C: float,
        fit_intercept: bool,
        l1_ratio: float = 0.0,
        max_memory: int | None = None,
        warm_start: WarmStart | None = None,
        units: NDArray | None = None,
        l1_factors: NDArray | None = None,
        free: NDArray[np.bool_] | None = None,
        offset: NDArray | None = None,
        row_space: RowSpace | None = None,
        like: "Objective | None" = None,
    ) -> None:
        n = data.shape[0]
        total_weight = n if weights is None else weights.sum()
        l1 = l1_ratio / (C * total_weight)
        self._units = units
        self.max_memory = max(512 << 20, data.nbytes // 4) if max_memory is None else max_memory
        self._row_space = row_space
        self.n_logits = n_logits
        self.loss = loss_of(targets, n_logits)
        self.fit_intercept = fit_intercept
        #: features whose weights are not penalised, in order
        self.free = np.flatnonzero(free) if free is not None else np.empty(0, np.intp)
        self.total_weight = total_weight
        self.penalty = (1 - l1_ratio) / (C * total_weight)
        # of mean 1, so that weights of any scale are numbers of the precision of X
        weights = None if weights is None else weights / (total_weight / n)
        #: targets, weights of mean 1 and offset, in the precision in which they came
        self.given = targets, weights, offset
        terms = Terms(self.loss, fit_intercept, self.penalty, l1, self.free)
        if row_space is not None:
            data, units = row_space.rows, None
        kind = PARAMETERS[type(data)]
        if like is not None:
            data, told = like._exact, None
        else:
            if l1:  # whose certificate needs gradients to a part of λ that float32 does not show
                data = data.to_float64()
            data, told = kind.suited(data, weights, units, fit_intercept, self.penalty)
            # a rotation of features leaves an L2 penalty as it is, if it is that of all of them
            data = data if l1 or told is not None or len(self.free) else data.with_merged_features()
        self._exact = self.data = data
        self._copied = 0  # bytes
        self._take(data)
        self.warm_start = (
            warm_start if warm_start is not None and warm_start.key == self.key else None
        )
        if like is not None:
            self.parameters = like.parameters.of(terms)
        else:
            self.parameters = kind(data, terms, told, weights, self.warm_start)
            if not self.parameters.reused:
                self.warm_start = None
        self.l1 = L1(terms, self.parameters, l1_factors, data.n_threads) if l1 else None
        self.n_passes = self.parameters.passes  # over X, so far

    def _take(self, data: Data) -> None:
        """Compute with this data, and in its precision."""
        self.data = data
        targets, weights, offset = self.given
        is_table = targets.dtype.kind == "f"
        self.targets = np.ascontiguousarray(targets, dtype=data.dtype) if is_table else targets
        self.weights = None if weights is None else np.ascontiguousarray(weights, dtype=data.dtype)
        self.offset = None
        if offset is not None:
            self.offset = self.loss.logits_of(data)
            self.offset.put(offset)

    def to_float32(self) -> None:
        """Compute in float32 until `to_float64`, where X is in float64 and there is room for a
        copy."""
        if self.l1 is None and self.parameters.fits_float32:
            self._take(self.parameters.to_float32(int(self.spare)))
            self._copied = self.data.nbytes if self.data is not self._exact else 0

    @cached_property
    def data_float64(self) -> Data:
        """The same data, computed in float64."""
        return self._exact.to_float64()

    @property
    def uses_float32(self) -> bool:
        """Whether F or its gradient is computed in float32."""
        return self.data.dtype != np.float64 or self.parameters.dtype != np.float64

    def to_float64(self) -> None:
        """Compute in float64."""
        self._take(self.data_float64)
        self.parameters.dtype = np.dtype(np.float64)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for objectives that can hand on what they know: of the same rows, as some say."""
        data = self.data
        kind = data.shape, str(data.dtype), self.loss, self.fit_intercept
        return *kind, data.fingerprint()

    @property
    def shape(self) -> tuple[int, int]:
        """Classes, and parameters of each: its weights and, if there is one, its intercept."""
        return self.parameters.shape

    @property
    def size(self) -> int:
        classes, each = self.parameters.shape
        return classes * each

    @property
    def pass_work(self) -> int:
        """Multiply-adds of a pass over X."""
        n, d = self.data.shape
        return max(1, 2 * n * d * self.n_logits)

    @property
    def rounding(self) -> float:
        """Differences of F that are smaller, relatively, say nothing."""
        return max(float(np.finfo(self.data.dtype).eps), 1e-14)

    def start(self, coef: NDArray | None = None, intercept: NDArray | None = None) -> NDArray:
        """θ of a model; without one, zero weights and the log-odds of the classes' shares.

        What all classes have in common, which only a ridge sees, is taken out.
        """
        if coef is not None:
            theta = self.of_model(coef, intercept)
            return theta if self.l1 else self.parameters.project(theta)
        theta = np.zeros(self.size)
        _, c = self.parameters.split(theta)
        if c is not None:
            c[:] = self.loss.intercepts(self.shares)
            c *= self.parameters.intercept_scale
        return theta

    def of_model(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """θ of a model, but for weights that change no logit of these rows."""
        coef = coef if self._units is None else coef / self._units
        if self._row_space is not None:
            intercept = intercept + np.einsum("kd,d->k", coef, self._row_space.centre)
            coef = self._row_space.basis.project(coef)
        return self.parameters.of_model(coef, intercept)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """The probability of each class, or of each logit's being on, of the intercept-only
        model."""
        return self.loss.shares(self.targets, self.weights)

    @property
    def open_ended(self) -> bool:
        """Whether weights are not penalised, so that F may have no minimiser."""
        return not (self.penalty or self.l1) or len(self.free) > 0

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """(coef, intercept) of θ: fresh arrays, the intercepts of several classes with mean 0."""
        W, b = self.parameters.model(theta)
        if self._row_space is not None:
            W = self._row_space.basis.expand(W)
            b = None if b is None else b - np.einsum("kd,d->k", W, self._row_space.centre)
        W = W if self._units is None else W * self._units
        if b is None:
            return W, np.zeros(len(W))
        return W, b - b.mean() if self.loss.shift_invariant else b

    def rounding_of_model(self, theta: NDArray) -> float:
        """By how much F of the model of θ may be above F at θ, since its intercepts are differences
        of rounded numbers: ½ L ‖Δb‖², L = ½ bounding the curvature of the loss by the logits."""
        W, b = self.parameters.model(theta)
        if b is None:
            return 0.0
        sizes, centre = np.abs(b), self.parameters.centre
        if centre is not None:
            sizes += at(np.abs(centre), np.abs(W))
        if self._row_space is not None:
            sizes += at(np.abs(self._row_space.centre), np.abs(self._row_space.basis.expand(W)))
        with np.errstate(over="ignore"):
            return 0.25 * float(np.sum(np.square(np.finfo(float).eps * sizes)))

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
            part = Part(self, self.rows)
            self.store_logits(theta, part.logits)
        if part is None:
            self.n_passes += 1
            return self.parameters.value_and_grad(theta, None, self.rows)
        self.n_passes += 0.5 * part.logits.n / self.data.shape[0]
        step = None if t is None else (part.change, t)
        return self.parameters.value_and_grad(theta, part.logits, part.rows, step)

    def user(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ for products with X, in the precision of these."""
        return self.parameters.user(theta, self.data.dtype)

    def lengths(self) -> NDArray[np.float64] | None:
        """About that of each row, features being of unit variance; of mean square 1. None if that
        is not known."""
        lengths, passes = self.parameters.lengths(self.data)
        self.n_passes += passes
        return lengths

    def store_logits(self, theta: NDArray, out: StoredLogits) -> None:
        """The logits at θ, offset and all, in half a pass, or in none where all weights are 0."""
        W, b = self.user(theta)
        if W[:1, :1].any() or W.any():  # the former is nearly always enough
            self.n_passes += 0.5
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
        return PenalisedWeights(*of_weights, p.sizes(), p.variations(), self.penalty, None)

    def grad_norm(self, gradient: NDArray) -> float:
        """max |∇F| with respect to (W, b), from the gradient with respect to θ; of W as it is in
        the row space, if there is one."""
        return self.parameters.norms(gradient)[0]

    def intercept_grad_norm(self, gradient: NDArray) -> float:
        """max |∂F/∂b|, from the gradient with respect to θ."""
        by_b = self.parameters.split(gradient)[1]
        return 0.0 if by_b is None else float(np.abs(by_b).max() * self.parameters.intercept_scale)

    def model_grad_norm(self, gradient: NDArray) -> float:
        """max |∇F| with respect to the weights of the features and the intercepts."""
        if self._row_space is None:
            return self.grad_norm(gradient)
        by_W, by_b = self.parameters.by_model(gradient)
        by_W = self._row_space.basis.expand(by_W)
        if by_b is None:
            return float(np.abs(by_W).max())
        by_W += by_b[:, None] * self._row_space.centre
        return float(max(np.abs(by_W).max(), np.abs(by_b).max()))

    def vectors(self, wanted: int) -> int:
        """How many vectors like θ in the precision of X a solver may keep; a few in any case."""
        each = self.parameters.dtype.itemsize * self.size
        return max(6, min(wanted, int(HISTORY * self.max_memory / each)))

    @property
    def spare(self) -> float:
        """Bytes that stored logits, their change and X in float32 leave of their share."""
        return STORED_LOGITS_SHARE * self.max_memory - 2 * self.logits_bytes() - self._copied

    def logits_bytes(self, n: int | None = None) -> int:
        """Bytes of those of all rows, or of so many, in the precision of X."""
        n = self.data.shape[0] if n is None else n
        dtype = max(self._exact.dtype, self.data.dtype, key=lambda dtype: dtype.itemsize)
        return StoredLogits.bytes(n, self.n_logits, dtype)
