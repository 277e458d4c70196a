"""What a fit may keep in memory beyond X and the model."""

from dataclasses import dataclass
from typing import Self

LEAST = 512 << 20  # bytes, if users name none,
OF_X = 4  # or X divided by that, whichever is more


@dataclass(frozen=True)
class MemoryBudget:
    """Bytes for each use: upper limits of single uses, not a plan that adds up.

    The kernels' scratch comes on top.
    """

    total: int  # the exact Hessian and its factor may take all of it
    stored_logits: float  # with their change along a line, and copies of X
    proximal_logits: float  # three arrays of them
    history: float  # of L-BFGS
    preconditioner: float
    working_set: float  # Gram matrices or columns of weights that an L1 step may change
    sample: float  # logits of sampled rows, where all are not stored
    certificate: float  # logits and residuals of some rows at a time
    row_space: float

    @classmethod
    def of(cls, max_memory: int | None, data_bytes: int) -> Self:
        """The plan for what users say, None for a default by the size of X."""
        total = max(LEAST, data_bytes // OF_X) if max_memory is None else max_memory
        return cls(
            total,
            stored_logits=0.4 * total,
            proximal_logits=0.6 * total,
            history=0.15 * total,
            preconditioner=0.4 * total,
            working_set=0.3 * total,
            sample=0.125 * total,
            certificate=0.06 * total,
            row_space=0.3 * total,
        )
