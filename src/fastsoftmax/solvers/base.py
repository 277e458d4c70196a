"""What every solver takes and returns, and the table of solvers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from numpy.typing import NDArray

from fastsoftmax.objective import Objective


class Iteration(NamedTuple):
    """The state after an iteration, as `history_` keeps it and a progress line shows it."""

    objective: float
    grad_norm: float  # max |∇F|
    n_passes: float  # over X, so far, other work being counted by its multiply-adds
    seconds: float  # since the solver started

    def __str__(self) -> str:
        return (
            f"pass {self.n_passes:6.1f}   objective {self.objective:.8f}   "
            f"max |gradient| {self.grad_norm:.1e}   {self.seconds:6.2f} s"
        )


Report = Callable[[Iteration], None]


@dataclass(frozen=True)
class Options:
    """When to stop, and what else the user says."""

    tol: float
    max_iter: int
    seed: int = 0
    report: Report = lambda iteration: None


@dataclass
class Result:
    """Where a solver ended, and why."""

    theta: NDArray
    value: float
    gradient: NDArray
    converged: bool = False
    message: str = "max_iter reached"
    history: list[Iteration] = field(default_factory=list)


Minimize = Callable[[Objective, NDArray, Options], Result]


@dataclass(frozen=True)
class Solver:
    """A solver, and what it needs that not every objective has: names of `Objective.lacks`."""

    minimize: Minimize
    needs: tuple[str, ...] = ()


SOLVERS: dict[str, Solver] = {}


def register(name: str, *, needs: tuple[str, ...] = ()) -> Callable[[Minimize], Minimize]:
    """Enter a solver in the table, by the name under which users ask for it."""

    def enter(minimize: Minimize) -> Minimize:
        SOLVERS[name] = Solver(minimize, needs)
        return minimize

    return enter
