"""Two classes: time to a gap of 1e-6, and of default runs, at whatever gap, against specialists.

    pytest benchmarks/binary/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.binary.report run.json > benchmarks/results/binary.md

All runs of a problem take turns. A peer is run from loose settings to tight ones until its
objective, made anew in float64, is within 1e-6 of the optimum or the next setting would take it
beyond what it is allowed. There is no intercept, since some peers penalise it. `-k` chooses
problems; the report takes the files of several runs.
"""

import time

import numpy as np
import pytest

import fastsoftmax
from benchmarks.binary import peers, problems
from benchmarks.support.checks import rest

LIMIT = 20.0  # seconds of a peer on a problem, or
TIMES = 20.0  # what the fastest so far has taken, if that is less
GAP = 1e-6
ROUNDS = 3
CLOSE = 3.0  # times what fastsoftmax takes, and
LONG = 2.0  # seconds: what takes longer than either is timed once


@pytest.fixture(scope="module")
def data(request):
    name = request.param
    try:
        X, y = problems.load(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    if request.config.getoption("benchmark_disable"):  # a check of the peers' parameters
        return X[:200, :300], y[:200]
    return X, y


def pytest_generate_tests(metafunc):
    chosen, threads = problems.PROBLEMS, [1, 2]
    if metafunc.config.getoption("benchmark_disable"):
        chosen, threads = [p for p in chosen if p.name in problems.SMALL], [1]
    cases = [(problem.data, problem) for problem in chosen]
    ids = [problem.name for problem in chosen]
    metafunc.parametrize(("data", "problem"), cases, ids=ids, indirect=["data"], scope="module")
    metafunc.parametrize("threads", threads)


def timed(fit):
    rest()
    start = time.perf_counter()
    w = fit()
    return time.perf_counter() - start, w


def loosest(settings, X, y, problem, optimum, allowed):
    """The first setting that is near enough, or the last that is allowed; what was tried."""
    spent, points, fit = 0.0, [], None
    for fit in settings:
        seconds, w = timed(fit)
        points.append((seconds, problems.objective(X, y, w, problem) / optimum - 1))
        spent += seconds
        if points[-1][1] <= GAP or spent + 2 * seconds > allowed:
            break
    return fit, points


@pytest.fixture(scope="module")
def optima():
    """problem -> its optimum, for any number of threads."""
    return {}


def optimum_of(X, y, problem):
    best = fastsoftmax.SoftmaxRegression(
        problem.C, l1_ratio=float(problem.l1), fit_intercept=False, tol=1e-9
    ).fit(X, y)
    optimum = problems.objective(X, y, best.coef_, problem)
    assert best.gap_bound_ <= 1e-8 * optimum
    return optimum


def test_fit(data, problem, threads, optima, benchmark, record, request):
    X, y = data
    if problem not in optima:
        optima[problem] = optimum_of(X, y, problem)
    optimum = optima[problem]
    calls, facts, allowed = {}, {}, LIMIT
    for name, make in (peers.L1 if problem.l1 else peers.L2).items():
        try:
            settings, default = make(X, y, problem, threads)
            fit, points = loosest(settings, X, y, problem, optimum, allowed)
        except ImportError:
            continue
        reached = points[-1][1] <= GAP
        assert reached or name != "fastsoftmax"
        if reached:
            allowed = min(allowed, TIMES * points[-1][0])
        seconds, w = timed(default)
        gap = problems.objective(X, y, w, problem) / optimum - 1
        facts[name] = {"points": points, "reached": bool(reached), "default": (seconds, gap)}
        calls[name] = fit, default
    record(peer="all", optimum=optimum, facts=facts, shape=X.shape)
    benchmark.group = f"{problem.name}, {threads} threads"
    if not request.config.getoption("benchmark_disable"):
        record(times=in_turns(calls, facts))
    benchmark.pedantic(lambda: None, rounds=1)


def in_turns(calls, facts):
    """Medians of the chosen settings and of the defaults."""
    once = {name: [facts[name]["points"][-1][0], facts[name]["default"][0]] for name in calls}
    repeated = min(CLOSE * once["fastsoftmax"][0], LONG)
    taken = {name: ([], []) for name in calls}
    for _ in range(ROUNDS):
        for name, fits in calls.items():
            for fit, seconds, before in zip(fits, taken[name], once[name], strict=True):
                if before <= repeated:
                    seconds.append(timed(fit)[0])
    return {
        name: [float(np.median(s or [t])) for s, t in zip(both, once[name], strict=True)]
        for name, both in taken.items()
    }
