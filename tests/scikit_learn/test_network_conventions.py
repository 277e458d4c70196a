"""Networks inside scikit-learn, and what they promise about parameters."""

import inspect

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import is_classifier, is_regressor

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor

OURS = {"loss", "step_size", "step_factor", "negative_slope", "init", "feature_scale", "n_threads"}


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_parameters_are_scikit_learns_where_it_has_them(name):
    ours = inspect.signature({"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name])
    theirs = inspect.signature(getattr(neural_network, name)).parameters
    for parameter in ours.parameters.values():
        if parameter.name not in OURS:
            assert theirs[parameter.name].default == parameter.default, parameter


def test_kinds():
    assert all(is_classifier(m) for m in (MLPClassifier(), Adaline(), LogisticRegression()))
    assert is_regressor(MLPRegressor())
    with pytest.raises(TypeError, match="positional"):
        MLPClassifier((5,), "relu", "cross_entropy")


def test_feature_names_of_a_data_frame():
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).normal(size=(30, 3))
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = MLPRegressor(max_iter=1000, tol=1).fit(frame, X[:, 0])
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    model.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c"]])
