"""scikit-learn's metadata routing, meta-estimators, worker processes and HTML representations."""

import joblib
import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from support.versions import at_least

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor, SoftmaxRegression
from fastsoftmax.datasets import load_digits

CLASSIFIERS = [
    SoftmaxRegression(n_threads=1),
    LogisticRegression(n_threads=1),
    MLPClassifier((), max_iter=50, random_state=0, learning_rate_init=0.01, n_threads=1),
]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return X[:400] / 16.0, y[:400]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def name_of(model):
    return type(model).__name__


# metadata


def test_weights_through_a_pipeline_and_a_search(digits, routing):
    X, y = digits
    weights = np.random.default_rng(0).uniform(size=len(y))
    ours = SoftmaxRegression().set_fit_request(sample_weight=True)
    ours.set_score_request(sample_weight=True)
    pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), ours)
    pipeline.fit(X, y, sample_weight=weights)
    scaled = StandardScaler().fit(X, sample_weight=weights).transform(X)
    expected = SoftmaxRegression().fit(scaled, y, sample_weight=weights)
    np.testing.assert_array_equal(pipeline[-1].coef_, expected.coef_)

    pipeline.set_score_request(sample_weight=True)  # to be said before scikit-learn 1.8
    search = GridSearchCV(pipeline, {"softmaxregression__C": [0.1, 1.0]}, cv=2)
    search.fit(X, y, sample_weight=weights)
    search.score(X, y, sample_weight=weights)
    found = cross_validate(pipeline, X, y, params={"sample_weight": weights}, cv=2)
    assert np.isfinite(found["test_score"]).all()


def test_offsets_are_split_as_the_rows_are(digits, routing):
    X, y = digits
    offset = np.random.default_rng(0).normal(size=(len(y), 10))
    model = SoftmaxRegression(C=0.1).set_fit_request(offset=True)
    half = [(np.arange(0, 400, 2), np.arange(1, 400, 2))]
    done = cross_validate(model, X, y, params={"offset": offset}, cv=half, return_estimator=True)
    expected = SoftmaxRegression(C=0.1).fit(X[::2], y[::2], offset=offset[::2])
    np.testing.assert_array_equal(done["estimator"][0].coef_, expected.coef_)
    assert clone(model).get_metadata_routing().fit.requests["offset"] is True


def test_callbacks_and_validation_data(digits, routing):
    X, y = digits
    seen = []
    model = MLPClassifier((), max_iter=3).set_fit_request(callback=True, validation_data=True)
    pipeline = make_pipeline(StandardScaler(), model)
    pipeline.fit(X, y, callback=seen.append, validation_data=(X, y))
    assert len(seen) == 3 and pipeline[-1].history_[0].validation_loss > 0


@pytest.mark.parametrize("model", CLASSIFIERS, ids=name_of)
def test_what_was_not_asked_for_is_refused(model, digits, routing):
    X, y = digits
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        GridSearchCV(model, {}, cv=2).fit(X, y, sample_weight=np.ones(len(y)))
    aware = clone(model).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    GridSearchCV(aware, {}, cv=2).fit(X, y, sample_weight=np.ones(len(y)))


@pytest.mark.parametrize("model", CLASSIFIERS, ids=name_of)
def test_requests_of_every_method(model):
    requests = model.get_metadata_routing()
    assert {"sample_weight", "callback"} <= set(requests.fit.requests)
    assert set(requests.score.requests) == {"sample_weight"}
    assert not requests.predict.requests


# company


@pytest.mark.parametrize("model", CLASSIFIERS, ids=name_of)
def test_meta_estimators(model, digits):
    X, y = digits
    for outer in (
        CalibratedClassifierCV(model, cv=2),
        CalibratedClassifierCV(model, cv=2, method="temperature")
        if at_least("scikit-learn", 1, 8)
        else CalibratedClassifierCV(model, cv=2, ensemble=False),
        BaggingClassifier(model, n_estimators=2, random_state=0),
        VotingClassifier([("a", model), ("b", clone(model))], voting="soft"),
        StackingClassifier([("a", model)], SoftmaxRegression(), cv=2),
    ):
        assert outer.fit(X, y).score(X, y) > 0.85, outer
    assert (cross_val_score(model, X, y, cv=3) > 0.7).all()
    assert learning_curve(model, X, y, train_sizes=[100, 200], cv=2)[1].shape == (2, 2)
    fitted = clone(model).fit(X, y)
    assert get_scorer("neg_log_loss")(fitted, X, y) < 0
    permutation_importance(fitted, X[:50, :5].repeat(13, axis=1)[:, :64], y[:50], n_repeats=1)


def test_meta_estimators_of_coefficients_and_of_one_neuron(digits):
    X, y = digits
    chosen = SelectFromModel(SoftmaxRegression(l1_ratio=1), threshold=1e-9).fit(X, y)
    assert 0 < chosen.get_support().sum() < 64
    neuron = CalibratedClassifierCV(Adaline(max_iter=5, random_state=0), cv=2)
    assert neuron.fit(X, y > 4).predict_proba(X).shape == (400, 2)
    several = MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[y > 4, y % 2])
    own = LogisticRegression(tol=1e-10).fit(X, np.c_[y > 4, y % 2].astype(int))
    assert (several.predict(X) == own.predict(X)).mean() > 0.99
    regressor = GridSearchCV(
        MLPRegressor(hidden_layer_sizes=(), max_iter=20, random_state=0), {"alpha": [0, 1]}, cv=2
    )
    assert np.isfinite(regressor.fit(X, y).best_score_)


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_find_what_one_process_does(backend, digits):
    X, y = digits
    models = [*map(clone, CLASSIFIERS), Adaline(max_iter=3, random_state=0)]
    targets = [y, y, y, y > 4]
    expected = [clone(model).fit(X, t).predict(X) for model, t in zip(models, targets, strict=True)]
    with joblib.parallel_config(backend=backend, n_jobs=2):
        fitted = joblib.Parallel(timeout=60)(
            joblib.delayed(model.fit)(X, t) for model, t in zip(models, targets, strict=True)
        )
        found = joblib.Parallel(timeout=60)(joblib.delayed(model.predict)(X) for model in fitted)
        search = GridSearchCV(clone(models[0]), {"C": [1e-4, 0.01]}, cv=2).fit(X, y)
    np.testing.assert_array_equal(found, expected)
    assert search.best_params_ == {"C": 0.01}


@pytest.mark.parametrize(
    "model",
    [
        *CLASSIFIERS,
        LogisticRegression(solver="sgd"),
        Adaline(),
        MLPRegressor(hidden_layer_sizes=5, max_iter=2),
    ],
    ids=name_of,
)
def test_html(model, digits):
    X, y = digits
    for state in ("Not fitted", "Fitted"):
        html = estimator_html_repr(model)
        assert name_of(model) in html and state in html
        assert name_of(model) in model._repr_html_()
        assert name_of(model) in estimator_html_repr(make_pipeline(StandardScaler(), model))
        model = clone(model).fit(X, y > 4)
    assert "n_threads" in html or not at_least("scikit-learn", 1, 7)  # shown since then
