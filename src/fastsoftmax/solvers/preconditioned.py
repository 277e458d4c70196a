"""L-BFGS preconditioned by a Gram matrix for each class.

M is block-diagonal over the classes: at first one Gram of uniform rows for all, then the Gram of
each class's own rows, drawn by importance, renewed as the probabilities move. It leaves out the
coupling of the classes, which L-BFGS learns; what all classes have in common (their gauge), which
no loss sees, is taken out of every direction: without that the method stalls.
"""

from numpy.typing import NDArray

from fastsoftmax.objective import Objective
from fastsoftmax.objective.line import Line
from fastsoftmax.solvers.base import Options, Result, register
from fastsoftmax.solvers.lbfgs import minimize

MEMORY = 30
FIRST_REFRESH = 4  # iteration of the first Grams by class, and iterations between two
REPAID = 0.7  # of the last build's cost, in passes since, before the next
STEADY = 3  # builds before the number of rows grows
GROWTH = 2  # with each after them
VENTURE = 0.1  # of the first build's cost, in passes before it: easy problems end without
MOVED = 0.25  # of the weights, before the next


def rows_of_class(n: int, d: int) -> int:
    """Rows a class's Gram is made of: as many as their cost in passes is worth."""
    if gram_cost(2 * d, n, d) <= 1:
        return min(n, max(2 * d, 20 * n // d))
    return min(n, max(d, 20 * n // d, 64))


def gram_cost(rows: int, n: int, d: int) -> float:
    """Passes that Gram and factor of a class cost, for each class: R of the cost rule."""
    return rows * d / (4 * n) + d**2 / (12 * n)


class Grams:
    """The preconditioner: shared at first, then by class."""

    factor = 10.0

    def __init__(self, objective: Objective, seed: int) -> None:
        self._objective = objective
        self._seed = seed
        n, d = objective.data.shape
        self._rows = rows_of_class(n, d)
        began = objective.n_passes
        self._factors = objective.curvature.shared(min(n, max(4 * d, self._rows)), seed)
        self._built_at, self._built_for = objective.n_passes, objective.n_passes - began
        self.since, self._builds = 0, 0
        self._by_class = objective.curvature.fits(objective.n_logits)

    def update(self, line: Line, n_iter: int) -> None:
        """Renew M where it is due."""
        curvature = self._objective.curvature
        since = self._objective.n_passes - self._built_at
        due = REPAID * self._built_for if self._builds else VENTURE * curvature.cost(self._rows)
        if (
            self._by_class
            and n_iter - self.since >= FIRST_REFRESH
            and since >= due
            and curvature.moved(line) > MOVED
        ):
            before = self._objective.n_passes
            self._builds += 1
            self._factors = curvature.by_class(line, self._rows_now(), self._seed + self._builds)
            self._built_at = self._objective.n_passes
            self._built_for = self._built_at - before
            self.since = n_iter

    def _rows_now(self) -> int:
        """More rows the longer it takes: hard problems repay what easy ones do not live to see."""
        return min(
            self._rows * GROWTH ** max(0, self._builds - STEADY), len(self._objective.data.X)
        )

    def solve(self, *vectors: NDArray) -> list[NDArray]:
        """M⁻¹ of vectors without a gauge, without one."""
        shape = self._objective.shape
        solved = self._factors.solve(*(vector.reshape(shape) for vector in vectors))
        return [self._objective.project(z) for z in solved]


@register("preconditioned-lbfgs")
def minimize_preconditioned(objective: Objective, theta: NDArray, options: Options) -> Result:
    """L-BFGS of 30 pairs, preconditioned."""
    return minimize(objective, theta, options, Grams(objective, options.seed), memory=MEMORY)
