"""Whether the dual problem is solved in fewer passes than F takes (`solvers/dual_ascent.py`)."""

from fastsoftmax._engine.data import Data, SparseData
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.objective.terms import Terms

HOLD = 20.0  # of a row on its own logit, C ‖x‖², up to which few epochs suffice
ENTRIES = 1 << 22  # up to which one thread takes no longer than many do for the passes of L-BFGS


def has_easy_dual(data: Data, terms: Terms) -> bool:
    """Whether F has one logit, a sparse X and a strong penalty."""
    if not isinstance(data, SparseData) or terms.loss.n_logits > 1 or not terms.penalty:
        return False
    if not data.nnz <= ENTRIES:
        return False
    values = data.X.data
    n = data.shape[0]
    # C ‖x‖², mean of the rows
    return dot(values, values) <= HOLD * terms.penalty * n * n
