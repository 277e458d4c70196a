"""
A cluster of Dask: the same optimum from rows that workers hold
===============================================================

Dask's workers hold the rows, as blocks of arrays or as files that they read; a fit asks them for
sums, and ends at the optimum of all rows, with a proof. A ``LocalCluster`` stands for a larger one
here: two processes of this machine, which only ``Client(address)`` tells from other machines.
"""

import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from fastsoftmax import Partitions, SoftmaxRegression
from fastsoftmax.datasets import load_digits


def from_arrays(X, y):
    """Arrays of Dask are fitted as they are, and predicted block by block, later."""
    dX, dy = da.from_array(X, chunks=(300, -1)), da.from_array(y, chunks=300)
    model = SoftmaxRegression(C=0.01).fit(dX, dy)
    here = SoftmaxRegression(C=0.01).fit(X, y)
    print(f"objective: {model.objective_:.6f} with the cluster, {here.objective_:.6f} without")
    print(f"proved to be optimal: {model.certified_}")
    later = model.predict(dX)
    print(f"predictions: {type(later).__module__}, {later.numblocks[0]} blocks")
    print(f"right: {(later == dy).mean().compute():.3f}")
    return model


def from_shards(X, y, folder):
    """Workers read files by themselves: here 16-bit features, as of a network, in shards.

    The last entry of ``history_`` tells in how many rounds the fit ended, and how many bytes this
    process sent and got. Rows, labels and weights stay with the workers, but for a sample.
    """
    parts = []
    for i, begin in enumerate(range(0, len(y), 300)):
        parts.append((folder / f"X{i}.npy", folder / f"y{i}.npy"))
        for path, rows in zip(parts[-1], (X.astype(np.float16), y), strict=True):
            np.save(path, rows[begin : begin + 300])
    model = SoftmaxRegression(C=0.01).fit(Partitions.from_npy(*zip(*parts, strict=True)))
    last = model.history_[-1]
    print(f"{len(parts)} shards: objective {model.objective_:.6f}")
    print(f"iterations: {model.n_iter_}, rounds: {last.n_rounds}")
    print(f"sent and received: {last.n_bytes / 1e6:.1f} MB")


# %%
# Processes import the program that starts them, so that it needs the last lines.


def main():
    """Both ways, on two workers."""
    X, y = load_digits()
    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with (
        LocalCluster(n_workers=2, **options) as cluster,
        Client(cluster),
        tempfile.TemporaryDirectory() as folder,
    ):
        model = from_arrays(X, y)
        from_shards(X, y, Path(folder))
    # the model is an ordinary one, which needs no cluster
    print(f"first images: {model.predict(X[:5])}")


if __name__ == "__main__":
    main()
