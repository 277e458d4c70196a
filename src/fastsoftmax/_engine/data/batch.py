"""Where a loss is taken, and of what: the arguments of a pass."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.stored_logits import Step, StoredLogits


class Batch(NamedTuple):
    """What the rows should be: the loss is ``scale`` times the weighted sum of theirs.

    Targets are int32 codes (n,), or probabilities (n, K) with contiguous rows, in the precision of
    the pass. One logit is the log-odds of code 1 against 0. Without targets what is stored is taken
    for the gradients of the losses by the logits.
    """

    targets: NDArray | None = None
    weights: NDArray | None = None
    scale: float = 1.0

    def part(self, rows: slice) -> Self:
        """Some of the rows."""
        return self._replace(
            targets=None if self.targets is None else self.targets[rows],
            weights=None if self.weights is None else self.weights[rows],
        )


def is_per_logit(targets: NDArray, n_logits: int) -> bool:
    """Whether each logit has a logistic function of its own, rather than all of a row one softmax:
    a single one, and those of indicators."""
    return n_logits == 1 or targets.dtype == np.uint8


class Point(NamedTuple):
    """W (K, D) and b (K,), or their logits where these are stored, which a step changes first.

    Logits that are stored make half a pass of a whole one; W then is for the penalty alone.
    """

    W: NDArray | None = None
    b: NDArray | None = None
    logits: StoredLogits | None = None
    step: Step | None = None

    @property
    def n_logits(self) -> int:
        return len(self.W) if self.logits is None else self.logits.n_logits

    def part(self, rows: slice) -> Self:
        """The same for some of the rows, whole tiles of them but for the end."""
        return self._replace(
            logits=None if self.logits is None else self.logits.part(rows),
            step=None if self.step is None else (self.step[0].part(rows), self.step[1]),
        )
