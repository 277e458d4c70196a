"""Every estimator, and two data sets that it can be fitted to, of other classes and features."""

import numpy as np
from support.problems import softmax_rows

from fastsoftmax import (
    Adaline,
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)

SMALL, LARGE = softmax_rows(60, 3, 2), softmax_rows(90, 5, 4, 1)
TWO_CLASSES = LARGE[0], LARGE[1] > 1

ESTIMATORS = {
    "softmax": SoftmaxRegression,
    "L1": lambda: SoftmaxRegression(l1_ratio=1.0, C=0.1),
    "inference": lambda: SoftmaxRegression(C=np.inf, reference_class=0),
    "CV": lambda: SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=3),
    "logistic": LogisticRegression,
    "logistic CV": lambda: LogisticRegressionCV(
        Cs=[0.1, 1.0], cv=3, l1_ratios=(0,), use_legacy_attributes=False, scoring="neg_log_loss"
    ),
    "neuron": lambda: LogisticRegression(solver="sgd", max_iter=3),
    "adaline": lambda: Adaline(learning_rate_init=0.01, max_iter=3, random_state=0),
    "classifier": lambda: MLPClassifier(4, max_iter=3, tol=0, random_state=0),
    "regressor": lambda: MLPRegressor(hidden_layer_sizes=4, max_iter=3, tol=0, random_state=0),
}


def second_data(name):
    """Other rows, which this estimator accepts after `SMALL`."""
    return TWO_CLASSES if name in ("neuron", "adaline") else LARGE


def same(a, b):
    """Whether two values are equal, to the bit, whatever they are made of."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        if hasattr(a, "seconds"):  # an iteration or an epoch, whose time is never the same
            a, b = a._replace(seconds=0), b._replace(seconds=0)
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.random.Generator):
        return same(a.bit_generator.state, b.bit_generator.state)
    if type(a).__module__.startswith("fastsoftmax") and hasattr(a, "__dict__"):
        return type(a) is type(b) and same(vars(a), vars(b))
    return a is b or a == b or (a != a and b != b)
