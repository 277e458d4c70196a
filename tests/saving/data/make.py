"""Write one saved file and one pickle of each estimator, and what the models answer.

They stand for what users keep on disk, so a later version must read them: run this for a new format
of files only, into a folder of that version's own.

    python tests/saving/data/make.py FOLDER
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np

import fastsoftmax as fs


def data():
    """Rows of five features, and one of three classes each."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    return rng.normal(size=(60, 5)) + np.eye(5)[y], y


def models():
    """A name and a fitted model each."""
    X, y = data()
    names, few = np.array(["ähm", "b", "c"])[y], {"max_iter": 3, "random_state": 0}
    yield "softmax_regression", fs.SoftmaxRegression().fit(X, names)
    yield "softmax_regression_warm", fs.SoftmaxRegression(warm_start=True).fit(X, y == 1)
    yield "softmax_regression_l1", fs.SoftmaxRegression(l1_ratio=1.0).fit(X.astype("f4"), y)
    yield "softmax_regression_partial", fs.SoftmaxRegression().partial_fit(X, y, range(3))
    yield "softmax_regression_cv", fs.SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=2).fit(X, names)
    yield "logistic_regression", fs.LogisticRegression().fit(X, y == 1)
    yield "logistic_regression_labels", fs.LogisticRegression().fit(X, np.eye(3, dtype=int)[y])
    yield "logistic_regression_sgd", fs.LogisticRegression(solver="sgd", **few).fit(X, y == 1)
    yield "adaline", fs.Adaline(**few).fit(X, y == 1)
    yield "mlp_classifier", fs.MLPClassifier((4, 3), early_stopping=True, **few).fit(X, names)
    yield "mlp_regressor", fs.MLPRegressor(hidden_layer_sizes=4, **few).fit(X, X[:, :2])


def answers(model, X):
    """What it predicts, by method."""
    methods = "predict", "predict_proba", "decision_function"
    return {name: getattr(model, name)(X) for name in methods if hasattr(model, name)}


def main(folder):
    """Write the files."""
    folder.mkdir(parents=True)
    X = data()[0]
    with warnings.catch_warnings(action="ignore"):  # three epochs do not converge
        fitted = dict(models())
    for name, model in fitted.items():
        model.save(folder / f"{name}.fastsoftmax")
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol=4))
        np.savez_compressed(folder / f"{name}.npz", X=X, **answers(model, X))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
