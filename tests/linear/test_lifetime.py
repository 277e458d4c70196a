"""What a fit takes is free once it returns, without the garbage collector."""

import gc

import numpy as np
import pytest
from support.problems import softmax_rows
from support.sparse_rows import uniform

from fastsoftmax import (
    Blocks,
    LogisticRegression,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    certify,
)

rng = np.random.default_rng(0)
X, Y = softmax_rows(600, 8, 4, rng)
S = uniform(600, 400, 0.02, rng)
FAR = X.copy()
FAR[3, 0] = 1e6

FITS = {
    "dense": lambda: SoftmaxRegression().fit(X, Y),
    "many features": lambda: SoftmaxRegression().fit(np.tile(X, 20) + rng.normal(size=160), Y),
    "far row": lambda: SoftmaxRegression().fit(FAR, Y),
    "sparse": lambda: SoftmaxRegression().fit(S, Y),
    "blocks": lambda: SoftmaxRegression().fit(Blocks([(X[:300], Y[:300]), (X[300:], Y[300:])])),
    "little memory": lambda: SoftmaxRegression(max_memory=1000).fit(X, Y),
    "L1": lambda: SoftmaxRegression(l1_ratio=1.0, C=0.1).fit(X, Y),
    "sparse L1": lambda: SoftmaxRegression(l1_ratio=1.0, C=0.1).fit(S, Y),
    "several labels": lambda: LogisticRegression().fit(X, np.eye(4, dtype=int)[Y]),
    "row space": lambda: SoftmaxRegression().fit(S[:30], Y[:30]),
    "CV": lambda: SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=3).fit(X, Y),
    "CV of two classes": lambda: SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=3).fit(X, Y > 1),
    "certify": lambda: certify(np.zeros((4, 8)), None, X, Y),
} | {
    name: lambda name=name: SoftmaxRegression(solver=name, tol=1e-3).fit(X, Y)
    for name in ("lbfgs", "newton", "gd", "preconditioned-lbfgs")
}


def engine_objects():
    """Whatever has been made of classes of the engine, and is still there; tuples aside."""
    return {
        id(o): type(o).__name__
        for o in gc.get_objects()
        if str(type(o).__module__).startswith("fastsoftmax._engine") and not isinstance(o, tuple)
    }


@pytest.mark.parametrize("name", FITS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_nothing_waits_for_the_garbage_collector(name):
    FITS[name]()  # imports and caches
    gc.collect()
    gc.disable()
    try:
        before = engine_objects()
        model = FITS[name]()
        left = [kind for i, kind in engine_objects().items() if i not in before]
    finally:
        gc.enable()
    assert model is not None
    assert not left
