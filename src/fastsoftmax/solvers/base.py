"""What every solver takes and returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from numpy.typing import NDArray


class Differentiable(Protocol):
    """What a first-order solver needs of an objective."""

    n_passes: int

    def value_and_grad(self, theta: NDArray) -> tuple[float, NDArray]: ...

    def grad_norm(self, gradient: NDArray) -> float: ...


class Iteration(NamedTuple):
    """The state after an iteration, as `history_` keeps it and a progress line shows it."""

    objective: float
    grad_norm: float  # max |∇F|
    n_passes: int  # over X, so far
    seconds: float  # since the solver started

    def __str__(self) -> str:
        return (
            f"pass {self.n_passes:4d}   objective {self.objective:.8f}   "
            f"max |gradient| {self.grad_norm:.1e}   {self.seconds:6.2f} s"
        )


@dataclass
class Result:
    """Where a solver ended, and why."""

    theta: NDArray
    value: float
    gradient: NDArray
    converged: bool
    message: str
    history: list[Iteration] = field(default_factory=list)


Report = Callable[[Iteration], None]
