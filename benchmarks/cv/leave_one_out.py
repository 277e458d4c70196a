"""Leave-one-out from one fit per C against n fits, and what it costs beside Newton's method.

    python -m benchmarks.cv.leave_one_out losses > benchmarks/results/leave_one_out.md
    python -m benchmarks.cv.leave_one_out costs >> benchmarks/results/leave_one_out.md

The n fits are certified, to 1e-9 of F.
"""

import sys
import time

import numpy as np
from sklearn import datasets

from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax._engine.curvature import leave_one_out
from fastsoftmax._linear.cv.folds import minimum
from fastsoftmax._linear.problem.problem import problem_of

CS = (0.01, 0.1, 1.0, 10.0, 100.0)


def scaled(X):
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)


def made(n, d, k, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    scores = X @ rng.normal(size=(d, k)) * 2 / np.sqrt(d)
    return X, np.argmax(scores + noise * rng.gumbel(size=(n, k)), axis=1)


def problems():
    """Name, X, y, weights and parameters."""
    rng = np.random.default_rng(0)
    iris, wine, cancer, digits = (
        load(return_X_y=True)
        for load in (
            datasets.load_iris,
            datasets.load_wine,
            datasets.load_breast_cancer,
            datasets.load_digits,
        )
    )
    yield "iris", *iris, None, {}
    yield "iris, weights", *iris, rng.uniform(0.2, 3, 150), {}
    yield "wine", scaled(wine[0]), wine[1], None, {}
    yield "breast cancer", scaled(cancer[0])[:200], cancer[1][:200], None, {}
    yield "digits", digits[0][:250] / 16, digits[1][:250], None, {}
    yield "80 × 200, 3 classes", *made(80, 200, 3), None, {}
    yield "60 × 90, 2 classes", *made(60, 90, 2), None, {}
    yield "nearly separable", *made(120, 5, 2, noise=0.02), None, {}
    yield "6 classes", *made(200, 6, 6), None, {"class_weight": "balanced"}
    free = {"penalty_factor": [0, 1, 2, 0.5], "fit_intercept": False}
    yield "a free feature", *made(150, 4, 3), None, free


def exact(X, y, C, s, **params):
    """Minus the loss of each row by a fit without it."""
    s, scores = np.ones(len(y)) if s is None else s, np.empty(len(y))
    if params.get("class_weight") == "balanced":  # by all rows, as of folds
        counts = np.bincount(y)
        params["class_weight"] = dict(enumerate(len(y) / (len(counts) * counts)))
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        model = SoftmaxRegression(C=C, tol=1e-9, **params).fit(X[others], y[others], s[others])
        scores[i] = model.predict_log_proba(X[i : i + 1])[0, y[i]]
    return scores


def losses():
    print("# Leave-one-out from one fit for each C\n")
    print(
        "Mean loss by n certified fits; how far that from one fit is off, and the rows refitted.\n"
    )
    print("| data | C | n fits | off by | rows refitted |")
    print("|---|---:|---:|---:|---:|")
    for name, X, y, s, params in problems():
        model = SoftmaxRegressionCV(CS, cv="loo", **params).fit(X, y, s)
        for j, C in enumerate(CS):
            mean = np.average(exact(X, y, C, s, **params), weights=s)
            ours = np.average(model.scores_[:, j], weights=s)
            off, count = ours / mean - 1, model.n_refits_[j]
            print(
                f"| {name} | {C:g} | {-mean:.5g} | {off:+.3%} | {count} of {len(y)} |", flush=True
            )


def costs():
    print("\n## Cost beyond the fit, without refits\n")
    print("| rows | features | classes | seconds | iterations of Newton's method |")
    print("|---:|---:|---:|---:|---:|")
    cases = (
        (1797, 64, 10, 0.1),
        (20000, 200, 10, 0.01),
        (5000, 2000, 2, 0.01),
        (10**5, 20, 5, 1.0),
    )
    for n, d, k, C in cases:
        X, y = made(n, d, k)
        newton = SoftmaxRegression(C=C, solver="newton").fit(X, y).history_
        problem = problem_of(SoftmaxRegression(C=C), X, y, None, max_iter=1000, Cs=[C])
        seconds = []
        for _ in range(2):
            objective = problem.objective(C)
            theta = minimum(problem, objective, []).theta
            start = time.perf_counter()
            leave_one_out(objective, theta)
            seconds.append(time.perf_counter() - start)
        ratio = min(seconds) / (newton[-1].seconds / len(newton))
        print(f"| {n} | {d} | {k} | {min(seconds):.3f} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    {"losses": losses, "costs": costs}[sys.argv[1]]()
