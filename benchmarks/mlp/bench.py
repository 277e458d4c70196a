"""Training of small networks: microseconds per step, against NumPy, scikit-learn and PyTorch.

    pytest benchmarks/mlp/bench.py --benchmark-only -k "fastsoftmax or torch"
    pytest benchmarks/mlp/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.mlp.report run.json > benchmarks/results/mlp.md

One round is an epoch over 5000 rows, from the same parameters and in the same order for every
peer. The loss of the first epoch is compared with the oracle's in float64 before anything is timed.
"""

import numpy as np
import pytest
from support import reference_networks as oracle

from benchmarks.mlp import peers, problems
from fastsoftmax import MLPClassifier

ROUNDS = 20
CHECKED_ROWS = 640  # of the first epoch
EPOCHS = 10  # of a whole fit


@pytest.fixture(scope="module")
def rows():
    return problems.rows()


@pytest.fixture(scope="module", params=problems.PROBLEMS, ids=lambda problem: problem.name)
def problem(request, rows):
    """(problem, loss of the first rows in float64): made once for all peers."""
    case, (X, y, _) = request.param, rows
    coefs, intercepts = ([a.astype(float) for a in arrays] for arrays in problems.start(case))
    loss = oracle.epoch(
        X.astype(float), np.eye(problems.K)[y], coefs, intercepts, "relu", "cross_entropy",
        order=order_of_epoch()[:CHECKED_ROWS], batch_size=case.batch_size,
        rule=oracle.Rule(case.solver), rate=case.rate,
    )  # fmt: skip
    return case, loss


def order_of_epoch():
    return np.random.default_rng(2).permutation(problems.N)


@pytest.mark.parametrize("peer", peers.PEERS)
def test_epoch(problem, peer, rows, benchmark, record):
    case, expected = problem
    X, y, real = rows
    try:
        epoch, how = peers.PEERS[peer](case, X, y, *problems.start(case))
    except (ImportError, NotImplementedError) as error:
        pytest.skip(str(error))
    order = order_of_epoch()
    loss = epoch(order[:CHECKED_ROWS])
    assert loss == pytest.approx(expected, rel=2e-5), "not the same training"
    record(
        peer=peer, how=how, steps=case.steps, mnist=real,
        asked={"numpy": case.numpy, "torch": case.torch},
    )  # fmt: skip
    benchmark.group = case.name
    benchmark.pedantic(epoch, args=(order,), rounds=ROUNDS, warmup_rounds=2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit(problem, rows, benchmark, record):
    """What the estimator adds: checks of the input, a new order each epoch, the history."""
    case, _ = problem
    X, y, real = rows
    model = MLPClassifier(
        case.hidden, "relu", solver=case.solver, alpha=0.0, batch_size=case.batch_size,
        learning_rate_init=case.rate, momentum=0.0, max_iter=EPOCHS, tol=0.0, random_state=0,
    )  # fmt: skip
    assert model.fit(X, y).score(X, y) > 0.85
    record(peer="MLPClassifier.fit", steps=EPOCHS * case.steps, mnist=real)
    benchmark.group = case.name
    benchmark.pedantic(model.fit, args=(X, y), rounds=5)
