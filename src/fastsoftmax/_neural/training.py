"""The loop over epochs: schedules, early stopping, callbacks, and what it leaves on record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._neural.goals import Goal, TrainingRows, spread_of
from fastsoftmax._neural.network import Network, Pass
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.schedules import LEAST, Schedule
from fastsoftmax._neural.sparse_rows import epoch as run_epoch
from fastsoftmax._neural.sparse_rows import outputs
from fastsoftmax._runtime import caller
from fastsoftmax._runtime.atomic import DivergedError
from fastsoftmax._runtime.callbacks import FitState, ends
from fastsoftmax._runtime.interrupts import Interrupts
from fastsoftmax._runtime.progress import progress


class Epoch(NamedTuple):
    """An epoch of a classifier, as `history_` keeps it; None where nothing was measured."""

    loss: float  # mean over the steps, each before its update, penalty included
    accuracy: float  # of the training rows, as the steps met them
    validation_loss: float | None  # after the epoch, without the penalty
    validation_accuracy: float | None
    seconds: float  # of the epoch, validation included


class RegressionEpoch(NamedTuple):
    """An epoch of a regressor, as `history_` keeps it: R² in place of accuracy."""

    loss: float
    score: float
    validation_loss: float | None
    validation_score: float | None
    seconds: float


@dataclass(frozen=True)
class Plan:
    """How to train, and when to stop."""

    max_iter: int
    batch_size: int
    schedule: Schedule
    shuffle: bool = True
    tol: float | None = None  # None: all epochs
    n_iter_no_change: float = 10
    max_fun: int = 15_000  # evaluations of the loss, where a solver outside chooses the steps
    early_stopping: bool = False  # by the score of the validation rows, not by the loss
    callback: Callable[[FitState], object] | None = None
    verbose: bool = False
    kind: type = Epoch


@dataclass
class Record:
    """What training leaves behind; further fits may go on with it."""

    history: list = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float = -np.inf
    loss: float = np.nan  # the last
    rows_seen: int = 0
    epochs: int = 0  # of this fit, or since the first of several partial ones
    no_better: int = 0  # epochs in a row

    def continued(self, same_fit: bool) -> "Record":
        """A copy to go on with, in the same fit, one epoch of many, or in a new one.

        A new one keeps the best of its own scores, with the weights that have it.
        """
        return replace(
            self,
            history=list(self.history),
            validation_scores=list(self.validation_scores),
            best_score=self.best_score if same_fit else -np.inf,
            epochs=self.epochs if same_fit else 0,
            no_better=self.no_better if same_fit else 0,
        )

    def add(self, epoch: Epoch | RegressionEpoch, plan: Plan) -> bool:
        """Enter an epoch; whether it is the best by its validation score."""
        self.history.append(epoch)
        self.loss = epoch.loss
        if not plan.early_stopping:
            worse = plan.tol is not None and epoch.loss > self.best_loss - plan.tol
            self.best_loss = min(self.best_loss, epoch.loss)
            self.no_better = self.no_better + 1 if worse else 0
            return False
        score = epoch[3]
        worse = plan.tol is not None and score < self.best_score + plan.tol
        self.no_better = self.no_better + 1 if worse else 0
        self.validation_scores.append(score)
        best = score > self.best_score
        self.best_score = max(self.best_score, score)
        return best


@dataclass
class Task:
    """A network, the rows that it learns from, and how far it has come."""

    network: Network
    rule: Rule
    goal: Goal
    rows: TrainingRows
    order: NDArray[np.intp]  # of the rows that it learns from
    record: Record
    rng: np.random.Generator
    validation: TrainingRows | None = None

    def __post_init__(self) -> None:
        weights = None if self.rows.weights is None else self.rows.weights[self.order]
        n = len(self.order)
        self.total_weight = float(n if weights is None else weights.sum(dtype=np.float64))
        is_r2 = self.goal.measure == "squares"
        self._spread = spread_of(self.rows, self.order) if is_r2 else None

    def epoch(self, plan: Plan, loss: float, done: Pass, began: float) -> Epoch | RegressionEpoch:
        """What a pass over the rows says, and the rows kept for validation after it."""
        score = self.goal.score_of_pass(done, self.total_weight, self._spread)
        validated: tuple[float | None, float | None] = None, None
        if self.validation is not None:
            z = outputs(self.network, self.validation.X)
            validated = (
                self.goal.mean_loss(z, self.validation),
                self.goal.score(z, self.validation),
            )
        return plan.kind(loss, score, *validated, time.perf_counter() - began)

    def ended_by(self, callback: Callable[[FitState], object] | None) -> bool:
        """Whether the callback ends the fit after this epoch."""

        def model() -> dict[str, list[NDArray]]:
            return {"coefs": self.network.coefs, "intercepts": self.network.intercepts}

        if callback is None:
            return False
        return ends(callback, self.record.history, self.record.epochs, model)


def diverged(epoch: int, step: int | None, rate: float | None) -> DivergedError:
    """The error of training at this rate, or by a solver that has none."""
    where = "at its end" if step is None else f"at step {step}"
    at = "" if rate is None else f", at learning rate {rate:g}"
    advice = "scale the features and the targets"
    if rate is not None:
        advice = f"decrease learning_rate_init, or {advice}"
    return DivergedError(
        f"training diverged: the loss is not finite in epoch {epoch} {where}{at}; the model keeps "
        f"the last finite weights. {advice.capitalize()}."
    )


def one_pass(task: Task, plan: Plan, halted: Callable[[], bool]) -> Pass:
    """Train on the rows in their order; raises DivergedError where the loss is not finite."""
    network, rows, goal, record = task.network, task.rows, task.goal, task.record
    rate = plan.schedule.at(record.epochs, record.rows_seen)
    before = network.snapshot()
    done = run_epoch(
        network, rows.X, rows.targets, task.order, plan.batch_size, task.rule, rate,
        sample_weight=rows.weights, measure=goal.measure, threshold=goal.threshold, halted=halted,
    )  # fmt: skip
    healthy = network.is_finite()
    if not healthy:
        network.restore(before)
    complete = done.complete or done.interrupted
    if not (complete and healthy and np.isfinite(done.loss)):
        step = None if complete else done.n_steps + 1
        raise diverged(record.epochs + 1, step, rate)
    return done


def one_epoch(task: Task, plan: Plan, halted: Callable[[], bool]) -> Epoch | RegressionEpoch | None:
    """Shuffle, train and measure; None where Ctrl-C cut it short."""
    record, began = task.record, time.perf_counter()
    if plan.shuffle:
        task.rng.shuffle(task.order)
    done = one_pass(task, plan, halted)
    if done.interrupted:
        record.rows_seen += done.n_steps * plan.batch_size
        return None
    record.epochs += 1
    record.rows_seen += len(task.order)
    return task.epoch(plan, done.loss, done, began)


def train(task: Task, plan: Plan) -> str:
    """Train on the rows of the task; what ended it before a rule or the callback did, if anything.

    With early stopping the network is left with the weights of the best epoch. Ctrl-C ends training
    between two steps, with a warning; an epoch that it cuts short is not recorded.
    """
    network, record = task.network, task.record
    best, ended = None, False
    with Interrupts() as interrupts, progress(plan.verbose, plan.max_iter, "epoch") as show:
        for _ in range(plan.max_iter):
            epoch = one_epoch(task, plan, interrupts)
            if epoch is None:
                break
            if record.add(epoch, plan):
                best = network.snapshot()
            show(described(epoch))
            ended = task.ended_by(plan.callback)
            if not ended and plan.tol is not None and record.no_better > plan.n_iter_no_change:
                plan, ended = gone_on(plan, record)
            if ended or interrupts():
                break
    if interrupts():
        ended = True
        caller.warn(
            f"Training interrupted by user. The model has what {record.epochs} epochs and the "
            "steps since then have learnt.",
            UserWarning,
        )
    if best is not None:
        network.restore(best)
    return "" if ended else f"max_iter={plan.max_iter} epochs ended"


def gone_on(plan: Plan, record: Record) -> tuple[Plan, bool]:
    """What follows epochs without progress: the end, but for "adaptive" a smaller rate first."""
    schedule = plan.schedule
    if schedule.name != "adaptive" or schedule.at(record.epochs, record.rows_seen) <= LEAST:
        return plan, True
    record.no_better = 0
    return replace(plan, schedule=replace(schedule, reductions=schedule.reductions + 1)), False


def described(epoch: Epoch | RegressionEpoch) -> str:
    return "   ".join(
        f"{name.replace('_', ' ')} {value:.5f}"
        for name, value in zip(epoch._fields, epoch, strict=True)
        if value is not None and name != "seconds"
    )
