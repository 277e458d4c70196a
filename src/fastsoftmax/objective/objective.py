"""The objective of softmax regression with an L2 penalty."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax.data import DenseData, StoredLogits
from fastsoftmax.objective.curvature import HESSIAN_PARAMETERS, Curvature
from fastsoftmax.objective.line import FusedLine, Line, StoredLine

STORED_BYTES = 256 << 20  # of logits and of their change along a line, each, at most
STORED = 0.4  # of the memory budget for both
HISTORY = 0.15  # of the memory budget for a solver's vectors


class Objective:
    """F(W, b) = Σ sᵢ·CEᵢ / Σ sᵢ + ½·‖W‖² / (C·Σ sᵢ), b free.

    A solver sees one vector θ of float64: for each class its weights, then its intercept, of
    features that are centred and scaled by a change of variables, X being left alone. With logits
    W(x - μ) + c, μ the weighted means and b = c - Wμ, the Hessian does not couple intercepts and
    weights through the means; with W = V / h, h² = p̄·var + λ, its diagonal is about 1 where the
    classes are about equally probable (p̄ = (1 - 1/K) / K). Neither changes F nor its optimum.

    Parameters
    ----------
    data : DenseData
    targets : ndarray of shape (n,), int32, or (n, K) in the dtype of X
        Classes 0..K-1, or their probabilities.
    n_logits : int
        K, or 1 for two classes: the log-odds of code 1.
    weights : ndarray of shape (n,) or None
    C : float
        Inverse strength of the penalty; infinity for none.
    fit_intercept : bool
    max_memory : int or None
        Bytes for what a solver keeps beyond X and the model. None: 512 MiB or a quarter of X,
        whichever is more.
    """

    def __init__(
        self,
        data: DenseData,
        targets: NDArray,
        n_logits: int,
        *,
        weights: NDArray | None,
        C: float,
        fit_intercept: bool,
        max_memory: int | None = None,
    ) -> None:
        n, d = data.shape
        self.data = data
        self.targets = targets
        self.n_logits = n_logits
        self.fit_intercept = fit_intercept
        self.total_weight = n if weights is None else weights.sum()
        # of mean 1, so that weights of any scale are numbers of the precision of X
        self.weights = (
            None
            if weights is None
            else np.ascontiguousarray(weights * (n / self.total_weight), dtype=data.dtype)
        )
        self.penalty = 1 / (C * self.total_weight)
        self.max_memory = max(512 << 20, data.X.nbytes // 4) if max_memory is None else max_memory
        self.n_passes = 2.0  # over X, so far: mean and variance
        #: not finite where X is not, or where the sum of its values overflows
        self.means, variances = data.moments(self.weights)
        share = 1 / max(n_logits, 2)
        curvature = share * (1 - share)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = variances if fit_intercept else variances + self.means**2
            finite = bool(np.isfinite(spread).all() and np.isfinite(self.means).all())
        if not finite:
            variances = spread = np.ones(d)
        rounding = 8 * float(np.finfo(data.dtype).eps) * np.abs(self.means)
        #: constant features, which the intercept stands for: what is left of them is rounding
        self.constant = fit_intercept & (np.sqrt(variances) <= rounding) & finite
        self.shift = self.means if fit_intercept and finite else np.zeros(d)
        scales = np.sqrt(curvature * spread + self.penalty)
        self.scales = np.where((scales > 0) & ~self.constant, scales, 1.0)
        self.intercept_scale = np.sqrt(curvature)
        self.curvature = Curvature(self, spread)

    @property
    def shape(self) -> tuple[int, int]:
        """Classes, and parameters of each: its weights and, if there is one, its intercept."""
        return self.n_logits, self.data.shape[1] + self.fit_intercept

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def rounding(self) -> float:
        """Differences of F that are smaller, relatively, say nothing."""
        return max(float(np.finfo(self.data.dtype).eps), 1e-14)

    def split(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """Weights (K, D) and intercepts (K,) as views of θ; None without intercepts."""
        table = theta.reshape(self.shape)
        return table[:, : self.data.shape[1]], table[:, -1] if self.fit_intercept else None

    def _at_means(self, W: NDArray) -> NDArray:
        """W μ, without BLAS: its threads would go on spinning where the kernels' should run."""
        return np.einsum("kd,d->k", W, self.shift)

    def start(self, coef: NDArray | None = None, intercept: NDArray | None = None) -> NDArray:
        """θ of a model; without one, zero weights and the log-odds of the classes' shares.

        What all classes have in common, which only the penalty sees, is taken out.
        """
        theta = np.zeros(self.size)
        V, c = self.split(theta)
        if coef is not None:
            V[:] = coef * self.scales
            if c is not None:
                c[:] = intercept + self._at_means(coef)
            V[:, self.constant] = 0
        elif c is not None:
            share = self.shares()
            share = np.log(np.maximum(share, np.finfo(float).tiny))
            c[:] = share[1] - share[0] if len(V) == 1 else share - share.mean()
        if c is not None:
            c *= self.intercept_scale
        return self.project(theta)

    def shares(self) -> NDArray:
        """The weight of each class, of 1 in all: (K,), or (2,) for one logit."""
        if self.targets.ndim == 2:
            weights = np.ones(len(self.targets)) if self.weights is None else self.weights
            share = np.einsum("n,nk->k", weights, self.targets, dtype=np.float64)
        else:
            share = np.bincount(self.targets, self.weights, minlength=max(2, self.n_logits))
        return share / share.sum()

    @property
    def blind_loss(self) -> float:
        """The loss of the best model that does not look at X: the entropy of the shares."""
        share = self.shares()
        return float(-np.sum(share * np.log(np.maximum(share, np.finfo(float).tiny))))

    def project(self, theta: NDArray) -> NDArray:
        """θ without what all classes have in common (their gauge): the loss does not see it."""
        if self.n_logits == 1:
            return theta.ravel()
        table = theta.reshape(self.shape)
        return (table - table.mean(axis=0)).ravel()

    def user(self, theta: NDArray) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ."""
        V, c = self.split(theta)
        W = V / self.scales
        return W, None if c is None else c / self.intercept_scale - self._at_means(W)

    def model(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """(coef, intercept) of θ: fresh arrays, the intercepts of several classes with mean 0."""
        W, b = self.user(theta)
        if b is None:
            b = np.zeros(len(W))
        elif len(b) > 1:
            b -= b.mean()
        return W, b

    def value_and_grad(
        self, theta: NDArray, stored: StoredLogits | None = None
    ) -> tuple[float, NDArray]:
        """F and its gradient at θ, in one pass over X, or in half of one from its stored logits."""
        W, b = self.user(theta)
        self.n_passes += 1 if stored is None else 0.5
        value, grads = self.data.value_and_grad(
            *((W, b) if stored is None else (None, None)),
            *(self.targets, self.weights, 1 / len(self.data.X)),
            stored=stored,
        )
        value += 0.5 * self.penalty * np.einsum("kd,kd->", W, W)
        gradient = np.empty_like(theta)
        to_V, to_c = self.split(gradient)
        np.add(grads.W, self.penalty * W, out=to_V)
        if to_c is not None:
            to_V -= np.outer(grads.b, self.shift)
            to_c[:] = grads.b / self.intercept_scale
        to_V /= self.scales
        to_V[:, self.constant] = 0
        return value, gradient

    def _user_gradient(self, gradient: NDArray) -> tuple[NDArray, NDArray | None]:
        """∇F with respect to (W, b), from that with respect to θ."""
        V, c = self.split(gradient)
        by_W = V * self.scales
        if c is None:
            return by_W, None
        by_b = c * self.intercept_scale
        return by_W + np.outer(by_b, self.shift), by_b

    def grad_norm(self, gradient: NDArray) -> float:
        """max |∇F| with respect to (W, b), from the gradient with respect to θ."""
        return float(
            max(np.abs(part).max() for part in self._user_gradient(gradient) if part is not None)
        )

    def gap_bound(self, gradient: NDArray) -> float:
        """At least F - F* where the intercepts are optimal for their weights; infinity for C = ∞.

        F, minimised over the intercepts, is λ-strongly convex in W with λ = 1/(C·Σ sᵢ), so that
        ½·‖∇_W F‖²/λ bounds what is left to gain (Boyd & Vandenberghe, Convex Optimization, 9.1.2).
        """
        if not self.penalty:
            return np.inf
        by_W, _ = self._user_gradient(gradient)
        return float(np.einsum("kd,kd->", by_W, by_W)) / (2 * self.penalty)

    def vectors(self, wanted: int) -> int:
        """How many vectors like θ in the precision of X a solver may keep; a few in any case."""
        each = self.data.dtype.itemsize * self.size
        return max(6, min(wanted, int(HISTORY * self.max_memory / each)))

    def lacks(self, need: str) -> str | None:
        """Why this objective cannot give what a solver needs; None if it can."""
        if need != "hessian":
            return None
        if self.size > HESSIAN_PARAMETERS:
            return (
                f"the exact Hessian, which is made for up to {HESSIAN_PARAMETERS} parameters, "
                f"of {self.size}"
            )
        if (size := self.curvature.hessian_bytes()) > self.max_memory:
            return f"{size} bytes for the exact Hessian, max_memory being {self.max_memory}"
        return None

    def line(self, theta: NDArray) -> Line:
        """θ and the directions a solver takes from it, on stored logits if there is room."""
        size = StoredLogits.bytes(len(self.data.X), self.n_logits, self.data.dtype)
        fits = size <= STORED_BYTES and 2 * size <= STORED * self.max_memory
        return (StoredLine if fits else FusedLine)(self, theta)
