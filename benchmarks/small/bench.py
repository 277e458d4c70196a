"""Small fits beside scikit-learn's LogisticRegression(), both by their defaults.

    python -m benchmarks.small.bench > benchmarks/results/small.md

What the estimators check and keep is included. Fits take turns, so that scikit-learn's BLAS threads
may go on spinning into ours, as they do for people who use both; *alone* are fits in a row.
"""

import statistics
import time
import warnings
from datetime import date

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

TURNS, ALONE, ROWS = 22, 60, 1000
SHAPES = [
    *[(100, 5, 2), (100, 5, 3), (100, 20, 5), (200, 10, 3), (500, 20, 2), (500, 20, 5)],
    *[(1000, 20, 3), (1000, 50, 2), (2000, 50, 2), (2000, 50, 5), (2000, 5, 2), (2000, 5, 5)],
    *[(100, 50, 5), (200, 768, 2), (16, 768, 4)],
]
HEAD = """# Small fits

{processor}, {threads} threads, scikit-learn {version}, {date}.
Medians of {turns} fits of each library in turns, by their defaults; X normal, y of a softmax
regression with weights of 1. All fits are certified, within 1e-6.

| n×D, classes | scikit-learn, ms | fastsoftmax, ms | × | alone, ms |
|---|---:|---:|---:|---:|"""


def problem(n, d, k):
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(n, d)), rng.normal(size=(d, k))
    return X, np.argmax(X @ W + rng.gumbel(size=(n, k)), axis=1)


def seconds(call, *args):
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def median(call, *args, times):
    return statistics.median(seconds(call, *args) for _ in range(times))


def main():
    about = {"version": sklearn.__version__, "date": date.today(), "turns": TURNS}
    print(HEAD.format(processor=processor(), threads=available_threads(), **about), flush=True)
    for shape in SHAPES:
        X, y = problem(*shape)
        ours, theirs = SoftmaxRegression(), LogisticRegression()
        alone = median(ours.fit, X, y, times=ALONE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of iterations that end
            turns = [(seconds(theirs.fit, X, y), seconds(ours.fit, X, y)) for _ in range(TURNS)]
        their_time, our_time = map(statistics.median, zip(*turns, strict=True))
        assert ours.certified_
        print(
            f"| {shape[0]}×{shape[1]}, {shape[2]} | {1e3 * their_time:.2f} | {1e3 * our_time:.2f} "
            f"| {their_time / our_time:.1f} | {1e3 * alone:.2f} |",
            flush=True,
        )
    print("\nOne row of 20 features, five classes (µs, alone):\n\n| | scikit-learn | fastsoftmax |")
    print("|---|---:|---:|")
    X, y = problem(500, 20, 5)
    models = [model.fit(X, y) for model in (LogisticRegression(), SoftmaxRegression())]
    for method in ("predict", "predict_proba"):
        times = [median(getattr(model, method), X[:1], times=ROWS) for model in models]
        print(f"| `{method}` | {1e6 * times[0]:.0f} | {1e6 * times[1]:.0f} |")


if __name__ == "__main__":
    main()
