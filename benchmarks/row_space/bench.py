"""Fits of more features than rows, with the row space and without, and scikit-learn's.

    pytest benchmarks/row_space/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.row_space.report run.json > benchmarks/results/row_space.md

The optimum is fastsoftmax's at tol=1e-11; objectives are evaluated in NumPy first. A peer is run
from loose settings to tight ones until its objective is within GAP, or it has spent LIMIT seconds;
what is timed is the first setting that is, or the last.
"""

import time
import warnings

import pytest

from benchmarks.fit.peers import LARGEST_HESSIAN
from benchmarks.row_space import problems
from benchmarks.row_space.peers import PEERS
from benchmarks.row_space.problems import PROBLEMS

GAP = 1e-5  # relative
LIMIT = 4.0  # seconds a peer may spend on a problem before it is given up
PAUSE = 0.2  # seconds, for threads of BLAS to stop spinning
SHORT = 0.1  # seconds of a fit that is timed
ROUNDS, FEW = 9, 3  # times, and others so often


@pytest.fixture(scope="module", params=PROBLEMS, ids=lambda problem: problem.name)
def problem(request):
    """(problem, X, y, F*)."""
    case = request.param
    if request.config.getoption("benchmark_disable") and case.n > 40:
        pytest.skip("too slow for a check")
    X, y = problems.load(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as far as the precision goes is far enough
        W, b = PEERS["fastsoftmax"](X, y, case.C, tol=1e-11)()
    return case, X, y, problems.objective(X, y, W, b, case.C)


@pytest.mark.parametrize("peer", PEERS)
def test_fit(problem, peer, benchmark, record, request):
    case, X, y, optimum = problem
    checked = request.config.getoption("benchmark_disable")
    if checked and peer != "fastsoftmax":
        pytest.skip("too slow for a check")
    if peer.endswith("newton-cholesky") and case.d * case.k > LARGEST_HESSIAN:
        pytest.skip("too many parameters for a Hessian")
    spent, make = 0.0, PEERS[peer]
    settings = make(X, y, case.C)
    for fit in [settings] if callable(settings) else settings:
        time.sleep(PAUSE)
        start = time.perf_counter()
        W, b = fit()
        seconds = time.perf_counter() - start
        spent += seconds
        gap = problems.objective(X, y, W, b, case.C) / optimum - 1
        if gap <= GAP or spent > LIMIT:
            break
    reached = bool(gap <= GAP)
    assert reached or peer != "fastsoftmax"
    record(peer=peer, gap=gap, reached=reached, optimum=optimum)
    benchmark.group = case.name
    time.sleep(PAUSE)
    rounds = 1 if seconds > LIMIT / 4 else FEW if seconds > SHORT else ROUNDS
    benchmark.pedantic(fit, rounds=rounds)
