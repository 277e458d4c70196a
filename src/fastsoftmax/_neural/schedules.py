"""Learning rates over the epochs of a fit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

LEAST = 1e-6  # "adaptive" does not divide a rate that is no greater: as in scikit-learn
DIVISOR = 5.0  # of the rate, by "adaptive": that of scikit-learn


@dataclass(frozen=True)
class Schedule:
    """The initial rate, and what the schedules know of it and of the fit."""

    name: str
    rate: float
    power_t: float = 0.5
    step_size: int = 10
    step_factor: float = 0.1
    max_iter: int = 1
    reductions: int = 0  # of "adaptive", so far

    def at(self, epoch: int, rows_seen: int) -> float:
        """The rate of an epoch, from 0 on, before which so many rows were seen."""
        return self.rate * FACTORS[self.name](self, epoch, rows_seen)


FACTORS: dict[str, Callable[[Schedule, int, int], float]] = {
    "constant": lambda s, epoch, rows: 1.0,
    "invscaling": lambda s, epoch, rows: 1.0 / (rows + 1.0) ** s.power_t,
    "adaptive": lambda s, epoch, rows: DIVISOR**-s.reductions,
    "step": lambda s, epoch, rows: s.step_factor ** (epoch // s.step_size),
    "cosine": lambda s, epoch, rows: (1.0 + math.cos(math.pi * min(1.0, epoch / s.max_iter))) / 2.0,
}
