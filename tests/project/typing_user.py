"""What a user's program looks like to a type checker: mypy --strict accepts it.

Checked by `test_typing.py`, and run there too.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import fastsoftmax
from fastsoftmax import (
    Adaline,
    Blocks,
    FitState,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    datasets,
)
from fastsoftmax.inference import firth, results

Array = NDArray[Any]


def functions() -> None:
    """Arrays and lists in, arrays or numbers out."""
    x = np.array([[1.0, 2.0, 0.5], [0.1, 0.2, 0.3]])
    labels = [1, 2]
    assert_type(fastsoftmax.softmax(x, axis=1, temperature=2.0), Array)
    assert_type(fastsoftmax.log_softmax(x, out=np.empty_like(x)), Array)
    assert_type(fastsoftmax.softmax_vjp(fastsoftmax.softmax(x), x), Array)
    assert_type(fastsoftmax.sigmoid([0.0, 1.0]), Array)
    assert_type(fastsoftmax.log_sigmoid(x), Array)
    assert_type(fastsoftmax.logit([0.2, 0.8]), Array)
    assert_type(fastsoftmax.one_hot(labels, 3), Array)
    fastsoftmax.softmax(x, dim=1, dtype=np.float32)
    assert_type(fastsoftmax.logsumexp(x, axis=(0, 1), keepdims=True), Array)
    assert_type(fastsoftmax.logsumexp(x, b=2.0, return_sign=True), tuple[Array, Array])
    w = [1.0, 2.0, 1.0]
    assert_type(fastsoftmax.cross_entropy(x, labels, w, label_smoothing=0.1), float)
    assert_type(fastsoftmax.cross_entropy(x, labels, reduction="none", axis=1), Array)
    log_p = fastsoftmax.log_softmax(x)
    assert_type(fastsoftmax.nll_loss(log_p, labels, reduction="none"), Array)
    assert_type(fastsoftmax.nll_loss(log_p, labels, w, ignore_index=-100), float)
    assert_type(fastsoftmax.binary_cross_entropy(x, np.ones_like(x), pos_weight=w), float)
    assert_type(fastsoftmax.mse(x, x), float)
    assert_type(fastsoftmax.mae(x, x, sample_weight=[[1.0], [2.0]], reduction="none"), Array)
    loss, gradient = fastsoftmax.cross_entropy_value_and_grad(x, labels, reduction="sum")
    assert_type(loss, float)
    print(gradient.shape)


def linear_functions() -> None:
    """Gradients by what was asked for."""
    x, labels, W = np.array([[1.0, 2.0], [0.1, 0.2]]), [1, 2], np.zeros((3, 2), np.float32)
    assert_type(fastsoftmax.linear_cross_entropy(x, W, None, labels, reduction="sum"), float)
    rows = sparse.csr_array(x)
    value, grads = fastsoftmax.linear_cross_entropy_value_and_grad(rows, W, [0.0] * 3, labels)
    assert_type(value, float)
    print(grads.W.shape, grads.b.shape)
    of_all = fastsoftmax.linear_cross_entropy_value_and_grad(
        x, W, None, labels, wrt=("W", "b", "X"), ignore_index=-100
    )[1]
    print(of_all.X.shape)
    of_one = fastsoftmax.linear_cross_entropy_value_and_grad(x, W, None, labels, wrt=["X"])[1]
    assert_type(of_one.X, Array | None)
    fastsoftmax.show_versions()


def callback(state: FitState) -> bool:
    assert_type(state.n_iter, int)
    assert_type(state.objective, float)
    assert_type(state.coef, Array)
    return state.gap < 1e-3


def linear_models() -> None:
    """Estimators, from data of any kind."""
    X, y = datasets.load_digits()
    model = SoftmaxRegression(C=0.01, l1_ratio=0.0, max_iter=100, feature_scale=1 / 16)
    assert_type(model.fit(X, y, callback=callback), SoftmaxRegression)
    assert_type(model.coef_, Array)
    assert_type(model.intercept_, Array)
    assert_type(model.predict(X), Array)
    assert_type(model.predict_proba(X[:2]), Array)
    assert_type(model.decision_function(X.tolist()), Array)
    assert_type(model.objective_, float)
    for iteration in model.history_:
        assert_type(iteration.seconds, float)
    model.fit(sparse.csr_array(X.astype(np.float32)), y, sample_weight=np.ones(len(y)))
    model.partial_fit(X[:100], y[:100], classes=range(10))
    fitted = fastsoftmax.fit(Blocks([(X[:900], y[:900]), (X[900:], y[900:])]), C=1e-3)
    fastsoftmax.fit(X, y, solver="lbfgs", class_weight="balanced", target="labels", tol=1e-4)
    proof = fastsoftmax.certify(model.coef_, model.intercept_, X, y, feature_scale=1 / 16)
    print(proof)
    assert_type(fitted, SoftmaxRegression)
    counts = fastsoftmax.one_hot(y, 10, dtype=np.int64)
    SoftmaxRegression(reference_class=3).fit(X, counts, target="counts", classes=range(10))
    search = SoftmaxRegressionCV(Cs=[1e-3, 1e-2], cv=3).fit(X, y)
    assert_type(search, SoftmaxRegressionCV)
    assert_type(search.C_, float)
    scores: Array = search.scores_
    print(scores.mean(axis=0))
    even, digit = fastsoftmax.fit_many(X, [y % 2 == 0, y], Cs=[1e-3, 1e-2], tol=1e-4)
    assert_type(digit[0], SoftmaxRegression)
    print(even[1].score(X, y % 2 == 0))
    each = SoftmaxRegressionCV([0.1], cv="loo", selection="1se").fit(X[:40], y[:40] > 4)
    refits: Array = each.n_refits_
    print(refits.sum())
    assert_type(LogisticRegression(C=1.0).fit(X, y == 1), LogisticRegression)
    assert_type(Adaline(learning_rate_init=1e-4, max_iter=2).fit(X, y == 1), Adaline)


def inference() -> None:
    """What statisticians ask."""
    X, y = datasets.load_digits()
    ink = X.sum(axis=1, keepdims=True)
    model = SoftmaxRegression(C=np.inf, reference_class=0).fit(ink, y)
    errors: Array = model.standard_errors_.coef
    ends: Array = model.conf_int(alpha=0.1).intercept
    numbers: list[float] = [model.loglike, model.aic, model.bic, model.pseudo_r2]
    found = results(model, ink, y, cov_type="HC1")
    table: Array = found.marginal_effects(at="mean").effects
    p_value: float = found.wald_test("x0").p_value
    print(found.ratios().intervals, p_value, table, firth(ink[:90], y[:90] > 4).conf_int())
    print(model.summary().upper(), errors, ends, numbers, model.cov_params() @ np.ones(18))


def networks() -> None:
    """Networks."""
    X, y = datasets.load_digits()
    classifier = MLPClassifier(hidden_layer_sizes=(16,), max_iter=2, random_state=0)
    assert_type(classifier.fit(X, y), MLPClassifier)
    assert_type(classifier.predict(X), Array)
    regressor = MLPRegressor(max_iter=2).fit(X, X[:, :2])
    assert_type(regressor, MLPRegressor)
    assert_type(regressor.predict(X), Array)


def saving(path: Path) -> None:
    """Models in files."""
    X, y = datasets.load_digits()
    fastsoftmax.fit(X, y, C=1e-3).save(path)
    assert_type(SoftmaxRegression.load(path), SoftmaxRegression)
    print(fastsoftmax.load(path).predict(X[:5]))


def data(folder: Path) -> None:
    """Readers of files."""
    mnist = datasets.load_mnist(folder)
    assert_type(mnist.X_train, NDArray[np.uint8])
    assert_type(datasets.read_idx(folder / "some.gz"), Array)


if __name__ == "__main__":
    functions()
    linear_functions()
    linear_models()
    inference()
    networks()
    with TemporaryDirectory() as temporary:
        saving(Path(temporary, "model.npz"))
