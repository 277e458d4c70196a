"""Softmax regression and networks in plain NumPy: what the kernels are measured and tested against.

Written as a careful NumPy user would, in place where that saves a temporary.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def softmax(z: NDArray) -> NDArray:
    """Softmax of the rows of z (N, K)."""
    a = np.exp(z - z.max(axis=1, keepdims=True))
    a /= a.sum(axis=1, keepdims=True)
    return a


def linear_cross_entropy_value_and_grad(
    X: NDArray, W: NDArray, b: NDArray, y: NDArray[np.integer]
) -> tuple[float, NDArray, NDArray]:
    """Mean cross-entropy of X Wᵀ + b against the classes y, and its gradients of W and b."""
    rows = np.arange(len(X))
    z = X @ W.T
    z += b
    z -= z.max(axis=1, keepdims=True)
    own = z[rows, y]
    np.exp(z, out=z)
    total = z.sum(axis=1, keepdims=True)
    loss = float((np.log(total[:, 0]) - own).mean())
    z /= total
    z[rows, y] -= 1
    z /= len(X)
    return loss, z.T @ X, z.sum(axis=0)


class PlainSgd:
    """Gradient descent on softmax cross-entropy as a careful NumPy user writes it, in place.

    One copy of a batch, buffers made once, no loop over rows; the own class's probability is
    kept and its logarithm taken once per epoch.
    """

    def __init__(
        self,
        coefs: Sequence[NDArray],
        intercepts: Sequence[NDArray],
        batch_size: int,
        activation: str = "relu",
    ) -> None:
        self.coefs, self.intercepts = ([a.copy() for a in arrays] for arrays in (coefs, intercepts))
        self.logistic = activation == "logistic"
        dtype, sizes = coefs[0].dtype, [len(coefs[0]), *map(len, intercepts)]
        self.outputs = [np.empty((batch_size, n), dtype) for n in sizes]
        self.deltas = [np.empty((batch_size, n), dtype) for n in sizes[1:-1]]
        self.gradients = [np.empty_like(W) for W in coefs]
        self.rows = np.arange(batch_size)

    def epoch(self, X: NDArray, y: NDArray, order: NDArray, rate: float) -> float:
        """Mean cross-entropy of the labels y over one pass in this order."""
        own = np.empty(len(order), X.dtype)
        batch_size = len(self.rows)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            self.step(X, y, rows, rate, own[start : start + batch_size])
        return -float(np.log(own).mean())

    def step(self, X: NDArray, y: NDArray, rows: NDArray, rate: float, own: NDArray) -> None:
        n = len(rows)
        outputs = [a[:n] for a in self.outputs]
        if n == 1:
            outputs[0] = X[rows[0]][None]  # a view
        else:
            np.take(X, rows, axis=0, out=outputs[0], mode="clip")
        last = len(self.coefs) - 1
        for i, (W, b) in enumerate(zip(self.coefs, self.intercepts, strict=True)):
            z = np.dot(outputs[i], W, out=outputs[i + 1])
            z += b
            if i < last:
                self.activate(z)
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        labels, rows = y[rows], self.rows[:n]
        own[...] = z[rows, labels]
        z[rows, labels] -= 1
        z *= rate / n
        delta = z
        for i in range(last, -1, -1):
            a, W, G = outputs[i], self.coefs[i], self.gradients[i]
            np.dot(a.T, delta, out=G)
            step = delta.sum(axis=0)
            if i:
                above, delta = delta, self.deltas[i - 1][:n]
                np.dot(above, W.T, out=delta)
                delta *= a * (1 - a) if self.logistic else a > 0
            W -= G
            self.intercepts[i] -= step

    def activate(self, z: NDArray) -> None:
        if self.logistic:
            np.negative(z, out=z)
            np.exp(z, out=z)
            z += 1
            np.reciprocal(z, out=z)
        else:
            np.maximum(z, 0, out=z)
