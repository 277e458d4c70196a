"""What rows that this process reads, from memory or from blocks, have in common."""

from collections.abc import Callable, Hashable
from typing import Self, TypeVar

from fastsoftmax._runtime.engines.wire import Traffic

T = TypeVar("T")


class OfOneFit:
    """Rows that no other fit reads at the same time."""

    has_views = False

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made of X, or was by another fit that shares its passes."""
        return make()


class LocalRows(OfOneFit):
    """Rows of which any sample costs what it reads, and no round."""

    is_distributed = False
    traffic = Traffic()  # none: nothing counts it
    sample_step = 1  # every row may be in a sample

    shape: tuple[int, int]

    def every(self, step: int) -> Self:
        raise NotImplementedError

    def step_of(self, rows: int) -> int:
        """Every which row is about so many."""
        return max(1, self.shape[0] // rows)

    def line_sample(self, n_logits: int, rows: int) -> tuple[slice, Self]:
        """About so many rows, evenly spread, that a line search may begin with."""
        step = self.step_of(rows)
        return slice(None, None, step), self.every(step)
