"""The precision in which F is computed, and the memory that logits take in it."""

import numpy as np

from fastsoftmax._engine.data import StoredLogits
from fastsoftmax._engine.objective.objective import Objective


def to_float32(objective: Objective) -> None:
    """Compute in float32 until `to_float64`, where X is in float64 and there is room for a copy."""
    o, p = objective, objective.parameters
    if o.l1 is None and p.fits_float32:
        if "float32" not in p.found:
            p.found["float32"] = o.exact_data.to_float32(int(spare_bytes(o)))
        data = p.found["float32"]
        p.copied_bytes = 0 if data is o.exact_data else data.nbytes
        o.compute_with(data)


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
