"""The precision in which F is computed, and the memory that logits take in it."""

import numpy as np

from fastsoftmax._engine.data import StoredLogits
from fastsoftmax._engine.objective.objective import Objective


def to_float32(objective: Objective) -> None:
    """Compute in float32 until `to_float64`, where X is in float64 and there is room for a copy."""
    o = objective
    if o.l1 is None and o.parameters.fits_float32:
        o.compute_with(o.parameters.to_float32(int(spare_bytes(o))))


def to_float64(objective: Objective) -> None:
    """Compute in float64."""
    objective.compute_with(objective.data_float64)
    objective.parameters.dtype = np.dtype(np.float64)


def uses_float32(objective: Objective) -> bool:
    """Whether F or its gradient is computed in float32."""
    return objective.data.dtype != np.float64 or objective.parameters.dtype != np.float64


def logits_bytes(objective: Objective) -> int:
    """Bytes of the logits of all rows, in the higher of the precision of X and the present one."""
    o = objective
    dtype = max(o.exact_data.dtype, o.data.dtype, key=lambda dtype: dtype.itemsize)
    return StoredLogits.bytes(o.data.shape[0], o.n_logits, dtype)


def spare_bytes(objective: Objective) -> float:
    """What logits, their change along a line and a copy of X in float32 leave of their share."""
    o = objective
    return o.memory.stored_logits - 2 * logits_bytes(o) - o.parameters.copied_bytes
