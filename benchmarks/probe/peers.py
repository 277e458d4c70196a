"""A large probe beside PyTorch and scikit-learn(-intelex): each for up to an hour, on one thread.

    export OMP_NUM_THREADS=1
    python -m benchmarks.probe.peers run fastsoftmax ours.npz
    python -m benchmarks.probe.peers run torch torch.npz --ours ours.npz
    python -m benchmarks.probe.peers report *.npz > benchmarks/results/probe_peers.md

The rows are those of `examples/imagenet_probe.py`, and the penalty is what C = 0.01 is for all of
ImageNet. Each program runs by itself, bound to a core (`taskset -c 0`). Its processor time counts,
so that other work beside it matters little. Of the models on its way some are kept, evaluations a
tenth apart, and their objectives are evaluated by NumPy in float64 afterwards.
"""

import argparse
import contextlib
import importlib.metadata
import os
import time
import warnings

import numpy as np

from benchmarks.fit.problems import objective
from examples.imagenet_probe import MEMORY, made_rows
from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime.versions import processor

N, D, K = 200_000, 1024, 1000
C = 0.01 * 1_281_167 / N
GAPS = 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6
LIMIT = 3600.0  # seconds
SPACING = 1.1  # of the evaluations at which models are kept


class Recorder:
    """Models on the way of one fit, with the processor time that each was found after."""

    def __init__(self, limit, enough):
        self.limit, self.enough = limit, enough
        self.start = time.process_time()
        self.aside = 0.0  # seconds of what is no part of the fit
        self.kept, self.least, self.evaluations = [], np.inf, 0.0

    @property
    def seconds(self):
        return time.process_time() - self.start - self.aside

    @property
    def over(self):
        return self.seconds > self.limit or self.least <= self.enough

    def show(self, evaluations, loss, copy, last=False):
        """Keep the model that `copy()` returns as (W, b) if it is better and its turn."""
        due = loss < self.least and evaluations >= SPACING * self.evaluations
        if not (due or last):
            return
        begin, seconds = time.process_time(), self.seconds
        self.least, self.evaluations = min(self.least, loss), evaluations
        W, b = copy()
        self.kept.append((seconds, evaluations, np.float32(W), np.float32(b)))
        self.aside += time.process_time() - begin
        print(f"{seconds:7.0f} s, {evaluations:6.1f} evaluations, loss {loss:.7f}", flush=True)


def fastsoftmax(X, y, limit, enough):
    recorder = Recorder(limit, enough)

    def callback(now):
        recorder.show(now.n_passes, now.objective, lambda: (now.coef, now.intercept))

    model = SoftmaxRegression(C=C, max_memory=MEMORY).fit(X, y, callback=callback)
    result = model.coef_, model.intercept_
    recorder.show(model.n_passes_, model.objective_, lambda: result, last=True)
    return recorder, model.objective_ - model.gap_bound_


def torch(X, y, limit, enough):
    import torch

    inputs, labels = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y)
    W = torch.zeros(K, D, requires_grad=True)
    b = torch.zeros(K, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [W, b], max_iter=10**6, max_eval=10**6, history_size=10,
        line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0,
    )  # fmt: skip
    recorder, evaluations = Recorder(limit, enough), 0

    def copy():
        return W.detach().numpy().copy(), b.detach().numpy().copy()

    def closure():
        nonlocal evaluations
        if recorder.over:
            raise TimeoutError
        optimiser.zero_grad()
        logits = torch.nn.functional.linear(inputs, W, b)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss = loss + 0.5 / (C * N) * (W**2).sum()
        loss.backward()
        evaluations += 1
        recorder.show(evaluations, loss.item(), copy)
        return loss

    with contextlib.suppress(TimeoutError):
        optimiser.step(closure)
    return recorder, np.nan


