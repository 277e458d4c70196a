"""Rounds, what they send and what they cost, as a page for the results.

    python -m benchmarks.engines.measure [fits] [rounds] > benchmarks/results/engines.md

`fits` counts rounds and bytes of five fits in this process, which are those of any engine;
`rounds` times rounds of processes and of Dask on this machine. A pass is a sleep there: what is
left is the engine's.
"""

import sys
import time

import numpy as np

from benchmarks.fit.problems import load
from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime.engines import entered
from fastsoftmax.engines import Processes
from tests.support.partitions import Counting, of_arrays

FITS = [("mnist", 1.0), ("mnist", 100.0), ("letter", 1.0), ("banking77", 1.0), ("20ng-chunks", 1.0)]
PARTITIONS = 8
NUMBERS = 100_000  # of the model and of the gradient in a timed round
PASSES = 0.002, 0.02, 0.2  # seconds
ROUNDS = 15
ROW = "| {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.1f} | {:.0f} | {:.0f} |"


def counted(name, C):
    """A row of the table of fits."""
    X, y = load(name)
    ends = np.linspace(0, len(y), PARTITIONS + 1).astype(int)[:-1]
    here = SoftmaxRegression(C=C).fit(X, y)
    with entered(counting := Counting()):
        model = SoftmaxRegression(C=C).fit(of_arrays(X, y, ends=ends))
    assert model.certified_
    assert abs(model.objective_ / here.objective_ - 1) < 2e-6
    rounds = counting.rounds
    evaluations = [each for each in rounds if each[0] == "value_and_grad"]
    fetched = sum(received for name, _, received in rounds if name in ("every", "chosen"))
    numbers = model.coef_.size + model.intercept_.size
    least = numbers * (8 + X.dtype.itemsize)  # the gradient, and the model in the precision of X
    sent = float(np.median([sent + received for _, sent, received in evaluations]))
    return (
        f"{name}, C={C:g}", model.n_iter_, here.n_iter_, len(evaluations) / model.n_iter_,
        len(rounds) / model.n_iter_, sent / least, fetched / 1e6, model.n_passes_, here.n_passes_,
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
    """Milliseconds of an empty round, and of rounds with passes."""
    held = engine.hold(source, [(i,) for i in range(workers)])
    held.each(nothing)
    model = np.zeros(NUMBERS)
    return [1e3 * median(lambda: held.sum(nothing), 40)] + [
        1e3 * median(lambda seconds=seconds: held.sum(sleeps, model, seconds)) for seconds in PASSES
    ]


def rounds(workers):
    """Rows of the table of rounds."""
    from distributed import Client, LocalCluster

    from fastsoftmax._runtime.engines.dask import Dask

    with Processes(workers, n_threads=1) as engine:
        yield "processes", workers, timed(engine, workers)
    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
        yield "Dask", workers, timed(Dask(client), workers)


def main(wanted):
    if "fits" in wanted:
        print(
            "| fit | iterations | in memory | evaluations per iteration | rounds per iteration "
            "| sent per evaluation / (model + gradient) | rows fetched, MB | passes | in memory |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for name, C in FITS:
            row = counted(name, C)
            print(
                "| {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.1f} | {:.0f} | {:.0f} |".format(
                    *row
                )
            )
    if "rounds" in wanted:
        print("\n| engine | workers | empty round, ms | 2 ms | 20 ms | 200 ms |")
        print("|---|---:|---:|---:|---:|---:|")
        for workers in (1, 2, 4):
            for name, count, times in rounds(workers):
                print(f"| {name} | {count} | " + " | ".join(f"{t:.1f}" for t in times) + " |")


if __name__ == "__main__":
    main(sys.argv[1:] or ("fits", "rounds"))
