"""The choice of C: 10 strengths times 5 folds on MNIST's first 20000 rows, as one job.

    pytest benchmarks/cv/bench.py --benchmark-only --benchmark-json=run.json
    python -m benchmarks.cv.report run.json > benchmarks/results/cv.md

Peers: our own cold fits one by one, each on a copy of its rows, to the default tolerance and to
that of the folds; scikit-learn's LogisticRegressionCV with its defaults, and, of one fold, with
iterations enough for objectives like ours. Objectives are evaluated by NumPy in float64, for each
fold and C. Of scikit-learn there is one run of each, of minutes: ours are repeated.
"""

import time
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

from benchmarks.support.checks import rest
from benchmarks.support.data import mnist
from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax.datasets import load_digits

CS, FOLDS = np.logspace(-4, 4, 10), 5
CV, COLD, COLD_LOOSE = "SoftmaxRegressionCV", "cold fits", "cold fits, tol of the folds"
SKLEARN, SKLEARN_MORE = "LogisticRegressionCV", "LogisticRegressionCV, tol=1e-6, of one fold"
BOUNDS = {SKLEARN: 25.0, SKLEARN_MORE: 25.0, COLD: 3.0}
EQUAL = 1e-3  # of an objective, by which one may be above another and is still its equal


@pytest.fixture(scope="module")
def data(request):
    if request.config.getoption("benchmark_disable"):
        X, y = load_digits()
        return np.ascontiguousarray(X[:400], np.float32) / 16, y[:400]
    try:
        X, y = mnist()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return X[:20000], y[:20000]


def objectives(X, y, models):
    """F of (C, fold, coef, intercept), the rows trained on, in float64: (n_folds, n_Cs)."""
    out = np.full((FOLDS, len(CS)), np.nan)
    trains = [train for train, _ in StratifiedKFold(FOLDS).split(X, y)]
    for i, j, coef, intercept in models:
        z = X[trains[i]].astype(np.float64) @ np.asarray(coef, np.float64).T + intercept
        top = z.max(axis=1, keepdims=True)
        losses = np.log(np.exp(z - top).sum(axis=1)) + top[:, 0]
        losses -= z[np.arange(len(z)), y[trains[i]]]
        coef = coef - coef.mean(axis=0)  # what no loss sees would cost scikit-learn's penalty
        out[i, j] = losses.mean() + 0.5 * np.sum(np.square(coef)) / (CS[j] * len(z))
    return out


def one_by_one(X, y, tol):
    """Cold fits of copies of the rows, scored, and the best of all rows."""
    scores, models = np.empty((FOLDS, len(CS))), []
    for i, (train, test) in enumerate(StratifiedKFold(FOLDS).split(X, y)):
        rows, labels = X[train], y[train]
        for j, C in enumerate(CS):
            model = SoftmaxRegression(C=C, tol=tol).fit(rows, labels)
            log_proba = model.predict_log_proba(X[test])
            scores[i, j] = log_proba[np.arange(len(test)), y[test]].mean()
            models.append((i, j, model.coef_, model.intercept_))
    SoftmaxRegression(C=CS[scores.mean(axis=0).argmax()]).fit(X, y)
    return scores, models


def ours(X, y):
    model = SoftmaxRegressionCV(CS, cv=FOLDS).fit(X, y)
    return model.scores_, model.fold_objectives_


def sklearns(X, y, folds=FOLDS, **params):
    cv = list(StratifiedKFold(FOLDS).split(X, y))[:folds]
    model = LogisticRegressionCV(
        Cs=CS, cv=cv, scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False,
        **params,
    ).fit(X, y)  # fmt: skip
    paths = np.reshape(model.coefs_paths_, (folds, len(CS), -1, X.shape[1] + 1))
    pairs = np.ndindex(folds, len(CS))
    models = [(i, j, paths[i, j, :, :-1], paths[i, j, :, -1]) for i, j in pairs]
    return np.reshape(model.scores_, (folds, len(CS))), models


PEERS = {
    CV: (ours, 3),
    COLD: (lambda X, y: one_by_one(X, y, 1e-6), 1),
    COLD_LOOSE: (lambda X, y: one_by_one(X, y, 1e-4), 1),
    SKLEARN: (sklearns, 1),
    SKLEARN_MORE: (lambda X, y: sklearns(X, y, 1, tol=1e-6, max_iter=1000, refit=False), 1),
}


@pytest.fixture(scope="module")
def reached(data):
    """Our objectives, which the others' are compared with."""
    return ours(*data)[1]


@pytest.mark.parametrize("peer", PEERS)
def test_cv(peer, data, reached, benchmark, record):
    benchmark.group = "cv"
    run, rounds = PEERS[peer]
    times = []

    def timed():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = run(*data)
        times.append(time.perf_counter() - start)
        return result

    rest()
    scores, found = benchmark.pedantic(timed, rounds=rounds)
    values = found if peer == CV else objectives(*data, found)
    excess = (values - reached)[: len(scores)] / reached[: len(scores)]
    if peer == CV or "cold" in peer:
        assert np.abs(excess).max() < EQUAL  # of the same optimum
    record(
        peer=peer, seconds=float(np.median(times)), folds=len(scores), bound=BOUNDS.get(peer),
        best=float(CS[scores.mean(axis=0).argmax()]), score=float(scores.mean(axis=0).max()),
        excess=excess.max(axis=0).tolist(), least=float(excess.min()),
    )  # fmt: skip
