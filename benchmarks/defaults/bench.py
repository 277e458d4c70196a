"""LogisticRegression() of scikit-learn as people call it, and SoftmaxRegression(), by defaults.

    python -m benchmarks.defaults.bench > benchmarks/results/defaults.md

The defaults stop after 100 iterations or at a small gradient, wherever the objective is by then;
`certify` bounds how far above the optimum that is.
"""

import statistics
import time
import warnings
from datetime import date

import sklearn
from sklearn.linear_model import LogisticRegression

from benchmarks.sparse.problems import load
from benchmarks.support.data import embeddings, mnist
from fastsoftmax import SoftmaxRegression, certify
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

TURNS = 3
HEAD = """# scikit-learn's defaults

{processor}, {threads} threads, scikit-learn {version}, {date}.
`LogisticRegression()` and `SoftmaxRegression()` with their defaults, C = 1; medians of
{turns} fits each, in turns. *Gap* is the bound that `fastsoftmax.certify` proves of (F - F*) / F.

| problem | scikit-learn, s | iterations | scikit-learn's gap | fastsoftmax, s | fastsoftmax's gap | × |
|---|---:|---:|---:|---:|---:|---:|"""  # noqa: E501


def bank():
    X, y = embeddings("banking77")
    return X.astype("float32"), y


PROBLEMS = {
    "MNIST, pixels 0..1, 60000×784, 10 classes": mnist,
    "embeddings, 10003×384, 77 classes": bank,
    "sparse TF-IDF, 11314×130107, 20 classes": lambda: load("20newsgroups"),
}


def timed(model, X, y):
    """Seconds of the fit, which may end early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - start


def relative_gap(model, X, y):
    proof = certify(model.coef_, model.intercept_, X, y, C=model.C)
    return proof.gap_bound / proof.objective


def main():
    facts = {"processor": processor(), "threads": available_threads(), "turns": TURNS}
    print(HEAD.format(**facts, version=sklearn.__version__, date=date.today()))
    for name, problem in PROBLEMS.items():
        X, y = problem()
        theirs, ours = LogisticRegression(), SoftmaxRegression()
        seconds = [[timed(model, X, y) for model in (theirs, ours)] for _ in range(TURNS)]
        t, s = map(statistics.median, zip(*seconds, strict=True))
        print(
            f"| {name} | {t:.3g} | {theirs.n_iter_[0]} | {relative_gap(theirs, X, y):.0e} "
            f"| {s:.3g} | {relative_gap(ours, X, y):.0e} | {t / s:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
