"""Rounds, what they send and what they cost, as tables for the results.

    PYTHONPATH=tests python -m benchmarks.engines.measure fits
    PYTHONPATH=tests python -m benchmarks.engines.measure rounds 1    (workers: 1, 2 or 4)

`fits` counts rounds, tasks and bytes of fits on two workers, which are those of any engine;
`rounds` times rounds of processes and of Dask on this machine. A pass is a sleep there: what is
left is the engine's.
"""

import sys
import time

import numpy as np
from scipy import sparse
from support.partitions import Counting, of_arrays

from benchmarks.fit.problems import load
from benchmarks.sparse.problems import load as load_text
from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime.engines import entered
from fastsoftmax._runtime.engines.tree import shares
from fastsoftmax.engines import Processes

FITS = [("mnist", 1.0), ("mnist", 100.0), ("letter", 1.0), ("banking77", 1.0), ("20ng-chunks", 1.0)]
TEXTS = [("20newsgroups", 1.0), ("banking77", 1.0)]
PARTITIONS = 8
NUMBERS = 100_000  # of the model and of the gradient in a timed round
PASSES = 0.002, 0.02, 0.2  # seconds
ROUNDS = 15
BUILDS = ("every", "chosen", "diagonal_sums")  # rounds whose results preconditioners are made of
HEADS = {
    "fits": "| fit | iterations | in memory | evaluations per iteration | rounds per iteration "
    "| tasks per iteration | features that a worker has | payload of an evaluation, MB "
    "| / (model + gradient) | builds, MB | all else, MB | passes | in memory |",
    "rounds": "| workers | engine | empty round, flat, ms | and summed | 2 ms | 20 ms | 200 ms |",
}


def counted(name, C, load):
    """A row of the table of fits."""
    X, y = load(name)
    ends = np.linspace(0, len(y), PARTITIONS + 1).astype(int)[:-1]
    here = SoftmaxRegression(C=C).fit(X, y)
    with entered(counting := Counting()):
        model = SoftmaxRegression(C=C).fit(of_arrays(X, y, ends=ends))
    assert model.certified_
    assert abs(model.objective_ / here.objective_ - 1) < 2e-6
    rounds, n_iter = counting.rounds, model.n_iter_
    evaluations = [sent + got for name, sent, got in rounds if name == "value_and_grad"]
    builds = sum(sent + got for name, sent, got in rounds if name in BUILDS)
    every = sum(sent + got for _, sent, got in rounds)
    numbers = model.coef_.size + model.intercept_.size
    least = numbers * (8 + X.dtype.itemsize)  # the gradient, and the model in the precision of X
    share = 1.0
    if sparse.issparse(X):
        ends = [*ends, len(y)]
        share = max(
            len(np.unique(X[ends[part.start] : ends[part.stop]].indices)) / X.shape[1]
            for part in shares(PARTITIONS, 2)
        )
    payload = max(evaluations)
    return (
        f"{name}{', text' * (load is load_text)}, C={C:g}", n_iter, here.n_iter_,
        f"{len(evaluations) / n_iter:.2f}", f"{len(rounds) / n_iter:.2f}",
        f"{counting.tasks / n_iter:.1f}", f"{share:.2f}", f"{payload / 1e6:.2f}",
        f"{payload / least:.2f}", f"{builds / 1e6:.1f}",
        f"{(every - builds - sum(evaluations)) / 1e6:.1f}", f"{model.n_passes_:.0f}",
        f"{here.n_passes_:.0f}",
    )  # fmt: skip


def sleeps(partition, model, seconds):
    """A pass over a partition, and a gradient as large as the model."""
    time.sleep(seconds)
    return model.copy()


def nothing(partition):
    return 0


def source(i):
    return i


def median(call, times=ROUNDS):
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def timed(engine, workers):
    """Milliseconds of empty rounds, and of rounds with passes."""
    held = engine.hold(source, [(i,) for i in range(workers)])
    held.each(nothing)
    model = np.zeros(NUMBERS)
    calls = [lambda: held.each(nothing), lambda: held.sum(nothing)]
    times = [median(call, 40) for call in calls]
    for seconds in PASSES:
        times.append(median(lambda seconds=seconds: held.sum(sleeps, model, seconds)))
    return [f"{1e3 * each:.1f}" for each in times]


def rounds(workers):
    """Rows of the table of rounds."""
    from distributed import Client, LocalCluster

    from fastsoftmax._runtime.engines.dask import Dask

    with Processes(workers, n_threads=1) as engine:
        yield workers, "processes", *timed(engine, workers)
    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
        yield workers, "Dask", *timed(Dask(client), workers)


def main(table, workers=2):
    print(HEADS[table])
    print("|---" * (HEADS[table].count("|") - 1) + "|")
    if table == "rounds":
        rows = rounds(int(workers))
    else:
        every = [(*fit, load) for fit in FITS] + [(*fit, load_text) for fit in TEXTS]
        rows = (counted(*fit) for fit in every)
    for row in rows:
        print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
