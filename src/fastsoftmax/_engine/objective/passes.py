"""What a fit costs, whoever works for it."""

from dataclasses import dataclass


@dataclass
class Passes:
    """Passes over X so far, a loss and its gradient each; other work by its multiply-adds."""

    work: int  # multiply-adds of a pass
    count: float
