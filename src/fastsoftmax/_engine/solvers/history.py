"""The history of L-BFGS, and the direction that it implies.

The initial inverse Hessian of the two-loop recursion is γM⁻¹, with γ = sᵀy / yᵀM⁻¹y of the last
pair and M the preconditioner's; M⁻¹ where that is all of a Hessian already. Both loops only add
pairs to a vector, so they run on numbers: with the products sᵢᵀyⱼ kept, each solves with their
triangle, and the pairs are read once each for sᵢᵀg, Σ aᵢyᵢ, yᵢᵀr and Σ cᵢsᵢ, where the recursion as
it is written reads and writes a vector of its own for each (Chen, Wang & Zhou, Large-scale L-BFGS
using MapReduce, NIPS 2014).
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import combine, dot, dots, empty, pair, substitute

Solve = Callable[..., list[NDArray]]


class History:
    """The last pairs of s, a step, and y, what the gradient changed by.

    Parameters
    ----------
    size : int
        Of vectors.
    dtype : dtype
        In which to keep them.
    most : int
        Pairs to keep.
    n_threads : int
    """

    def __init__(self, size: int, dtype: np.dtype, most: int, n_threads: int) -> None:
        self._dtype, self._most, self._n_threads = dtype, most, n_threads
        self._s, self._y = (empty((most + 1, size), dtype) for _ in range(2))
        self._products = np.zeros((most + 1, most + 1))  # s of a row with y of a column
        self.clear()

    def __len__(self) -> int:
        return len(self._slots)

    def clear(self) -> None:
        self._slots: deque[int] = deque()  # rows of s and y, the oldest pair first
        self._free = list(range(self._most + 1))

    def push(self, t: float, direction: NDArray, before: NDArray, after: NDArray) -> None:
        """A step t along a direction from one gradient to another, unless it curves downwards."""
        slot = self._free.pop()
        s, y = self._s[slot], self._y[slot]
        pair(direction, t, before, after, s, y, self._n_threads)
        slots = [*self._slots, slot]
        products = dots(self._s, slots, y, self._n_threads)
        if not products[-1] > 0:
            self._free.append(slot)
            return
        self._slots.append(slot)
        self._products[slots, slot] = products
        if len(self._slots) > self._most:
            self._free.append(self._slots.popleft())

    def direction(self, gradient: NDArray, solve: Solve, scaled: bool) -> NDArray:
        """-H · gradient, H the inverse Hessian that the pairs and M⁻¹ imply; γM⁻¹ if `scaled`."""
        g = gradient.astype(self._dtype, copy=False)
        slots, n_threads = list(self._slots), self._n_threads
        if not slots:
            return solve(-g)[0].astype(gradient.dtype, copy=False)

        upper = self._products[slots][:, slots]  # sᵢᵀyⱼ for i up to j
        curvatures = np.diagonal(upper)
        a = substitute(upper, -dots(self._s, slots, g, n_threads))
        q = np.empty_like(g)
        combine(-1.0, g, (-a).tolist(), self._y, slots, q, n_threads)
        last = self._y[slots[-1]]
        solutions = solve(q, last) if scaled else solve(q)
        r, *solved = (z.astype(self._dtype, copy=False) for z in solutions)
        size = dot(last, *solved, n_threads) if scaled else 0.0
        gamma = curvatures[-1] / size if size > 0 else 1.0  # squares may underflow
        c = curvatures * a - gamma * dots(self._y, slots, r, n_threads)
        c = substitute(upper, c, transposed=True)
        combine(gamma, r, c.tolist(), self._s, slots, q, n_threads)
        return q.astype(gradient.dtype, copy=False)
