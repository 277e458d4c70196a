"""Some rows' part in products with the Hessian by what is not penalised.

It is Σᵢ sᵢ (diag(pᵢ) - pᵢ pᵢᵀ) ⊗ uᵢ uᵢᵀ, u being the intercept's constant and the free features.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data import StoredLogits

Table = NDArray[np.float64]
BYTES = 2 << 20  # of changes of logits at a time, which stay in the cache


class CurvedRows(NamedTuple):
    """Some rows of which products are made."""

    logits: StoredLogits
    weights: NDArray | None
    columns: Table | None  # u, (n, m); of the constant alone None

    def diagonal(self) -> Table:
        """That of the Hessian, (K, m)."""
        variances = self.logits.like()
        self.logits.variances(self.weights, variances)
        if self.columns is None:
            return variances.class_sums()[:, None]
        return variances.table().T @ np.square(self.columns)

    def with_probabilities(self) -> "CurvedRows":
        """The same rows, with these in place of logits."""
        return self._replace(logits=self.logits.probabilities())

    def product(self, by: Table) -> Table:
        """The Hessian times `by`, (K, m), the logits having become probabilities."""
        p, out = self.logits, np.zeros(by.shape)
        size = p.tiles.shape[2]
        step = max(size, BYTES // p.bytes(1, p.n_logits, p.tiles.dtype) * size)
        scratch = p.like(min(step, p.n))
        change = p.like(scratch.n)
        if self.columns is None:
            change.fill(by[:, 0])
        for start in range(0, p.n, step):
            rows = slice(start, min(start + step, p.n))
            some = slice(0, rows.stop - start)
            along, to = change.part(some), scratch.part(some)
            weights = None if self.weights is None else self.weights[rows]
            if self.columns is not None:
                along.put(self.columns[rows] @ by.T)
            p.part(rows).curve(along, weights, to)
            if self.columns is None:
                out[:, 0] += to.class_sums()
            else:
                out += to.table().T @ self.columns[rows]
        return out
