"""Whole fits to a certified gap, against scikit-learn, scikit-learn-intelex and PyTorch.

    pytest benchmarks/fit/bench.py --benchmark-only -k "mnist and fastsoftmax"
    pytest benchmarks/fit/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.fit.report run.json > benchmarks/results/fit.md

A problem's optimum is fastsoftmax's at tol=1e-11 in float64; objectives are evaluated by NumPy in
float64, after which there is a pause: its BLAS threads go on spinning for a tenth of a second, and
a fit that takes less would be timed beside them. Each peer is run from loose settings to tight ones
until its result is within the problem's gap, or it has spent LIMIT seconds; a fit that goes on for
LONGEST seconds is interrupted, and a peer of which none ended has no row. What is timed is the
first setting that is within the gap, or the last that ended. Every one of them goes into the
record: a point of the curve of gap and time.
"""

import signal
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

import fastsoftmax
from benchmarks.fit import peers, problems

LIMIT = 45  # seconds a peer may spend on a problem before it is given up
LONGEST = 90  # seconds of one fit
PAUSE = 0.3  # seconds
LONG = 2.0  # seconds of a fit that is timed once; shorter ones go on for as long, in
ROUNDS = 5  # at least and
MOST_ROUNDS = 25
CHECKED_PROBLEMS = ("letter", "few-rows", "banking77", "outlier", "sentinels")  # without timing
CHECKED_PEERS = ("fastsoftmax",)


def pytest_generate_tests(metafunc):
    pairs = [(p, peer) for p in problems.PROBLEMS for peer in peers.PEERS]
    ids = [f"{problem.name}-{peer}" for problem, peer in pairs]
    metafunc.parametrize(("problem", "peer"), pairs, ids=ids, indirect=["problem"], scope="module")


@pytest.fixture(scope="module")
def problem(request):
    """(problem, X, y, lower bound of the optimum)."""
    case = request.param
    if request.config.getoption("benchmark_disable") and case.data not in CHECKED_PROBLEMS:
        pytest.skip("too slow for a check")
    try:
        X, y = problems.load(case.data)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    y = np.unique(y, return_inverse=True)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as far as the precision goes is far enough
        best = fastsoftmax.fit(X.astype(float), y, C=case.C, tol=1e-11)
    optimum = problems.objective(X, y, best.coef_, best.intercept_, case.C)
    return case, X, y, optimum


@contextmanager
def interrupted_after(seconds):
    """A TimeoutError in what takes longer, once it comes back to Python."""

    def interrupt(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_fit(problem, peer, benchmark, record, request):
    case, X, y, optimum = problem
    if request.config.getoption("benchmark_disable") and peer not in CHECKED_PEERS:
        pytest.skip("too slow for a check")
    if peer.endswith("newton-cholesky") and X.shape[1] * (y.max() + 1) > peers.LARGEST_HESSIAN:
        pytest.skip("too many parameters for a Hessian")
    points, gap = [], np.inf
    try:
        for setting in peers.PEERS[peer](X, y, case.C):
            time.sleep(PAUSE)
            start = time.perf_counter()
            with interrupted_after(LONGEST):
                W, b = setting()
            fit, seconds = setting, time.perf_counter() - start
            gap = problems.objective(X, y, W, b, case.C) / optimum - 1
            points.append((seconds, gap))
            if gap <= case.gap or sum(seconds for seconds, _ in points) > LIMIT:
                break
    except ImportError as error:
        pytest.skip(str(error))
    except TimeoutError:
        if not points:
            pytest.skip(f"no fit ended within {LONGEST} seconds")
    reached = bool(gap <= case.gap)
    assert reached or peer != "fastsoftmax"
    record(peer=peer, gap_wanted=case.gap, optimum=optimum, points=points, reached=reached)
    if peer == "fastsoftmax":
        record(passes=float(fit.model.n_passes_), certified=bool(fit.model.certified_))
    benchmark.group = case.name
    time.sleep(PAUSE)
    rounds = min(max(ROUNDS, int(LONG / seconds)), MOST_ROUNDS) if seconds < LONG else 1
    benchmark.pedantic(fit, rounds=rounds)
