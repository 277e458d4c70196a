"""The block of the Hessian of each class for sparse X: its diagonal, of centred features."""

import numpy as np

from fastsoftmax._engine.curvature.hessian import Curvature
from fastsoftmax._engine.data import DiagonalFactors, diagonals
from fastsoftmax._engine.line_search.iterate import Iterate

NEARLY_NONE = 1e-30  # a ridge: keeps the inverse of a feature without curvature finite
SHARED = 0.02  # of the unweighted sum of squares in that of a class


class ClassDiagonals:
    """The diagonals of an objective's Hessian."""

    memory = 5  # pairs: each costs as much as a tenth of a pass, or more, where features are many
    interval = 3
    joint = False

    def __init__(self, curvature: Curvature) -> None:
        self._curvature, self._objective = curvature, curvature.objective
        self.rows = self.most_rows = self._objective.data.shape[0]
        self.fits, self.reused = True, False

    def cost(self, rows: int) -> float:
        """The work of a build in passes."""
        return 1.0

    def at_start(self, it: Iterate) -> DiagonalFactors:
        return self.by_class(it, self.rows, 0)

    def by_class(self, it: Iterate, rows: int, seed: int) -> DiagonalFactors:
        """The diagonals at the iterate, from all rows."""
        o = self._objective
        units = o.parameters.units(np.arange(o.data.shape[1]))
        scaled = bool((units != 1).any())
        means, inverses, masses = diagonals(
            o.data, it.variances(), o.n_logits, NEARLY_NONE if scaled else o.penalty, SHARED,
            o.fit_intercept, self._curvature.missing,
        )  # fmt: skip
        if scaled:
            curvature = 1 / inverses.astype(np.float64) + (np.sqrt(o.penalty) * units[:, None]) ** 2
            inverses = (1 / curvature).astype(np.float32)
        o.passes.count += self.cost(rows)
        masses = np.where(masses > 0, masses, 1.0) if o.fit_intercept else None
        return DiagonalFactors(means, inverses, masses, o.loss.shift_invariant, o.data.n_threads)
