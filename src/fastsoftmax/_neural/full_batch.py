"""Training by SciPy's L-BFGS on all rows at a time, as scikit-learn's networks do it."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._neural.network import Pass
from fastsoftmax._neural.sparse_rows import epoch as run_epoch
from fastsoftmax._neural.training import Plan, Task, described, diverged
from fastsoftmax._runtime.progress import progress


def train_full_batch(task: Task, plan: Plan) -> bool:
    """As `train`, each iteration for an epoch; the rule is the one that stores the gradient."""
    from scipy.optimize import minimize

    network, rule, rows, goal = task.network, task.rule, task.rows, task.goal
    order, record = task.order, task.record
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
            epoch = task.epoch(plan, loss, last[0], began)
            began = time.perf_counter()
            record.add(epoch, plan)
            show(described(epoch))
            ended = task.ended_by(plan.callback)
            if ended:
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
