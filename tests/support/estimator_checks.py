"""scikit-learn's estimator checks: on which instances they run, and which cannot pass, and why.

`test_estimator_checks.py` runs them one by one; as a script this prints the list of those run, with
how often each passed, and fails where one does not that is expected to.

Left out: networks with ``early_stopping=True``, which refuse `partial_fit` and need rows enough to
hold out two, and with ``warm_start=True``, which checks fit twice to compare: scikit-learn's own
MLPClassifier fails in the same places.
"""

import os
import sys
import warnings
from collections import Counter

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported: its check runs too

import numpy as np
import sklearn
from sklearn.utils.estimator_checks import check_estimator

from fastsoftmax import (
    Adaline,
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)

TIGHT = {"tol": 1e-16}  # checks compare fits at 1e-7
QUICK = {"max_iter": 100, "learning_rate_init": 0.01}

NO_OPTIMUM = "its data is separable: without a penalty the fit stops short of infinity"
LOGARITHM = "it takes the logarithm of probabilities rounded to 1, predict_log_proba does not"
NO_INTERCEPT = "its classes want one: scikit-learn's LogisticRegression(fit_intercept=False) fails"
NO_WEIGHTS = "'sgd' is the online rule row by row and says that it takes no sample_weight"
NO_PENALTY = "'sgd' is the online rule row by row, without class_weight"

NO_STREAM = dict.fromkeys(
    (
        "check_fit_score_takes_y",
        "check_n_features_in_after_fitting",
        "check_estimators_partial_fit_n_features",
    ),
    "partial_fit has an L2 penalty alone, of features as they are, and refuses another",
)

INSTANCES = [
    (SoftmaxRegression(), {}),
    (SoftmaxRegression(warm_start=True, standardize=True, label_smoothing=0.05), NO_STREAM),
    (SoftmaxRegression(solver="preconditioned-lbfgs", **TIGHT), {}),
    (SoftmaxRegression(solver="lbfgs", **TIGHT), {}),
    (SoftmaxRegression(solver="newton", **TIGHT), {}),
    (SoftmaxRegression(solver="gd", max_iter=100_000, **TIGHT), {}),
    (SoftmaxRegression(l1_ratio=0.5, **TIGHT), NO_STREAM),
    (
        SoftmaxRegression(fit_intercept=False),
        {"check_class_weight_classifiers": NO_INTERCEPT},
    ),
    (
        SoftmaxRegression(C=np.inf),
        {
            "check_sample_weight_equivalence_on_dense_data": NO_OPTIMUM,
            "check_sample_weight_equivalence_on_sparse_data": NO_OPTIMUM,
            "check_classifiers_train": LOGARITHM,
        },
    ),
    (SoftmaxRegressionCV(), {"check_classifiers_train": LOGARITHM}),
    (SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=2), {}),
    (LogisticRegressionCV(), {"check_classifiers_train": LOGARITHM}),
    (
        LogisticRegressionCV(
            [0.1, 1.0], cv=2, l1_ratios=(0, 1), scoring="neg_log_loss", use_legacy_attributes=False
        ),
        {},
    ),
    (LogisticRegression(), {}),
    (LogisticRegression(l1_ratio=1, **TIGHT), NO_STREAM),
    (LogisticRegression(solver="saga", n_jobs=-1, random_state=None, penalty="l2"), {}),
    (
        LogisticRegression(solver="sgd"),
        {
            **dict.fromkeys(
                (
                    "check_sample_weights_pandas_series",
                    "check_sample_weights_not_an_array",
                    "check_sample_weights_list",
                    "check_sample_weights_shape",
                    "check_sample_weights_not_overwritten",
                    "check_all_zero_sample_weights_error",
                    "check_sample_weight_equivalence_on_dense_data",
                    "check_classifiers_one_label_sample_weights",
                ),
                NO_WEIGHTS,
            ),
            "check_class_weight_classifiers": NO_PENALTY,
            "check_classifiers_train": LOGARITHM,
        },
    ),
    (Adaline(), {}),
    (Adaline(batch_size="full"), {}),
    (Adaline(learning_rate_init=1e-4), {}),  # data of mean 100, for which 1e-3 diverges
    (MLPClassifier(**QUICK), {}),
    (MLPClassifier((), solver="sgd", **QUICK), {}),
    (MLPClassifier((8,), loss="binary_cross_entropy", **QUICK), {}),
    (MLPClassifier((8,), loss="mse", **QUICK), {}),
    (MLPRegressor(max_iter=200, learning_rate_init=0.01), {}),
    (MLPRegressor(loss="mae", max_iter=200, learning_rate_init=0.01), {}),
]


def expected_failures(estimator) -> dict[str, str]:
    """Check to reason, of an instance above."""
    return next(reasons for one, reasons in INSTANCES if repr(one) == repr(estimator))


def main() -> int:
    """Run all checks and print a table."""
    passed, skipped, wrong, argued = Counter(), Counter(), [], []
    for estimator, reasons in INSTANCES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_estimator(
                estimator, expected_failed_checks=reasons, on_skip=None, on_fail=None
            )
        shown = " ".join(repr(estimator).split())
        print(f"{len(results):4} checks of {shown}")
        for result in results:
            name, status = result["check_name"], result["status"]
            passed[name] += status == "passed"
            skipped[name] += status == "skipped"
            if status == "failed":
                wrong.append(f"{shown}: {name}: {result['exception']}")
            if status == "xfail":
                argued.append(f"{shown}: {name}: {reasons[name]}")
    print(f"\nscikit-learn {sklearn.__version__}, checks passed, and how often:")
    for name, times in sorted(passed.items()):
        print(f"{times:4}  {name}" + (f" ({skipped[name]} skipped)" if skipped[name] else ""))
    for title, lines in (("Expected to fail", argued), ("FAILED", wrong)):
        print(f"\n{title}: {len(lines)}", *lines, sep="\n  ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