def sklearn(X, y, limit, enough, patched=False):
    """By L-BFGS; what it minimises is watched at SciPy's door, since it takes no callback."""
    from scipy import optimize

    if patched:
        from sklearnex.linear_model import LogisticRegression
    else:
        from sklearn.linear_model import LogisticRegression
    minimize = optimize.minimize
    recorder, evaluations = Recorder(limit, enough), 0

    def watched(function, x0, args=(), **options):
        def counted(x, *given):
            nonlocal evaluations
            if recorder.over:
                raise TimeoutError
            loss, gradient = function(x, *given)
            mean = float(loss) / N if patched else float(loss)
            evaluations += 1

            def copy():
                # scikit-learn ravels (W, b) in Fortran's order, the other (b, W) in C's
                if patched:
                    both = np.roll(x.reshape(K, D + 1), -1, axis=1)
                else:
                    both = x.reshape((K, D + 1), order="F")
                return both[:, :-1].copy(), both[:, -1].copy()

            recorder.show(evaluations, mean, copy)
            return loss, gradient

        return minimize(counted, x0, args=args, **options)

    optimize.minimize = watched
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            LogisticRegression(C=C, tol=1e-9, max_iter=10**6).fit(X.astype(np.float32), y)
    except TimeoutError:
        pass
    finally:
        optimize.minimize = minimize
    return recorder, np.nan


PROGRAMS = {
    "fastsoftmax": (fastsoftmax, "fastsoftmax"),
    "torch": (torch, "torch"),
    "scikit-learn": (sklearn, "scikit-learn"),
    "scikit-learn-intelex": (lambda *given: sklearn(*given, patched=True), "scikit-learn-intelex"),
}


def run(name, path, limit, ours):
    """One program, until it is as near to the optimum as ours; objectives into a file."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("set OMP_NUM_THREADS=1: processor time is that of one thread")
    program, package = PROGRAMS[name]
    enough = -np.inf if ours is None else np.load(ours)["points"][-1, 2]
    X, y = made_rows(N, D, K)
    recorder, bound = program(X, y, limit, enough)
    points = []
    for seconds, evaluations, W, b in recorder.kept:
        F = objective(X, y, W, b, C) / (C * N)
        points.append((seconds, evaluations, F))
    version = importlib.metadata.version(package)
    where = f"{processor()}, {time.strftime('%Y-%m-%d')}"
    np.savez(path, name=f"{name} {version}", where=where, points=points, bound=bound)


def first_within(points, gap, least):
    """(seconds, evaluations) at the first point within a relative gap of the bound, or None."""
    for seconds, evaluations, F in points:
        if least * (1 + gap) * (1 + 1e-12) >= F:
            return seconds, evaluations
    return None


def report(paths):
    """All programs, side by side."""
    runs = [dict(np.load(path)) for path in paths]
    runs.sort(key=lambda run: np.isnan(run["bound"]))
    ours, *peers = runs
    least = float(ours["bound"])
    print(f"# A probe of {N}×{D}, {K} classes, beside its peers\n")
    print(
        f"{ours['where']}. Made rows in float16, C = {C:.4g}; at most {MEMORY >> 30} GiB kept "
        "beyond X by fastsoftmax. Each program on one thread, bound to a core, other work on the "
        "others: seconds of its processor time. Gaps are relative to the bound that fastsoftmax's "
        "fit proves, of objectives that NumPy evaluates in float64.\n"
    )
    print("| program | lowest gap | after | evaluations | fastsoftmax gets there after | times |")
    print("|---|---:|---:|---:|---:|---:|")
    lowest = min(F for _, _, F in ours["points"]) / least - 1
    for peer in peers:
        gap = max(min(F for _, _, F in peer["points"]) / least - 1, lowest)
        seconds, evaluations = first_within(peer["points"], gap, least)
        there = first_within(ours["points"], gap, least)[0]
        print(
            f"| {peer['name']} | {gap:.1e} | {seconds:.0f} s | {evaluations:.1f} | "
            f"{there:.0f} s | {seconds / there:.1f} |"
        )
    print("\nSeconds, and evaluations in brackets (passes of fastsoftmax), to a gap:\n")
    print("| program |", *(f"{gap:.0e} |" for gap in GAPS))
    print("|---|", *("---:|" for _ in GAPS))
    for peer in runs:
        cells = []
        for gap in GAPS:
            at = first_within(peer["points"], gap, least)
            cells.append("" if at is None else f"{at[0]:.0f} ({at[1]:.1f})")
        print("|", peer["name"], "|", " | ".join(cells), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("run")
    one.add_argument("program", choices=PROGRAMS)
    one.add_argument("path")
    one.add_argument("--ours", help="the file of fastsoftmax, whose gap is small enough")
    one.add_argument("--limit", type=float, default=LIMIT, help="seconds of processor time")
    actions.add_parser("report").add_argument("paths", nargs="+")
    given = parser.parse_args()
    if given.action == "run":
        run(given.program, given.path, given.limit, given.ours)
    else:
        report(given.paths)


if __name__ == "__main__":
    main()
