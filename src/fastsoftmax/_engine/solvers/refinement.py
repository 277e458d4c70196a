"""Newton's step where the Hessian, as a matrix, has lost too many digits to give it.

The Hessian of the loss is AᵀA, A having a row √(s p / n) (eₖ - p) ⊗ x for each row of X and class
k. Its condition is the square of A's: means of 1e8 deviations without an intercept leave no digit
of the one and half of those of the other. So a step is improved by the singular values of A (Golub
& Van Loan, Matrix Computations, 5.5), as iterative refinement improves a solution: what it leaves
of the conditions of optimality is computed anew each time. What rounding alone may be of that is
left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.solvers.unseen import Frame, Held, RowsAt, rounding_of_gradients

BYTES = 8  # of a number

Table = NDArray[np.float64]


@dataclass(frozen=True)
class DirectionRules:
    """When a direction is refined, and by which singular values.

    docs/experiments/0061-refined-proofs.md.
    """

    cost: float = 4.0  # of the singular values, times that of a product of A with a square matrix
    work: float = 3e7  # multiply-adds, some ten milliseconds: so much at least may be spent
    dependent: float = 1e-14  # of the largest singular value, the columns having length 1
    rounds: int = 3


USUAL = DirectionRules()


def is_cheap(objective: Objective, rules: DirectionRules = USUAL) -> bool:
    """Whether the singular values take less than the fit has taken so far, or next to nothing."""
    o, work = objective, multiply_adds(objective, rules)
    fits = 3 * BYTES * rows_of(o) * o.size <= o.memory.certificate
    return fits and work <= max(rules.work, o.passes.count * o.passes.work)


def rows_of(objective: Objective) -> int:
    """Those of A, with the ridge."""
    return objective.data.shape[0] * objective.n_logits + objective.size


def multiply_adds(objective: Objective, rules: DirectionRules) -> float:
    return rules.cost * float(rows_of(objective)) * objective.size**2


def correction(
    objective: Objective,
    rows: list[RowsAt],
    held: Held,
    there: NDArray,
    rules: DirectionRules = USUAL,
) -> NDArray | None:
    """What makes a step meet the conditions of optimality, of which it leaves a residual.

    Parameters
    ----------
    held : Held
        With the residual.
    there : ndarray
        Where the step leads: what is 0 and has an L1 penalty remains so.
    """
    o, layout = objective, objective.parameters.layout
    face = np.flatnonzero((layout.table(there) != 0) | (held.lasso == 0))
    if not face.size:
        return None
    o.passes.count += multiply_adds(o, rules) / o.passes.work
    frame = Frame(o.data.shape[0], o.shape, o.loss, o.parameters)
    A, units = weighted(frame, rows, face, np.sqrt(np.tile(held.ridge, o.shape[0])[face]))
    try:
        _, values, V = np.linalg.svd(A, full_matrices=False)
    except np.linalg.LinAlgError:
        return None
    of_gradients = sum(rounding_of_gradients(frame, part) for part in rows)
    errors = np.abs(V) @ (of_gradients.ravel()[face] / units)
    parts = -V @ (held.residual.ravel()[face] / units)
    counts = (np.abs(parts) > errors) & (values > rules.dependent * values[0])
    table, step = np.zeros(o.shape), np.zeros(o.size)
    table.ravel()[face] = V[counts].T @ (parts[counts] / np.square(values[counts])) / units
    layout.table(step)[:] = table
    return step


def weighted(frame: Frame, rows: list[RowsAt], face: NDArray, ridge: Table) -> tuple[Table, Table]:
    """A's columns on a face, above a diagonal matrix for the ridge, with a length of 1 each; and
    what they are divided by."""
    k, size = frame.shape
    parts = []
    for some in rows:
        for part in some.parts(size):
            U = frame.parameters.features(part.data)
            each = frame.loss.root_of_hessian(part.probabilities, part.others, part.weights)
            A = np.einsum("nkl,nj->nklj", each, U).reshape(-1, k * size)
            parts.append(A[:, face] / np.sqrt(frame.n))
    if ridge.any():
        parts.append(np.diag(ridge))
    A = np.concatenate(parts)
    units = np.sqrt(np.einsum("ij,ij->j", A, A))
    units[units == 0] = 1
    return A / units, units
