"""Estimators work inside scikit-learn as its own do."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastsoftmax import SoftmaxRegression
from fastsoftmax._runtime import teams
from fastsoftmax.datasets import load_digits

PARAMS = {
    "C": 1.0,
    "class_weight": None,
    "label_smoothing": 0.0,
    "reference_class": None,
    "calibrate": None,
    "feature_scale": None,
    "fit_intercept": True,
    "l1_group": None,
    "l1_ratio": 0.0,
    "penalty_factor": None,
    "standardize": False,
    "max_iter": 1000,
    "max_memory": None,
    "n_threads": None,
    "random_state": 0,
    "solver": "auto",
    "tol": 1e-6,
    "verbose": False,
    "warm_start": False,
}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return X[:600].astype(float), y[:600]


def test_get_params_and_set_params():
    model = SoftmaxRegression()
    assert model.get_params() == PARAMS
    other = {name: object() for name in PARAMS}
    assert model.set_params(**other) is model
    assert model.get_params() == other  # kept as they came: fit looks at them
    with pytest.raises(ValueError, match="Invalid parameter 'penalty'"):
        model.set_params(penalty="l2")
    with pytest.raises(TypeError, match="positional"):
        SoftmaxRegression(1.0, True)


def test_repr_names_what_is_not_the_default():
    assert repr(SoftmaxRegression()) == "SoftmaxRegression()"
    shown = repr(SoftmaxRegression(C=0.1, n_threads=2))
    assert shown == "SoftmaxRegression(C=0.1, n_threads=2)"


def test_clone_copies_the_parameters_only(digits):
    model = SoftmaxRegression(C=0.1).fit(*digits)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coef_")
    np.testing.assert_array_equal(copy.fit(*digits).coef_, model.coef_)


def test_is_a_classifier(digits):
    assert is_classifier(SoftmaxRegression())
    tags = SoftmaxRegression().__sklearn_tags__()
    assert tags.input_tags.sparse
    assert tags.target_tags.required


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(digits, protocol):
    X, y = digits
    model = SoftmaxRegression(C=0.1).fit(X, y)
    copy = pickle.loads(pickle.dumps(model, protocol))
    np.testing.assert_equal(vars(copy), vars(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))


def test_in_a_pipeline(digits):
    X, y = digits
    ours = make_pipeline(StandardScaler(), SoftmaxRegression(C=0.1, tol=1e-9))
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, solver="newton-cg"))
    weights = np.random.default_rng(0).uniform(size=len(y))
    ours.fit(X, y, softmaxregression__sample_weight=weights)
    theirs.fit(X, y, logisticregression__sample_weight=weights)
    assert ours.score(X, y) == theirs.score(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(digits, n_jobs):
    pipeline = make_pipeline(StandardScaler(), SoftmaxRegression(n_threads=1))
    grid = {"softmaxregression__C": [1e-5, 1e-2, 1]}
    with joblib.parallel_backend("threading"):
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs).fit(*digits)
    # 1e-5 hardly moves from the classes' shares
    assert search.best_params_["softmaxregression__C"] in (1e-2, 1)
    assert search.best_score_ > 0.85 and search.score(*digits) > 0.95


def test_cross_validation_scores_as_scikit_learns_model_does(digits):
    ours = cross_val_score(SoftmaxRegression(C=1e-3, tol=1e-9), *digits, cv=3)
    theirs = cross_val_score(LogisticRegression(C=1e-3, solver="newton-cg"), *digits, cv=3)
    np.testing.assert_allclose(ours, theirs, atol=1.5 / 200)  # a row on the boundary
    for scoring in ("neg_log_loss", "roc_auc_ovr"):
        assert np.isfinite(
            cross_val_score(SoftmaxRegression(C=1e-3), *digits, scoring=scoring)
        ).all()
    proba = cross_val_predict(SoftmaxRegression(C=1e-3), *digits, method="predict_proba", cv=3)
    assert proba.shape == (len(digits[1]), 10)


def test_inside_meta_estimators(digits):
    X, y = digits
    for model in (
        OneVsRestClassifier(SoftmaxRegression(C=0.01)),
        CalibratedClassifierCV(SoftmaxRegression(C=0.01), cv=2),
    ):
        assert model.fit(X, y).score(X, y) > 0.95


def test_threads_of_joblib_do_not_share_state(digits):
    X, y = digits
    expected = SoftmaxRegression(C=0.01).fit(X, y)
    fits = joblib.Parallel(n_jobs=4, prefer="threads")(
        joblib.delayed(SoftmaxRegression(C=0.01).fit)(X, y) for _ in range(8)
    )
    for model in fits:
        np.testing.assert_array_equal(model.coef_, expected.coef_)
    answers = joblib.Parallel(n_jobs=4, prefer="threads")(
        joblib.delayed(expected.predict_proba)(X) for _ in range(8)
    )
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_of_joblib_get_through():
    # forked after OpenMP's threads ran, a child must not wait for them
    data = load_digits()
    expected = fitted_score(*data)
    assert teams._started
    scores = joblib.Parallel(n_jobs=2, backend="multiprocessing", timeout=60)(
        joblib.delayed(fitted_score)(*data) for _ in range(2)
    )
    assert scores == [expected, expected]


def fitted_score(X, y):
    return SoftmaxRegression(C=0.01, n_threads=2).fit(X, y).score(X, y)


def test_feature_names_of_a_data_frame(digits):
    pandas = pytest.importorskip("pandas")
    X, y = digits
    frame = pandas.DataFrame(X, columns=[f"pixel {i}" for i in range(X.shape[1])])
    model = SoftmaxRegression(C=0.01).fit(frame, y)
    np.testing.assert_array_equal(model.feature_names_in_, frame.columns)
    assert model.fit(X, y).n_features_in_ == X.shape[1]
    assert not hasattr(model, "feature_names_in_")
