"""Whether the dual problem shows the way in fewer passes than F (`solvers/dual_ascent.py`)."""

import math

from fastsoftmax._engine.data import Data, SparseData
from fastsoftmax._engine.linalg import dot
from fastsoftmax._engine.objective.terms import Terms

# of a row on its own logit, C ‖x‖² (docs/experiments/0065 and 0073):
EASY = 20.0  # up to which few epochs suffice, which would not repay a merger of features,
HOLD = 1000.0  # and up to which some lead L-BFGS near the optimum
ENTRIES = 1 << 22  # up to which one thread takes no longer than many do for the passes of L-BFGS


def hold_of_rows(data: Data, terms: Terms) -> float:
    """C ‖x‖², mean of the rows; infinity where dual ascent does not apply, or is of no use."""
    if not isinstance(data, SparseData) or terms.loss.n_logits > 1 or not terms.penalty:
        return math.inf
    if not data.nnz <= ENTRIES:
        return math.inf
    values, n = data.X.data, data.shape[0]
    return dot(values, values) / (terms.penalty * n * n)
