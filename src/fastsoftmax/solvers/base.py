"""What every solver takes and returns, and the table of solvers."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from numpy.typing import NDArray

from fastsoftmax.objective import Line, Objective, certify


class Iteration(NamedTuple):
    """The state after an iteration, as `history_` keeps it and a progress line shows it."""

    objective: float
    grad_norm: float  # max |∇F|
    n_passes: float  # over X, so far, other work being counted by its multiply-adds
    seconds: float  # since the solver started
    gap: float = math.nan  # the estimate of (F - F*) / F by which the solver stops

    def __str__(self) -> str:
        return (
            f"pass {self.n_passes:6.1f}   objective {self.objective:.8f}   gap {self.gap:.1e}   "
            f"max |gradient| {self.grad_norm:.1e}   {self.seconds:6.2f} s"
        )


class State:
    """What a callback sees after an iteration.

    Attributes
    ----------
    n_iter : int
        Iterations so far.
    objective, grad_norm, gap, n_passes, seconds : float
        As in `Iteration`.
    coef, intercept : ndarray of shape (K, D) and (K,)
        The model at this point, made when they are asked for, which is while the callback runs.
    """

    def __init__(
        self, iteration: Iteration, n_iter: int, model: Callable[[], tuple[NDArray, NDArray]]
    ) -> None:
        self._iteration, self.n_iter = iteration, n_iter
        self._make: Callable[[], tuple[NDArray, NDArray]] | None = model
        self._model: tuple[NDArray, NDArray] | None = None

    def __getattr__(self, name: str) -> float:
        if name in Iteration._fields:
            return getattr(self._iteration, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _made(self) -> tuple[NDArray, NDArray]:
        if self._model is None:
            if self._make is None:
                raise RuntimeError("the model was not asked for while the callback ran")
            self._model = self._make()
        return self._model

    @property
    def coef(self) -> NDArray:
        return self._made()[0]

    @property
    def intercept(self) -> NDArray:
        return self._made()[1]

    def close(self) -> None:
        """The solver goes on: from here on the point is another."""
        self._make = None

    def __str__(self) -> str:
        return str(self._iteration)

    def __repr__(self) -> str:
        return f"<State after {self.n_iter} iterations: {self._iteration}>"


LATELY = 4  # iterations, at least, that tell how F goes on
SEPARATED = 1e-5  # of the loss of a model blind to X: an unpenalised loss this low goes on to 0

Report = Callable[[State], object]  # what is true of it ends the fit


@dataclass(frozen=True)
class Options:
    """When to stop, and what else the user says."""

    tol: float
    max_iter: int
    seed: int = 0
    report: Report = lambda state: None
    certified: bool = True  # whether to bound at the end what is left to gain


@dataclass
class Result:
    """Where a solver ended, and why."""

    theta: NDArray
    value: float = math.nan
    gradient: NDArray | None = None
    converged: bool = False
    halted: bool = False  # by a callback
    message: str = "max_iter reached"
    gap_bound: float = math.inf
    history: list[Iteration] = field(default_factory=list)


class Run:
    """The record of a run: its history and its end."""

    def __init__(self, objective: Objective, theta: NDArray, options: Options) -> None:
        self.objective, self.options = objective, options
        self.result = Result(theta)
        self._began = time.perf_counter()
        self._told = 0  # iterations

    @property
    def n_iter(self) -> int:
        return len(self.result.history)

    def note(self, value: float, gradient: NDArray, *, again: bool = False) -> None:
        """The end of an iteration; again, what came after it."""
        gap = self.result.history[-1].gap if again else math.nan
        iteration = Iteration(
            value,
            self.objective.grad_norm(gradient),
            self.objective.n_passes,
            time.perf_counter() - self._began,
            gap,
        )
        if again:
            self.result.history.pop()
        self.result.history.append(iteration)

    def lift(self, value: float) -> None:
        """What was noted below F at a later point was noted while rows were not looked at."""
        history = self.result.history
        for i in reversed(range(len(history))):
            if history[i].objective >= value:
                break
            history[i] = history[i]._replace(objective=value)

    def refine(self, line: Line) -> bool:
        """Go on in the precision of X; whether it was computed in less so far.

        What was noted in less was off by about as much as it is here.
        """
        rough = line.value
        if not line.refine():
            return False
        off, history = line.value - rough, self.result.history
        if math.isfinite(off):
            history[:] = [past._replace(objective=past.objective + off) for past in history]
        return True

    def tell(self, theta: NDArray, left: float) -> None:
        """Who watches of the last iteration, with an estimate of what is left to gain there."""
        if not self.n_iter or self._told == self.n_iter:
            return
        self._told = self.n_iter
        last = self.result.history[-1]
        gap = left / last.objective if last.objective > 0 else 0.0
        self.result.history[-1] = last = last._replace(gap=gap)
        state = State(last, self.n_iter, lambda: self.objective.model(theta))
        self.result.halted = bool(self.options.report(state))
        state.close()

    def trend(self, since: int) -> float:
        """What is left to gain if F goes on as since that iteration, or lately (Aitken 1926).

        It catches what the curvature that a solver believes in does not show.
        """
        values = [iteration.objective for iteration in self.result.history]
        span = max(len(values) - since, 2 * LATELY) // 4
        if len(values) <= 2 * span:
            return 0.0
        before, lately = values[-1 - 2 * span] - values[-1 - span], values[-1 - span] - values[-1]
        return lately**2 / (before - lately) if before > lately > 0 else max(lately, 0.0)

    def converge(self) -> None:
        self.result.converged, self.result.message = True, "converged"

    def stops(self, line: Line) -> str | None:
        """Why to stop without an optimum, if there is reason to."""
        if self.result.halted:
            return "stopped by the callback"
        if not math.isfinite(line.value):
            return "the objective is not finite: the features overflow"
        is_penalised = self.objective.penalty or self.objective.l1
        if not is_penalised and line.value <= SEPARATED * self.objective.blind_loss:
            return "the classes are separable, without a penalty there is no optimum,"
        return "max_iter reached" if self.n_iter == self.options.max_iter else None

    def end(self, line: Line, gap_bound: float | None = None) -> Result:
        """The result, with its certificate, at the line's point."""
        if gap_bound is not None:
            self.result.gap_bound = gap_bound
        elif self.options.certified and math.isfinite(line.value):
            self.result.gap_bound = certify(self.objective, line, tol=self.options.tol)
        self.result.theta, self.result.value = line.theta, line.value
        self.result.gradient = line.gradient
        if self.n_iter:  # what the certificate changed belongs to the last iteration
            self.note(line.value, line.gradient, again=True)
        return self.result


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


def find(name: str, objective: Objective) -> Solver:
    """The solver of that name, if the objective has what it needs; else the error that says so."""
    solver = SOLVERS[name]
    for need in solver.needs:
        if lacking := objective.lacks(need):
            able = [other for other, s in SOLVERS.items() if need not in s.needs]
            raise ValueError(
                f"solver: {name!r} needs {lacking}; expected one of {', '.join(able)} here"
            )
    return solver


def known(name: object) -> str:
    """The name of a solver, checked."""
    if not isinstance(name, str) or name not in SOLVERS:
        raise ValueError(f"solver: expected one of {', '.join(SOLVERS)}, got {name!r}")
    return name
