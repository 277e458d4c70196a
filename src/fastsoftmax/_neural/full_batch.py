"""Training by SciPy's L-BFGS on all rows at a time, as scikit-learn's networks do it."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._neural.goals import Goal, Rows, spread_of
from fastsoftmax._neural.network import Network, Pass
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.sparse_rows import epoch as run_epoch
from fastsoftmax._neural.training import Plan, Record, described, diverged, ended_by, validated_by
from fastsoftmax._runtime.progress import progress


def train_full_batch(
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
    """As `train`, each iteration for an epoch; `rule` is the one that stores the gradient."""
    from scipy.optimize import minimize

    total = float(len(order) if rows.weights is None else rows.weights.sum(dtype=np.float64))
    spread = spread_of(rows) if goal.measure == "squares" else None
    last: list[Pass] = []
    ended = False
    before = network.snapshot()

    def value_and_grad(weights: NDArray) -> tuple[float, NDArray]:
        network.restore(weights)
        last[:] = [
            run_epoch(
                network, rows.X, rows.targets, order, len(order), rule, 0.0,
                sample_weight=rows.weights, measure=goal.measure, threshold=goal.threshold,
            )
        ]  # fmt: skip
        return last[0].loss, rule.first.astype(np.float64)

    with progress(plan.verbose, plan.max_iter, "epoch") as show:
        began = time.perf_counter()

        def after(intermediate_result: Any) -> None:
            nonlocal began, ended, before
            loss, weights = float(intermediate_result.fun), intermediate_result.x
            if not (np.isfinite(loss) and np.isfinite(weights).all()):
                network.restore(before)
                raise diverged(record.epochs + 1, None, 1.0)
            network.restore(weights)
            before = network.snapshot()
            record.epochs += 1
            record.rows_seen += len(order)
            validated = validated_by(network, goal, validation)
            seconds, began = time.perf_counter() - began, time.perf_counter()
            score = goal.score_of_pass(last[0], total, spread)
            epoch = plan.kind(loss, score, *validated, seconds)
            record.add(epoch, plan)
            show(described(epoch))
            if plan.callback and ended_by(plan.callback, record, network):
                ended = True
                raise StopIteration

        options = {
            "maxiter": plan.max_iter, "maxfun": plan.max_fun, "gtol": plan.tol,
        }  # fmt: skip
        start = network.snapshot().astype(np.float64)
        result = minimize(
            value_and_grad, start, jac=True, method="L-BFGS-B", callback=after, options=options
        )
    network.restore(result.x)
    return ended or result.status == 0
