"""Newton's step of what is not penalised, intercepts as a rule.

Their Hessian takes n K² / 2 multiply-adds for K intercepts, and K³ / 6 to be factored; a product
with it 2 n K, from probabilities, and some ten products solve equations of it. So it is made where
it takes no more than a pass, or next to nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature.hessian import of_shifts
from fastsoftmax._engine.linalg import ClassFactors, conjugate_gradients
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.solvers.curved_rows import CurvedRows
from fastsoftmax._engine.solvers.linearised_rows import (
    unpenalised_diagonal,
    unpenalised_hessian,
    unpenalised_product,
)

Table = NDArray[np.float64]
BYTES = 8  # of a number


@dataclass(frozen=True)
class StepRules:
    """By which way equations are solved (docs/experiments/0094-proofs-with-many-classes.md)."""

    work: float = 1e8  # multiply-adds, some ten milliseconds: so much the Hessian may always take
    products: int = 200  # at most; then it is made after all
    digits: float = 1e2  # units of the precision that a solution may be off by: steps are repeated


USUAL = StepRules()


class AllRows(Protocol):
    """What goes through all rows."""

    n: int

    def sum(self, of_piece: Callable[..., Any]) -> Any: ...

    def curved_rows(self, first: int) -> Iterator[CurvedRows]: ...


class UnpenalisedCurvature:
    """The Hessian by what is not penalised, as a matrix or by its products.

    Parameters
    ----------
    objective : Objective
    shape : (K, m)
        Logits, and what is not penalised of each.
    rules : StepRules, optional

    Attributes
    ----------
    as_matrix : bool
        Whether it is made.
    """

    def __init__(
        self, objective: Objective, shape: tuple[int, int], rules: StepRules = USUAL
    ) -> None:
        self._objective, self._rules = objective, rules
        data, (k, m) = objective.data, shape
        self._of_sums = objective.loss.n_grams * data.shape[0] * m * (m + 1) / 2
        self._of_factors = (k * m) ** 3 / 6
        self._fits = 2 * BYTES * (k * m) ** 2 <= objective.memory.total
        entries = data.nnz if data.is_sparse else data.shape[0] * data.shape[1]
        is_cheap = self._of_sums + self._of_factors <= max(rules.work, 2 * entries * k)
        # workers would make all logits anew for each product
        self.as_matrix = self._fits and (is_cheap or data.is_distributed)
        self._hessian: Table | None = None  # times n
        self._factors: tuple[Table, ClassFactors] | None = None
        self._diagonal: Table | None = None
        self._kept: list[CurvedRows] = []  # the first rows, with probabilities
        self._room = objective.memory.stored_logits

    def know(self, hessian: Table) -> None:
        """The matrix (K, m, K, m), summed over the rows."""
        self._count(self._of_sums)
        self._hessian = hessian

    def step(self, rows: AllRows, off: Table, enough: Table) -> Table:
        """From a gradient (K, m), up to what may be left of each number of it."""
        if not self.as_matrix:
            product = partial(self._product, rows)
            diagonal, most = self._diagonal_of(rows), self._rules.products
            units = np.sqrt(diagonal)
            sizes = np.divide(off, units, out=np.zeros_like(off), where=units > 0)
            share = self._rules.digits * np.finfo(self._objective.data.dtype).eps
            enough = np.maximum(enough, share * np.sqrt(np.mean(np.square(sizes))) * units)
            step, solved = conjugate_gradients(product, diagonal, -off, enough, most)
            self.as_matrix = self._fits and not solved
            return step
        self._factors = self._factors or self._factored(rows)
        units, factors = self._factors
        return -units * factors.solve((off * units).reshape(1, -1))[0].reshape(off.shape)

    def _factored(self, rows: AllRows) -> tuple[Table, ClassFactors]:
        """Units of what is not penalised, and the factors of the Hessian by it in these units."""
        if self._hessian is None:
            self.know(rows.sum(unpenalised_hessian))
        self._count(self._of_factors)
        H = self._hessian / rows.n
        if self._objective.loss.shift_invariant:
            H += of_shifts(H)
        # classes of hardly any weight have their own scale
        units = 1 / np.sqrt(np.maximum(np.einsum("kiki->ki", H), np.finfo(float).tiny))
        flat = units.ravel()
        H = H.reshape(flat.size, -1) * flat[:, None] * flat
        return units, ClassFactors(H[None], 1)

    def _diagonal_of(self, rows: AllRows) -> Table:
        """(K, m). The first rows are kept with their probabilities, as many as fit."""
        if self._diagonal is None and self._objective.data.is_distributed:
            self._diagonal = rows.sum(unpenalised_diagonal) / rows.n
        elif self._diagonal is None:
            total: Table | float = 0.0
            for some in rows.curved_rows(0):
                total = total + some.diagonal()
                self._room -= some.logits.tiles.nbytes
                if self._room >= 0:
                    self._kept.append(some.with_probabilities())
            self._diagonal = np.asarray(total) / rows.n
        return self._diagonal

    def _product(self, rows: AllRows, by: Table) -> Table:
        """The Hessian times `by`, (K, m)."""
        if self._objective.data.is_distributed:
            return rows.sum(partial(unpenalised_product, by=by)) / rows.n
        self._count(2 * rows.n * by.size)
        total = np.zeros(by.shape)
        for some in self._kept:
            total += some.product(by)
        for some in rows.curved_rows(sum(some.logits.n for some in self._kept)):
            total += some.with_probabilities().product(by)
        return total / rows.n

    def _count(self, multiply_adds: float) -> None:
        self._objective.passes.count += multiply_adds / self._objective.passes.work
