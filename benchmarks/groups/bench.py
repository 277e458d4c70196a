"""Fits with a norm for each feature's weights, against FISTA in NumPy and adelie.

    python -m benchmarks.groups.bench digits letter mnist-5000 > benchmarks/results/groups.md

Each peer stops where its objective, evaluated by NumPy, is within 1e-6 of ours, which is certified.
FASTSOFTMAX_ADELIE names a Python that has adelie; without it adelie's columns stay empty. adelie
runs with tighter and tighter tolerances; the time is that of the first run that gets there, or of
the last, behind >.
"""

import os
import sys
import time

import numpy as np

import fastsoftmax
from benchmarks.groups import peers
from benchmarks.penalties import problems
from fastsoftmax.datasets import load_digits

TOLERANCE = 1e-6
LIMIT = float(os.environ.get("FASTSOFTMAX_LIMIT", 40))  # of all; seconds of a peer
TOLERANCES = (1e-7, 1e-9, 1e-11, 1e-13)  # of adelie
SHARES = (10, 100, 1000)  # C, of the largest at which all weights are 0
STRENGTHS = 100


def load(name):
    X, y = load_digits() if name == "digits" else problems.load(name)
    X, y = np.asarray(X, float), np.unique(y, return_inverse=True)[1]
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1), y


def timed(call, X, y, rounds=3, **params):
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = call(X, y, **params)
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def shown(seconds, reached, ours):
    return f"{'' if reached else '> '}{seconds:.3g} ({seconds / ours:.1f}×)"


def of_adelie(X, y, Cs, wanted):
    """Seconds and whether all objectives got there."""
    python = os.environ.get("FASTSOFTMAX_ADELIE")
    if not python:
        return None
    for tol in TOLERANCES:
        found = peers.adelie(python, X, y, Cs, tol, len(os.sched_getaffinity(0)), LIMIT)
        if found is None:
            return LIMIT, False
        seconds, W, b = found
        values = [peers.objective(X, y, *model, C) for *model, C in zip(W, b, Cs, strict=True)]
        reached = len(W) == len(Cs) and bool((np.array(values) <= wanted * (1 + TOLERANCE)).all())
        if reached:
            break
    return seconds, reached


def main(*names):
    print("# Norms of groups: a feature's weights for all classes\n")
    print("Seconds to within 1e-6 of the certified optimum; in brackets, times ours.\n")
    print("| problem | C / C_max | features | ours | FISTA in NumPy | adelie |")
    print("|---|---:|---:|---:|---:|---:|")
    paths = []
    for name in names:
        X, y = load(name)
        params = {"l1_ratio": 1.0, "l1_group": "classes"}
        C_max = fastsoftmax.softmax_path(X, y, Cs=1, l1_group="classes").C_max
        hardest = 0.0
        for share in SHARES:
            C = share * C_max
            ours, model = timed(fastsoftmax.fit, X, y, C=C, tol=TOLERANCE, **params)
            hardest = max(hardest, ours)
            assert model.certified_
            F = peers.objective(X, y, model.coef_, model.intercept_, C)
            spent, value = peers.fista(X, y, C, F * (1 + TOLERANCE), LIMIT)
            cells = [
                name, str(share), str(np.count_nonzero(model.coef_.any(axis=0))), f"{ours:.3g}",
                shown(spent, value <= F * (1 + TOLERANCE), ours),
            ]  # fmt: skip
            theirs = of_adelie(X, y, np.array([C]), F)
            cells.append("" if theirs is None else shown(*theirs, ours))
            print(f"| {' | '.join(cells)} |", flush=True)
        seconds, path = timed(fastsoftmax.softmax_path, X, y, 1, Cs=STRENGTHS, **params)
        theirs = of_adelie(X, y, path.Cs, path.objectives)
        paths.append((name, seconds, seconds / hardest, path.converged.all(), theirs))
    print(f"\n## Paths of {STRENGTHS} strengths, to C = 1000 C_max\n")
    print("| problem | seconds | times the hardest fit | all certified | adelie |")
    print("|---|---:|---:|---|---:|")
    for name, seconds, times, certified, theirs in paths:
        cell = "" if theirs is None else shown(*theirs, seconds)
        print(f"| {name} | {seconds:.3g} | {times:.1f} | {certified} | {cell} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
