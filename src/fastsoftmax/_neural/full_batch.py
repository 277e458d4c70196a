"""Training by SciPy's L-BFGS on all rows at a time, as scikit-learn's networks do it."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._neural.network import Pass
from fastsoftmax._neural.sparse_rows import epoch as run_epoch
from fastsoftmax._neural.training import Plan, Task, described, diverged
from fastsoftmax._runtime.progress import progress


def train_full_batch(task: Task, plan: Plan) -> str:
    """As `train`, each iteration for an epoch; the rule is the one that stores the gradient."""
    from scipy.optimize import minimize

    network, rule, rows, goal = task.network, task.rule, task.rows, task.goal
    order, record = task.order, task.record
    last: list[Pass] = []
    ended = False
    reached = network.snapshot()  # by the last iteration

    def value_and_grad(weights: NDArray) -> tuple[float, NDArray]:
        network.restore(weights)
        is_start = not last
        last[:] = [
            run_epoch(
                network, rows.X, rows.targets, order, len(order), rule, 0.0,
                sample_weight=rows.weights, measure=goal.measure, threshold=goal.threshold,
            )
        ]  # fmt: skip
        loss = last[0].loss if last[0].complete else np.inf
        if is_start:
            if not np.isfinite(loss):
                raise diverged(1, None, None)
            record.loss, record.best_loss = loss, min(loss, record.best_loss)
        return loss, rule.first.astype(np.float64)

    with progress(plan.verbose, plan.max_iter, "epoch") as show:
        began = time.perf_counter()

        def after(intermediate_result: Any) -> None:
            nonlocal began, ended, reached
            loss = float(intermediate_result.fun)
            if not np.isfinite(loss):  # which SciPy takes for the end of a search
                network.restore(reached)
                raise diverged(record.epochs + 1, None, None)
            network.restore(intermediate_result.x)
            reached = network.snapshot()
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
    network.restore(reached)
    return "" if ended or result.status == 0 else reason(result, plan)


def reason(result: Any, plan: Plan) -> str:
    """What ended the iterations before the gradient was small."""
    if result.nit >= plan.max_iter:
        return f"max_iter={plan.max_iter} epochs ended"
    if result.nfev >= plan.max_fun:
        return f"max_fun={plan.max_fun} evaluations of the loss ended"
    return f"epoch {result.nit + 1} found no lower loss, and training ended"
