"""What every solver takes and returns, and the table of solvers."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.curvature import (
    HESSIAN_PARAMETERS,
    BlockRules,
    Curvature,
    curvature_of,
    hessian_bytes,
)
from fastsoftmax._engine.data import SparseData
from fastsoftmax._engine.line_search import Iterate, LineRules, iterate_at
from fastsoftmax._engine.objective import Loss, Objective, has_minimiser, separates
from fastsoftmax._engine.objective.precision import logits_bytes, to_float64, uses_float32
from fastsoftmax._engine.objective.rounding import raised
from fastsoftmax._engine.solvers.block_preconditioner import RebuildSchedule
from fastsoftmax._engine.solvers.certificate import USUAL as CERTAIN
from fastsoftmax._engine.solvers.certificate import Certificate
from fastsoftmax._engine.solvers.rules import EndingRules, LbfgsRules, ProofRules, ProximalRules
from fastsoftmax._runtime.callbacks import FitState, ends
from fastsoftmax._validation import check
from fastsoftmax._validation.spellings import is_a_solver as theirs


class Iteration(NamedTuple):
    """The state after an iteration, as `history_` keeps it and a progress line shows it."""

    objective: float
    grad_norm: float  # max |∇F|
    n_passes: float  # over X, so far, other work being counted by its multiply-adds
    seconds: float  # since the solver started
    gap: float = math.nan  # the estimate of (F - F*) / F by which the solver stops
    n_rounds: int = 0  # of an engine, so far
    n_bytes: int = 0  # that this process sent workers and got from them, so far

    def __str__(self) -> str:
        return (
            f"pass {self.n_passes:6.1f}   objective {self.objective:.8f}   gap {self.gap:.1e}   "
            f"max |gradient| {self.grad_norm:.1e}   {self.seconds:6.2f} s"
        )


MOST_ROWS = 2**31 - 1  # whose numbers are int32
EPSILON = 1e-16  # half of float64's last place: a smaller share of F does not show
NEGLIGIBLE = 1e-13  # of F at zero logits: of a lower F the tolerance is no longer a share


class Tolerance(NamedTuple):
    """The gap that a fit may have: a share of F, or of the least F that counts."""

    share: float
    least: float

    @classmethod
    def of(cls, tol: float, loss: Loss) -> "Tolerance":
        """That which users ask for by `tol`."""
        return cls(max(tol, EPSILON), NEGLIGIBLE * loss.uniform_loss)

    def at(self, value: float) -> float:
        """The gap at a value of F."""
        return float(self.share * max(value, self.least))


class Stop(NamedTuple):
    """Why a solver ended without an optimum, and what helps."""

    reason: str
    remedy: str


CALLBACK = Stop("stopped by the callback", "")
MAX_ITER = Stop(
    "max_iter reached",
    "Increase max_iter (now {max_iter}), scale the features, or decrease C (now {C:g})",
)
OVERFLOW = Stop("the features overflow", "Scale the features")
SEPARABLE = Stop(
    "the classes are separable, so that without a penalty there is no optimum",
    "Penalise all features, with a finite C",
)
SLOW = Stop("another method is faster here", "")
ROUNDED = Stop(
    "no step decreases the objective beyond rounding",
    "Increase tol (now {tol:g}), scale the features, or decrease C (now {C:g})",
)
FAR_OFFSETS = Stop(
    "no step decreases the objective, since offsets lie far apart", "Use smaller offsets"
)

Report = Callable[[FitState], object]  # what is true of it ends the fit


@dataclass(frozen=True)
class FailedProofs:
    """Proofs in float64 that may show more to be left than they should, before a fit gives up.

    docs/experiments/0041-separation.md and 0071-rules.md.
    """

    usual: int = 10
    to_zero: int = 12  # while a probability goes on to 0 and nothing tells whether that ends
    to_end: int = 60  # while it does though that is known to end


@dataclass(frozen=True)
class Options:
    """When to stop, and what else the user says."""

    tol: float
    max_iter: int
    seed: int = 0
    report: Report = lambda state: None
    line: LineRules = field(default_factory=LineRules)
    blocks: BlockRules = field(default_factory=BlockRules)
    rebuilds: RebuildSchedule = field(default_factory=RebuildSchedule)
    endings: EndingRules = field(default_factory=EndingRules)
    proofs: FailedProofs = field(default_factory=FailedProofs)
    lbfgs: LbfgsRules = field(default_factory=LbfgsRules)
    proving: ProofRules = field(default_factory=ProofRules)
    proximal: ProximalRules = field(default_factory=ProximalRules)


@dataclass
class Result:
    """Where a solver ended, and why."""

    curvature: Curvature | None  # what it knew of the Hessian
    theta: NDArray | None = None
    value: float = math.nan
    gradient: NDArray | None = None
    converged: bool = False
    halted: bool = False  # by a callback
    stop: Stop | None = None  # None if it converged
    gap_bound: float = math.inf
    certified: bool = False  # whether the bound proves convergence
    history: list[Iteration] = field(default_factory=list)
    n_passes: float = 0.0  # over X


class Run:
    """The record of a run: its history and its end."""

    def __init__(self, objective: Objective, options: Options) -> None:
        self.objective, self.options = objective, options
        self.curvature = curvature_of(objective)
        self.result = Result(self.curvature)
        self._began = time.perf_counter()
        self._notified = 0  # iterations
        self._failures, self._most_failures = 0, options.proofs.usual
        self._separable = False  # whether the last proof failed since probabilities go on to 0
        self._asked, self._minimiser = False, None  # whether F has one, None if nothing tells

    @property
    def n_iter(self) -> int:
        return len(self.result.history)

    def record(self, value: float, gradient: NDArray | None, *, again: bool = False) -> None:
        """Record the end of an iteration, whose gradient may not be known; again, what came after
        it."""
        gap = self.result.history[-1].gap if again else math.nan
        traffic = self.objective.data.traffic
        iteration = Iteration(
            value,
            math.nan if gradient is None else self.objective.grad_norm(gradient),
            self.objective.passes.count,
            time.perf_counter() - self._began,
            gap,
            traffic.rounds,
            traffic.bytes,
        )
        if again:
            self.result.history.pop()
        self.result.history.append(iteration)

    def raise_history(self, value: float) -> None:
        """Raise to a later F what was recorded below it, while rows were inactive."""
        history = self.result.history
        for i in reversed(range(len(history))):
            if history[i].objective >= value:
                break
            history[i] = history[i]._replace(objective=value)

    def increase_precision(self, it: Iterate) -> Iterate | None:
        """The iterate in float64; None if it was computed so already.

        What was recorded in float32 is corrected by what its last value was off, and what rounding
        has added to all classes alike is taken away: it adds to the penalty alone.
        """
        if not uses_float32(self.objective):
            return None
        to_float64(self.objective)
        theta = self.objective.parameters.project(it.theta)
        precise = iterate_at(self.objective, theta, self.options.line)
        off, history = precise.value - it.value, self.result.history
        if math.isfinite(off):
            history[:] = [past._replace(objective=past.objective + off) for past in history]
        return precise

    def go_on(self, it: Iterate) -> Iterate:
        """The iterate in float64, from which another method goes on."""
        self.result.stop, self._failures = None, 0
        return self.increase_precision(it) or it

    def notify(self, theta: NDArray, left: float) -> None:
        """Notify the callback of the last iteration, with an estimate of what is left to gain."""
        if not self.n_iter or self._notified == self.n_iter:
            return
        self._notified = self.n_iter
        last = self.result.history[-1]
        gap = left / last.objective if last.objective > 0 else 0.0
        self.result.history[-1] = last = last._replace(gap=gap)
        models = self.objective.models

        def model() -> dict[str, NDArray]:
            return dict(zip(("coef", "intercept"), models.of(theta), strict=True))

        self.result.halted = ends(self.options.report, self.result.history, self.n_iter, model)

    def trend(self, since: int) -> float:
        """What is left to gain if F goes on as since that iteration, or lately (Aitken 1926).

        It catches what the curvature that a solver believes in does not show.
        """
        values = [iteration.objective for iteration in self.result.history]
        span = max(len(values) - since, 2 * self.options.endings.lately) // 4
        if len(values) <= 2 * span:
            return 0.0
        before, lately = values[-1 - 2 * span] - values[-1 - span], values[-1 - span] - values[-1]
        return lately**2 / (before - lately) if before > lately > 0 else max(lately, 0.0)

    def tolerance(self, value: float) -> float:
        """The gap with which a fit ends at a value of F."""
        return Tolerance.of(self.options.tol, self.objective.loss).at(value)

    def bound_of_model(self, bound: float, theta: NDArray) -> float:
        """A bound at θ, for the coefficients and rounded intercepts that users get."""
        return raised(bound, self.objective.models.rounding(theta, self.result.value))

    def proves(self, certificate: Certificate | None) -> bool:
        """Whether a certificate of the present point ends the fit.

        F is positive, so that it bounds the gap itself. Where no bound is possible, without a
        penalty or beyond float64, the exact Newton step shows that next to nothing is left to gain.
        Where weights are not penalised and F seems to have no minimiser, it has to have one.
        """
        if certificate is None:
            return False
        o, result = self.objective, self.result
        result.value = certificate.value
        bound = certificate.bound
        wanted = self.tolerance(certificate.value)
        vanishes = certificate.least_change < self.options.endings.vanishing
        beyond = certificate.rounding > CERTAIN.hidden * wanted
        newton = beyond and certificate.is_newton and certificate.decrease <= wanted
        vanishing_loss = certificate.value <= wanted
        near = bound <= wanted or newton or vanishing_loss
        exists: bool | None = True
        if o.terms.open_ended and (near or vanishes):
            exists = self.has_minimiser(certificate.theta, wanted if near else math.inf)
        # probabilities that are limited to 0 are no obstacle to a minimiser that is known to exist
        known = certificate.least_change >= -1 or (o.terms.open_ended and exists)
        ends = bound <= wanted or (newton and known)
        if exists and vanishing_loss:
            bound, ends = min(bound, certificate.value), True
        self._separable = exists is False or (exists is None and vanishes)
        most = self.options.proofs
        if exists is False:
            self._most_failures = 0 if near else most.to_zero
        elif vanishes:
            self._most_failures = most.to_zero if exists is None else most.to_end
        if ends and not self._separable:
            of_model = self.bound_of_model(bound, certificate.theta)
            # unless what rounding makes of the intercepts is all that is left to prove
            if of_model <= wanted or bound > wanted:
                result.converged, result.stop = True, None
                result.gap_bound, result.certified = of_model, of_model <= wanted
        # with an L1 penalty the solver sees by itself whether it gets on
        counts = not (uses_float32(o) or result.converged) and (self._separable or not o.l1)
        self._failures += counts
        return result.converged

    def has_minimiser(self, theta: NDArray, left: float) -> bool | None:
        """Whether F has one, asked once, at a point where at most so much is left to gain; None if
        nothing tells."""
        if not self._asked:
            self._asked, self._minimiser = True, has_minimiser(self.objective, theta, left)
        return self._minimiser

    def separated(self, it: Iterate) -> bool:
        """Whether the loss is so low since classes are separated, or seem to be."""
        o, value = self.objective, it.value
        if o.penalty or o.l1 or value > self.options.endings.separated * o.loss.null_loss(o.shares):
            return False
        return separates(o, value) or not self.has_minimiser(it.theta, math.inf)

    @property
    def stuck(self) -> Stop:
        """Why no further step helps."""
        if self._separable:
            return SEPARABLE
        far = self.objective.models.offset_size > self.options.endings.large_offset
        return FAR_OFFSETS if far else ROUNDED

    def stops(self, it: Iterate) -> Stop | None:
        """Why to stop without an optimum, if there is reason to."""
        if self.result.halted:
            return CALLBACK
        if not math.isfinite(it.value):
            return OVERFLOW
        if self.separated(it):
            return SEPARABLE
        if self._failures >= self._most_failures:
            return self.stuck
        if self.n_iter < self.options.max_iter:
            return None
        open_ended = self.objective.terms.open_ended
        endless = open_ended and self.has_minimiser(it.theta, math.inf) is False
        return SEPARABLE if endless else MAX_ITER

    def end(self, it: Iterate, certificate: Certificate | None = None) -> Result:
        """The result at the iterate, with a certificate where none has ended the fit yet."""
        result = self.result
        result.theta, result.gradient = it.theta, it.gradient
        if not result.converged or math.isnan(result.value):
            result.value = it.value
        if not (result.converged or certificate is None or self.proves(certificate)):
            result.gap_bound = self.bound_of_model(certificate.bound, certificate.theta)
        if self.n_iter:  # what the certificate changed belongs to the last iteration
            self.record(result.value, it.gradient, again=True)
        result.n_passes = self.objective.passes.count
        return result


Minimize = Callable[[Objective, NDArray, Options], Result]


@dataclass(frozen=True)
class Solver:
    """A solver, and what it needs that not every objective has: names of `lacks`."""

    minimize: Minimize
    needs: tuple[str, ...] = ()


SOLVERS: dict[str, Solver] = {}


def register(name: str, *, needs: tuple[str, ...] = ()) -> Callable[[Minimize], Minimize]:
    """Enter a solver in the table, by the name under which users ask for it."""

    def enter(minimize: Minimize) -> Minimize:
        SOLVERS[name] = Solver(minimize, needs)
        return minimize

    return enter


def lacks(objective: Objective, need: str) -> str | None:
    """Why an objective cannot give what a solver needs; None if it can."""
    o = objective
    if need == "smooth" and o.l1:
        return "a smooth penalty (l1_ratio=0)"
    if need == "dual" and (lacking := lacks_dual(o)):
        return lacking
    if need == "l1" and not o.l1:
        return "an L1 penalty (l1_ratio > 0)"
    if o.data.is_distributed and need in ("hessian", "rows"):
        return f"{'the exact Hessian' if need == 'hessian' else 'the rows'}, which an engine holds"
    if need != "hessian":
        return None
    if o.data.is_sparse:
        return "the exact Hessian, which is not made for a sparse X"
    if o.size > HESSIAN_PARAMETERS:
        return (
            f"the exact Hessian, which is made for up to {HESSIAN_PARAMETERS} parameters, "
            f"of {o.size}"
        )
    if (size := hessian_bytes(o)) > o.memory.total:
        return f"{size} bytes for the exact Hessian, max_memory being {o.memory.total}"
    return None


def lacks_dual(objective: Objective) -> str | None:
    """Why the dual problem is not solved a row at a time; None if it can be."""
    o = objective
    if not isinstance(o.data, SparseData) or o.data.shape[0] > MOST_ROWS:
        return "a sparse X in memory (a small one is made dense)"
    if o.n_logits > 1:
        return "two classes"
    if not o.penalty or len(o.free):
        return "a penalty of all features (a finite C)"
    units = o.parameters.units(np.arange(o.data.shape[1]))
    changed = o.parameters.centre is not None or (units != 1).any()
    return "features of moderate size" if changed else None


def find(name: str, objective: Objective) -> Solver:
    """The solver of that name, if the objective has what it needs; else the error that says so."""
    solver = SOLVERS[name]
    if "logits" in solver.needs and objective.l1:
        memory = objective.memory
        share = 3 * logits_bytes(objective) / memory.proximal_logits
        check.max_memory(memory.total, math.ceil(memory.total * share), "the logits of an L1 fit")
    for need in solver.needs:
        if lacking := lacks(objective, need):
            able = [
                other
                for other, s in SOLVERS.items()
                if need not in s.needs and not any(lacks(objective, n) for n in s.needs)
            ]
            others = f"; expected one of {', '.join(able)} here" if able else ""
            raise ValueError(f"solver: {name!r} needs {lacking}{others}")
    return solver


def known(name: object) -> str:
    """The name of a solver, checked."""
    if not isinstance(name, str) or name not in SOLVERS:
        hint = "; 'auto' finds the optimum of scikit-learn's solvers" if theirs(name) else ""
        raise ValueError(
            f"solver: expected one of {', '.join(SOLVERS)}, got {check.shown(name)}"
            + (hint or check.meant(name, SOLVERS))
        )
    return name
