"""`to_sklearn` of networks: scikit-learn's classes predict the same, pickled too."""

import pickle

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from fastsoftmax import MLPClassifier, MLPRegressor
from fastsoftmax._runtime.sklearn_compat import NotFittedError
from fastsoftmax.datasets import load_digits

pytestmark = pytest.mark.filterwarnings("ignore")  # epochs that do not settle
X, Y = load_digits()
X = X / 16.0
LABELS = {
    "ten": Y,
    "two": Y % 2,
    "two words": np.array(["even", "odd"])[Y % 2],
    "booleans": Y > 4,
    "words": np.array(list("abcdefghij"))[Y],
}


def converted(model):
    return pickle.loads(pickle.dumps(model.to_sklearn()))


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("hidden", [(), (9,), (9, 7)])
def test_classifier(hidden, labels):
    y = LABELS[labels]
    model = MLPClassifier(hidden, max_iter=15, random_state=0, feature_scale=0.5).fit(X, y)
    theirs = converted(model)
    assert type(theirs) is TheirClassifier
    np.testing.assert_array_equal(theirs.predict(X), model.predict(X))
    np.testing.assert_allclose(theirs.predict_proba(X), model.predict_proba(X), atol=1e-13)
    np.testing.assert_allclose(
        theirs.predict_log_proba(X), model.predict_log_proba(X), rtol=1e-9, atol=1e-12
    )
    assert theirs.score(X, y) == model.score(X, y)
    assert theirs.classes_.tolist() == model.classes_.tolist()


@pytest.mark.parametrize("activation", ["identity", "logistic", "sigmoid", "tanh", "relu"])
def test_activations(activation):
    model = MLPClassifier(5, activation=activation, max_iter=5, random_state=0).fit(X, Y)
    np.testing.assert_allclose(
        converted(model).predict_proba(X), model.predict_proba(X), atol=1e-13
    )


def test_several_labels():
    y = np.eye(10, dtype=int)[Y]
    model = MLPClassifier(9, loss="binary_cross_entropy", max_iter=15, random_state=0).fit(X, y)
    theirs = converted(model)
    np.testing.assert_array_equal(theirs.predict(X), model.predict(X))
    np.testing.assert_allclose(theirs.predict_proba(X), model.predict_proba(X), atol=1e-13)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_regressor(loss, columns):
    y = X[:, 20] if columns == 1 else X[:, 20:23]
    model = MLPRegressor(hidden_layer_sizes=9, loss=loss, max_iter=15, random_state=0).fit(X, y)
    theirs = converted(model)
    assert type(theirs) is TheirRegressor
    np.testing.assert_allclose(theirs.predict(X), model.predict(X), atol=1e-13)


def test_what_is_known_of_the_training_comes_along():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    model = MLPClassifier((9, 7), alpha=0.5, activation="tanh", max_iter=4).fit(frame, Y)
    theirs = converted(model)
    assert theirs.get_params()["hidden_layer_sizes"] == (9, 7)
    assert (theirs.alpha, theirs.activation, theirs.max_iter) == (0.5, "tanh", 4)
    assert theirs.feature_names_in_.tolist() == frame.columns.tolist()
    assert theirs.loss_curve_ == model.loss_curve_ and theirs.n_iter_ == 4
    assert [W.shape for W in theirs.coefs_] == [(64, 9), (9, 7), (7, 10)]
    theirs.coefs_[0][:] = 0
    assert model.coefs_[0].any()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"activation": "leaky_relu"}, "expected one activation .* got leaky_relu"),
        ({"activation": ("tanh", "relu")}, "expected one activation .* got relu, tanh"),
        ({"loss": "mse"}, "expected a classifier with loss 'cross_entropy', .* got 'mse'"),
        ({"loss": "binary_cross_entropy"}, "expected a classifier .* got 'binary_cross_entropy'"),
    ],
)
def test_what_scikit_learn_lacks(params, message):
    model = MLPClassifier((4, 3), max_iter=1, **params).fit(X, Y)
    with pytest.raises(ValueError, match=f"to_sklearn: {message}"):
        model.to_sklearn()


def test_not_fitted():
    with pytest.raises(NotFittedError):
        MLPClassifier().to_sklearn()
