"""Fits and predictions in 16 threads at once, of one estimator and of many.

With the GIL the threads take turns within Python; where there is none (`.ci/long python313`) they
run at once.
"""

import sys

import numpy as np
import pytest
from support.problems import softmax_rows
from support.threads import at_once

import fastsoftmax
from fastsoftmax import (
    LogisticRegression,
    MLPClassifier,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    softmax,
)

THREADS = 16


def problem(seed, n=400):
    return softmax_rows(n, 12, 4, seed)


ESTIMATORS = {
    "softmax": lambda: SoftmaxRegression(C=0.5),
    "L1": lambda: SoftmaxRegression(C=0.5, l1_ratio=1.0, max_iter=200),
    "two classes": lambda: LogisticRegression(C=0.5),
    "cross-validation": lambda: SoftmaxRegressionCV(Cs=3, cv=3),
    "network": lambda: MLPClassifier((8,), max_iter=3, random_state=0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore")  # of fits that have not converged
def test_estimators_of_their_own(name):
    def fitted(seed):
        X, y = problem(seed)
        y = y > 1 if name == "two classes" else y
        return ESTIMATORS[name]().fit(X, y).predict_proba(X)

    alone = [fitted(seed) for seed in range(4)]
    for i, found in enumerate(at_once(fitted, [seed % 4 for seed in range(THREADS)])):
        np.testing.assert_array_equal(found, alone[i % 4])


def test_one_estimator_is_fitted_and_predicts():
    """A prediction is that of one fit or another, never of a mixture."""
    problems = [problem(seed) for seed in range(4)]
    X = problems[0][0]
    possible = {SoftmaxRegression(C=0.5).fit(*p).predict_proba(X).tobytes() for p in problems}
    model = SoftmaxRegression(C=0.5).fit(*problems[0])

    def work(i):
        if i % 2:
            model.fit(*problems[i // 2 % 4])
            return possible
        return {model.predict_proba(X).tobytes() for _ in range(20)}

    for found in at_once(work, range(THREADS)):
        assert found <= possible


def test_predictions_of_one_estimator():
    X, y = problem(5, n=3000)
    model = SoftmaxRegression(C=0.5).fit(X, y)
    alone = model.predict_proba(X)
    for found in at_once(lambda _: model.predict_proba(X), range(THREADS)):
        np.testing.assert_array_equal(found, alone)


def test_functions_share_their_input():
    z = np.random.default_rng(0).standard_normal((4000, 30))
    y = np.arange(4000) % 30
    alone = softmax(z), fastsoftmax.cross_entropy_value_and_grad(z, y)

    def work(_):
        return softmax(z), fastsoftmax.cross_entropy_value_and_grad(z, y)

    for probabilities, (loss, gradient) in at_once(work, range(THREADS)):
        np.testing.assert_array_equal(probabilities, alone[0])
        assert loss == alone[1][0]
        np.testing.assert_array_equal(gradient, alone[1][1])


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="a Python that has the GIL only")
def test_whether_there_is_a_gil_is_as_the_environment_says():
    import os

    if os.environ.get("PYTHON_GIL") == "0":
        assert not sys._is_gil_enabled()
