"""
A linear probe of the size of ImageNet
======================================

1.28 million images, a thousand features of a frozen network in float16, 1000 classes: the fit of
one C to its certified optimum, then a path of ten C with held-out rows to choose by. The
program writes its state to a file, from which it goes on if it was killed::

    python imagenet_probe.py --rows 1281167 --features 1024 --classes 1000 --state probe.npz
    python imagenet_probe.py --folder shards --state probe.npz

Without arguments it fits 18000 generated rows. A folder holds shards in NumPy's format, ``X*.npy``
(float16) and ``y*.npy``, or Parquet files with the columns ``embedding``, lists of one length, and
``label``. A shard is mapped or read in its turn; every tenth shard and the last are held out. The
solver keeps at most 3 GB beyond X.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from fastsoftmax import Blocks, SoftmaxRegression

MEMORY = 3 << 30  # bytes that the solver may keep beyond X


def made_rows(n, d, k, seed=0):
    """Rows (n, d) like a network's features, in float16, and their classes.

    Directions of long-tailed variances, norms of 10, and classes in groups of 20 whose rows
    overlap: the best probe confuses some of their rows.
    """
    random = np.random.default_rng(seed)
    deviations = (1 + np.arange(d)) ** -0.5
    groups = random.standard_normal((k // 20 + 1, d))[np.arange(k) // 20]
    means = (groups + 0.8 * random.standard_normal((k, d))) * deviations
    directions = np.linalg.qr(random.standard_normal((d, d)))[0]
    y = random.integers(0, k, n)
    X = np.empty((n, d), np.float16)
    for begin in range(0, n, 8192):
        some = y[begin : begin + 8192]
        rows = means[some] + 4 * random.standard_normal((len(some), d)) * deviations
        rows = rows @ directions
        X[begin : begin + 8192] = rows * (10 / np.linalg.norm(rows, axis=1, keepdims=True))
    return X, y


def split(X, y):
    """Rows to fit and every tenth to choose by: the last ones, so that nothing is copied."""
    n = len(X) - len(X) // 10
    return (X[:n], y[:n]), (X[n:], y[n:])


def shards(folder):
    """The same of the files in a folder, of which every tenth is held out."""
    tables = sorted(folder.glob("*.parquet"))
    features, labels = sorted(folder.glob("X*.npy")), sorted(folder.glob("y*.npy"))
    if len(tables or features) < 2 or (features and len(features) != len(labels)):
        raise SystemExit(f"{folder}: expected two or more *.parquet, or X*.npy and as many y*.npy")
    last = len(tables or features) - 1
    parts = []
    for are_held_out in (False, True):
        some = [i for i in range(last + 1) if (i == last or i % 10 == 9) == are_held_out]
        if tables:
            blocks = Blocks.from_parquet([tables[i] for i in some], "embedding", "label")
        else:
            blocks = Blocks.from_npy([features[i] for i in some], [labels[i] for i in some])
        parts.append((blocks,))
    return parts


def classes_of(rows):
    """The labels, in order."""
    parts = rows[0] if len(rows) == 1 else [rows]
    return np.unique(np.concatenate([np.unique(part[1]) for part in parts]))


# %%
# The state is one file: the results of the fits that are done, and the coefficients of the one that
# goes on. It is written beside the last state and takes its place when it is on the disk.


def save(path, settings, fits, coef, intercept):
    """Put a state in the place of the last."""
    if path is None:
        return
    scratch = path.with_suffix(".new")
    with open(scratch, "wb") as file:
        np.savez(file, settings=settings, fits=json.dumps(fits), coef=coef, intercept=intercept)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


def load(path, settings):
    """Results, and the model to go on from: (coef, intercept), or None."""
    if path is None or not path.exists():
        return [], None
    with np.load(path) as file:
        if str(file["settings"]) != settings:
            raise SystemExit(f"{path}: expected a state of this run, got one of {file['settings']}")
        return json.loads(str(file["fits"])), (file["coef"], file["intercept"])


# %%
# A fit that goes on starts from the coefficients of the state, as each fit of a path starts from
# those of the C before. The callback shows how far it is and how long it will take, and saves.


def seconds_left(history, tol):
    """Until the gap is `tol`, if it falls as it did of late; None while that cannot be told."""
    before, now = history[-min(6, len(history))], history[-1]
    if not 0 < now.gap < before.gap < np.inf:
        return None
    rate = np.log(before.gap / now.gap) / max(now.seconds - before.seconds, 1e-9)
    return max(np.log(now.gap / tol), 0) / rate


def run(train, held_out, jobs, state, settings, every):
    """Fit and score each (C, tol) that is not done yet: the results of all."""
    fits, model = load(state, settings)
    probe = SoftmaxRegression(warm_start=True, max_memory=MEMORY)
    if model is not None:
        probe.classes_, (probe.coef_, probe.intercept_) = classes_of(train), model
        probe.n_features_in_ = probe.coef_.shape[1]
        print(f"going on after {len(fits)} of {len(jobs)} fits")

    for C, tol in jobs[len(fits) :]:
        began = saved = shown = time.monotonic()

        def progress(now, C=C, tol=tol):
            nonlocal saved, shown
            if time.monotonic() >= shown + 1:
                left = seconds_left(now.history, tol)
                left = "" if left is None else f", about {left:.0f} s left"
                print(f"C={C:<8.3g} {now.n_passes:5.1f} passes, gap {now.gap:.0e}{left}")
                shown = time.monotonic()
            if time.monotonic() >= saved + every:
                save(state, settings, fits, now.coef, now.intercept)
                saved = time.monotonic()

        probe.set_params(C=C, tol=tol).fit(*train, callback=progress)
        done = {
            "C": C,
            "objective": probe.objective_,
            "gap": probe.gap_bound_ / probe.objective_,
            "certified": probe.certified_,
            "passes": probe.n_passes_,
            "seconds": time.monotonic() - began,
            "accuracy": probe.score(*held_out),
            "top_5": probe.score(*held_out, top_k=5),
        }
        fits.append(done)
        print(
            f"C={C:<8.3g} {done['passes']:5.1f} passes, {done['seconds']:.1f} s, gap at most "
            f"{done['gap']:.0e}; right {done['accuracy']:.3f}, among five {done['top_5']:.3f}"
        )
        save(state, settings, fits, probe.coef_, probe.intercept_)
    return fits


# %%


def main():
    """The job that the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="of shards, in place of made rows")
    parser.add_argument("--C", type=float, default=0.01)
    parser.add_argument("--tol", type=float, default=1e-6, help="of the first fit")
    parser.add_argument("--path-tol", type=float, default=1e-4, help="of the fits of the path")
    parser.add_argument("--state", type=Path, help="the file to go on from")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two states")
    given = parser.parse_args()
    if given.folder:
        train, held_out = shards(given.folder)
    else:
        train, held_out = split(*made_rows(given.rows, given.features, given.classes))
    path = [(C, given.path_tol) for C in np.logspace(-4, 0.5, 10).tolist()]
    jobs = [(given.C, given.tol), *path]
    made = [given.rows, given.features, given.classes, str(given.folder)]
    fits = run(train, held_out, jobs, given.state, json.dumps([made, jobs]), given.every)
    best = max(fits[1:], key=lambda fit: fit["accuracy"])
    print(f"best C = {best['C']:.2g}: right in {best['accuracy']:.3f} of held-out rows")


if __name__ == "__main__":
    main()
