"""Estimators and pipelines in ONNX graphs: onnxruntime predicts what they predict."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler, StandardScaler  # noqa: E402

import fastsoftmax.onnx  # noqa: E402
from fastsoftmax import (  # noqa: E402
    Adaline,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)
from fastsoftmax.datasets import load_digits  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of onnx, and of epochs that do not settle
X, Y = load_digits()
X = X / 16.0
DTYPES = np.float32, np.float64
ATOL = {np.float32: 1e-6, np.float64: 1e-12}


@pytest.fixture(scope="module", autouse=True)
def registered():
    fastsoftmax.onnx.register()


def outputs(model, dtype, rows=X):
    """What onnxruntime makes of the rows: labels and probabilities, or predictions."""
    is_classifier = hasattr(model, "predict_proba")
    options = {"zipmap": False} if is_classifier else None
    graph = skl2onnx.to_onnx(model, rows[:1].astype(dtype), options=options)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": rows.astype(dtype)})


WORDS = np.array(["even", "odd"])[Y % 2]
CLASSIFIERS = {
    "softmax": lambda: SoftmaxRegression(C=0.1).fit(X, Y),
    "scaled": lambda: SoftmaxRegression(C=0.1, feature_scale=0.5, l1_ratio=0.5).fit(X, Y),
    "two words": lambda: LogisticRegression(C=0.1).fit(X, WORDS),
    "online": lambda: LogisticRegression(solver="sgd", max_iter=5, random_state=0).fit(X, Y > 4),
    "cv": lambda: SoftmaxRegressionCV([0.01, 0.1], cv=2).fit(X, Y),
    "network": lambda: MLPClassifier(
        (20, 9), activation="tanh", feature_scale=0.5, max_iter=20, random_state=0
    ).fit(X, Y),
    "network of two": lambda: MLPClassifier(20, max_iter=20, random_state=0).fit(X, WORDS),
    "no hidden layer": lambda: MLPClassifier((), max_iter=20, random_state=0).fit(X, Y),
    "pipeline": lambda: make_pipeline(StandardScaler(), SoftmaxRegression(C=0.01)).fit(X, Y),
    "columns": lambda: make_pipeline(
        make_column_transformer((MinMaxScaler(), slice(0, 32)), (StandardScaler(), slice(32, 64))),
        MLPClassifier(9, max_iter=20, random_state=0),
    ).fit(X, Y),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_and_labels(name, dtype):
    model = CLASSIFIERS[name]()
    labels, p = outputs(model, dtype)
    assert p.dtype == dtype
    rows = X.astype(dtype).astype(np.float64)
    np.testing.assert_allclose(p, model.predict_proba(rows), atol=ATOL[dtype])
    if dtype == np.float64:
        np.testing.assert_array_equal(labels, model.predict(rows))


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_of_up_to_30(dtype):
    random = np.random.default_rng(0)
    rows = random.standard_normal((2000, 8))
    model = SoftmaxRegression(max_iter=1).fit(rows, np.arange(2000) % 5)
    model.coef_ = random.standard_normal((5, 8))
    model.coef_ *= 30 / abs(model.decision_function(rows)).max()
    model.intercept_ *= 0
    p = outputs(model, dtype, rows)[1]
    exact = model.predict_proba(rows.astype(dtype).astype(np.float64))
    np.testing.assert_allclose(p, exact, atol=ATOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 3])
def test_regressors(columns, dtype):
    targets = X[:, 20 : 20 + columns]
    model = MLPRegressor(hidden_layer_sizes=9, max_iter=20, random_state=0).fit(X, targets)
    (predicted,) = outputs(model, dtype)
    assert predicted.shape == (len(X), columns)
    expected = model.predict(X.astype(dtype).astype(np.float64)).reshape(predicted.shape)
    np.testing.assert_allclose(predicted, expected, atol=ATOL[dtype])


def test_several_labels_in_float32():
    y = np.eye(10, dtype=int)[Y]
    model = MLPClassifier(20, loss="binary_cross_entropy", max_iter=20, random_state=0).fit(X, y)
    labels, p = outputs(model, np.float32)
    np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-6)
    assert (labels == model.predict(X)).mean() > 0.999


def test_what_scikit_learn_lacks_is_refused_with_its_reason():
    model = MLPClassifier(4, activation="leaky_relu", max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match="to_sklearn: expected one activation"):
        outputs(model, np.float32)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (LogisticRegression(), "to_sklearn: expected a model of one label per row"),
        (Adaline(max_iter=1), "Unable to find a shape calculator for type .*Adaline"),
    ],
)
def test_what_the_guide_says_is_not_converted(model, said):
    y = Y > 4 if isinstance(model, Adaline) else np.eye(10, dtype=int)[Y]
    model.fit(X, y)
    with pytest.raises(Exception, match=said):
        skl2onnx.to_onnx(model, X[:1])


def test_the_program_of_the_guide_prints_what_is_shown():
    text = (Path(__file__).parents[2] / "docs" / "guide" / "saving.md").read_text(encoding="utf-8")
    program, shown = re.search(r"```py\n(.+?)```\n\n```text\n(.+?)```", text, re.DOTALL).groups()
    printed = StringIO()
    with redirect_stdout(printed):
        exec(program, {"__name__": "guide"})
    assert printed.getvalue() == shown
