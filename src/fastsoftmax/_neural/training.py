"""The loop over epochs: schedules, early stopping, callbacks, and what it leaves on record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._neural.goals import Goal, Rows, spread_of
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
    rows_seen: int = 0
    epochs: int = 0  # of this fit, or since the first of several partial ones
    no_better: int = 0  # epochs in a row

    def continued(self, same_fit: bool) -> "Record":
        """A copy to go on with, in the same fit, one epoch of many, or in a new one."""
        return replace(
            self,
            history=list(self.history),
            validation_scores=list(self.validation_scores),
            epochs=self.epochs if same_fit else 0,
            no_better=self.no_better if same_fit else 0,
        )

    def add(self, epoch: Epoch | RegressionEpoch, plan: Plan) -> bool:
        """Enter an epoch; whether it is the best by its validation score."""
        self.history.append(epoch)
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


def diverged(epoch: int, step: int | None, rate: float) -> DivergedError:
    where = "at its end" if step is None else f"at step {step}"
    return DivergedError(
        f"training diverged: the loss is not finite in epoch {epoch} {where}, at learning rate "
        f"{rate:g}; the model keeps the last finite weights. Decrease learning_rate_init, or scale "
        "the features."
    )


def one_epoch(
    network: Network, rule: Rule, goal: Goal, rows: Rows, order: NDArray, plan: Plan,
    record: Record, halted: Callable[[], bool],
) -> Pass:  # fmt: skip
    """Train on the rows in this order; raises DivergedError where the loss is not finite."""
    rate = plan.schedule.at(record.epochs, record.rows_seen)
    before = network.snapshot()
    done = run_epoch(
        network, rows.X, rows.targets, order, plan.batch_size, rule, rate,
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


def train(
    network: Network,
    rule: Rule,
    goal: Goal,
    rows: Rows,
    order: NDArray[np.intp],
    plan: Plan,
    record: Record,
    rng: np.random.Generator,
    validation: Rows | None = None,
) -> bool:
    """Train on the rows that `order` names; whether a rule or the callback ended it.

    With early stopping the network is left with the weights of the best epoch. Ctrl-C ends training
    between two steps, with a warning; an epoch that it cuts short is not recorded.
    """
    weights = None if rows.weights is None else rows.weights[order]
    total = float(len(order) if weights is None else weights.sum(dtype=np.float64))
    spread = spread_of(rows, order) if goal.measure == "squares" else None
    best = None
    ended = False
    with Interrupts() as interrupts, progress(plan.verbose, plan.max_iter, "epoch") as show:
        for _ in range(plan.max_iter):
            began = time.perf_counter()
            if plan.shuffle:
                rng.shuffle(order)
            done = one_epoch(network, rule, goal, rows, order, plan, record, interrupts)
            if done.interrupted:
                record.rows_seen += done.n_steps * plan.batch_size
                break
            record.epochs += 1
            record.rows_seen += len(order)
            score = goal.score_of_pass(done, total, spread)
            validated = validated_by(network, goal, validation)
            epoch = plan.kind(done.loss, score, *validated, time.perf_counter() - began)
            if record.add(epoch, plan):
                best = network.snapshot()
            show(described(epoch))
            if plan.callback and ended_by(plan.callback, record, network):
                ended = True
                break
            if plan.tol is not None and record.no_better > plan.n_iter_no_change:
                plan, ended = gone_on(plan, record)
                if ended:
                    break
            if interrupts():
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
    return ended


def ended_by(callback: Callable[[FitState], object], record: Record, network: Network) -> bool:
    """Whether the callback ends the fit after this epoch."""

    def model() -> dict[str, list[NDArray]]:
        return {"coefs": network.coefs, "intercepts": network.intercepts}

    return ends(callback, record.history, record.epochs, model)


def validated_by(network: Network, goal: Goal, rows: Rows | None) -> tuple[float | None, ...]:
    """Loss and score of rows that are kept for validation."""
    if rows is None:
        return None, None
    z = outputs(network, rows.X)
    return goal.mean_loss(z, rows), goal.score(z, rows)


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
