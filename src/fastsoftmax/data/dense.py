"""Dense X: float32 or float64, any strides, never copied."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._threads import team

# Gradients of W whose float64 totals would be larger are summed in the precision of X.
WIDE_BYTES = 64 << 20


class Workspace:
    """Bytes that kernels may scribble on, kept between calls and grown on demand."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def __call__(self, size: int) -> NDArray[np.uint8]:
        if self._bytes.size < size:
            self._bytes = np.empty(size, np.uint8)
        return self._bytes


class Gradients(NamedTuple):
    """Gradients of a loss, those that were asked for: W (K, D), b (K,) and X (n, D)."""

    W: NDArray | None = None
    b: NDArray | None = None
    X: NDArray | None = None


class DenseData:
    """X, and the products with it that the kernels offer.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
    n_threads : int
    """

    def __init__(self, X: NDArray, n_threads: int) -> None:
        self.X = X
        self.n_threads = n_threads
        self._kernel = kernels(X.dtype).linear
        self._workspace = Workspace()

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def dtype(self) -> np.dtype:
        return self.X.dtype

    def _team(self, n_logits: int) -> int:
        return team(self.n_threads, self.X.size * n_logits)

    def _cast(self, array: NDArray | None) -> NDArray | None:
        return None if array is None else np.ascontiguousarray(array, dtype=self.dtype)

    def value_and_grad(
        self,
        W: NDArray,
        b: NDArray | None,
        targets: NDArray,
        weights: NDArray | None,
        scale: float,
        wrt: Collection[str] = ("W", "b"),
    ) -> tuple[float, Gradients]:
        """``scale`` times the weighted sum of losses, and its gradients with respect to `wrt`.

        Those of W (K, D) and of b (K,) are float64, or of the dtype of X where W is very large;
        that of X has its dtype. Targets are int32 codes (n,), or probabilities (n, K) in the dtype
        of X with contiguous rows. One row of W is one logit, the log-odds of code 1 against 0.
        """
        wide = np.float64 if W.size * 8 <= WIDE_BYTES else self.dtype
        grads = Gradients(
            np.zeros(W.shape, wide) if "W" in wrt or "b" in wrt else None,
            np.zeros(len(W)),
            np.zeros(self.shape, self.dtype) if "X" in wrt else None,
        )
        loss = self._kernel.value_and_grad(
            self.X, self._cast(W), self._cast(b), targets, weights, scale,
            *grads, self._workspace, self._team(len(W)),
        )  # fmt: skip
        return loss, grads

    def moments(self, weights: NDArray | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted mean and variance of each feature, in two passes."""
        total = len(self.X) if weights is None else weights.sum(dtype=np.float64)
        means, variances = np.empty((2, 1, self.shape[1]))
        for centre, sums in ((None, means), (means, variances)):
            self._kernel.moments(
                self.X, self._cast(centre), weights, 1 / total, sums, self._workspace, self._team(1)
            )
        return means[0], variances[0]

    def logits(self, W: NDArray, b: NDArray | None) -> NDArray:
        """X Wᵀ + b, of shape (n, K)."""
        out = np.empty((len(self.X), len(W)), self.dtype)
        self._kernel.logits(
            self.X, self._cast(W), self._cast(b), out, self._workspace, self._team(len(W))
        )
        return out
