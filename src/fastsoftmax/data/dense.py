"""Dense X: float32 or float64, any strides, never copied."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._threads import team


class DenseData:
    """X, and the products with it that the kernels offer.

    The workspace of the kernels is allocated once for each number of logits and kept.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
    n_threads : int
    """

    def __init__(self, X: NDArray, n_threads: int) -> None:
        self.X = X
        self.n_threads = n_threads
        self._kernel = kernels(X.dtype).linear
        self._workspace = np.empty(0, np.uint8)

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def dtype(self) -> np.dtype:
        return self.X.dtype

    def _prepare(self, n_logits: int) -> int:
        """Make the workspace large enough; return the number of threads."""
        n_threads = team(self.n_threads, self.X.size * n_logits)
        size = self._kernel.workspace_bytes(self.X, n_logits, n_threads)
        if self._workspace.size < size:
            self._workspace = np.empty(size, np.uint8)
        return n_threads

    def _cast(self, array: NDArray | None) -> NDArray | None:
        return None if array is None else np.ascontiguousarray(array, dtype=self.dtype)

    def value_and_grad(
        self,
        W: NDArray,
        b: NDArray | None,
        codes: NDArray[np.int32],
        weights: NDArray | None,
        scale: float,
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """``scale`` times the weighted sum of losses, and its gradient of W (K, D) and of b (K,).

        One row of W is one logit, the log-odds of code 1 against 0.
        """
        n_threads = self._prepare(len(W))
        grad_W, grad_b = np.empty(W.shape), np.empty(len(W))
        loss = self._kernel.value_and_grad(
            self.X, self._cast(W), self._cast(b), codes, weights, scale,
            grad_W, grad_b, self._workspace, n_threads,
        )  # fmt: skip
        return loss, grad_W, grad_b

    def column_means(self, weights: NDArray | None) -> NDArray[np.float64]:
        """Weighted mean of each feature."""
        n_threads = self._prepare(1)
        total = len(self.X) if weights is None else weights.sum(dtype=np.float64)
        means = np.empty((1, self.shape[1]))
        self._kernel.column_sums(self.X, weights, 1 / total, means, self._workspace, n_threads)
        return means[0]

    def logits(self, W: NDArray, b: NDArray | None) -> NDArray:
        """X Wᵀ + b, of shape (n, K)."""
        n_threads = self._prepare(len(W))
        out = np.empty((len(self.X), len(W)), self.dtype)
        self._kernel.logits(self.X, self._cast(W), self._cast(b), out, self._workspace, n_threads)
        return out
