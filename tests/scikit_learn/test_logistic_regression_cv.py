"""`LogisticRegressionCV` beside scikit-learn's: values, shapes, warnings."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

import sklearn
from scipy import sparse
from sklearn import datasets, linear_model
from sklearn.datasets import make_classification
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import SelectFromModel
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastsoftmax
from fastsoftmax import LogisticRegressionCV, SoftmaxRegressionCV

X, Y = make_classification(
    210, 6, n_informative=4, n_redundant=0, n_classes=3, flip_y=0.2, random_state=0
)
TARGETS = {"two": np.where(Y > 0, "yes", "no"), "three": Y}
CS = [0.03, 0.1, 10.0]  # of less scikit-learn's saga ends far from the optimum
QUIET = {"l1_ratios": (0,), "scoring": "accuracy", "use_legacy_attributes": False}
SHAPED = ("C_", "l1_ratio_", "Cs_", "l1_ratios_", "scores_", "coefs_paths_", "n_iter_", "coef_")


def theirs(y, sample_weight=None, **params):
    params = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000, "Cs": CS} | params
    ratios = np.zeros(1) if params.get("l1_ratios") is None else np.asarray(params["l1_ratios"])
    if ratios.any() or params.get("penalty") == "l1":
        params |= {"solver": "saga", "tol": 1e-9, "max_iter": 20_000}
    return linear_model.LogisticRegressionCV(**params).fit(X, y, sample_weight)


def ours(y, sample_weight=None, **params):
    params = {"tol": 1e-13, "fold_tol": 1e-13, "Cs": CS} | params
    return LogisticRegressionCV(**params).fit(X, y, sample_weight)


def warned(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, sorted(w.category.__name__ for w in caught)


def assert_alike(model, other):
    """Attributes of the same form and the same values, iterations apart."""
    for name in SHAPED:
        one, that = getattr(model, name), getattr(other, name)
        assert type(one) is type(that), name
        pairs = [(one, that)]
        if isinstance(that, dict):
            assert list(one) == list(that)
            pairs = list(zip(one.values(), that.values(), strict=True))
        for a, b in pairs:
            assert np.shape(a) == np.shape(b), name
            if name != "n_iter_" and np.asarray(b).dtype != object:
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5, err_msg=name)
    np.testing.assert_allclose(model.intercept_, other.intercept_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("y", TARGETS)
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {"l1_ratios": (0,), "scoring": "accuracy"},
        {"l1_ratios": np.array([0, 0.5, 1]), "scoring": "neg_log_loss", "cv": 3},
        {
            "l1_ratios": (0,),
            "scoring": "balanced_accuracy",
            "cv": KFold(4),
            "class_weight": "balanced",
        },
        {"l1_ratios": (0,), "scoring": None, "fit_intercept": False, "Cs": [10.0, 0.1]},
    ],
    ids=["accuracy", "elasticnet", "balanced", "no intercept"],
)
def test_values_and_shapes(y, legacy, refit, params):
    params = {"use_legacy_attributes": legacy, "refit": refit, **params}
    assert_alike(ours(TARGETS[y], **params), theirs(TARGETS[y], **params))


@pytest.mark.parametrize("y", TARGETS)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"l1_ratios": None},
        {"l1_ratios": None, "scoring": "accuracy", "use_legacy_attributes": False},
        {"penalty": "l2", "scoring": "accuracy", "use_legacy_attributes": True},
        {"penalty": "l1", "l1_ratios": None, "scoring": "accuracy"},
        {"penalty": "elasticnet", "l1_ratios": np.array([0.3, 0.6]), "scoring": None, "cv": 3},
    ],
    ids=str,
)
def test_what_is_deprecated(y, params):
    other, expected = warned(lambda: theirs(TARGETS[y], **params))
    model, found = warned(lambda: ours(TARGETS[y], **params))
    assert found == expected and "FutureWarning" in found
    assert_alike(model, other)


def test_weights_of_rows():
    weights = np.random.default_rng(0).integers(0, 4, size=len(Y)).astype(float)
    for scoring in ("accuracy", "neg_log_loss", make_scorer(accuracy_score)):
        params = {**QUIET, "scoring": scoring}
        model, other = ours(Y, weights, **params), theirs(Y, weights, **params)
        assert_alike(model, other)
        np.testing.assert_allclose(
            model.score(X, Y, sample_weight=weights), other.score(X, Y, sample_weight=weights), 1e-4
        )
        np.testing.assert_allclose(model.score(X, Y), other.score(X, Y), 1e-4)


@pytest.mark.parametrize("scoring", ["neg_brier_score", "roc_auc_ovr", "f1_macro", "f1"])
def test_folds_that_lack_classes_to_score(scoring):
    """Metrics know all classes; and of two labels that are strings, which is the positive one."""
    y = TARGETS["two" if scoring == "f1" else "three"]
    rows = np.flatnonzero(Y < 2)  # four at a time, so that some folds predict no third class either
    pairs = [(np.arange(len(y)), rows[i : i + 4]) for i in range(0, 80, 4)]
    params = QUIET | {"cv": pairs, "scoring": scoring, "Cs": CS[:1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores that are not defined
        expected = theirs(y, **params).scores_
        if np.isnan(expected).all():
            with pytest.raises(ValueError, match="scoring: expected a number, got NaN in all 20"):
                ours(y, **params)
        else:
            np.testing.assert_allclose(ours(y, **params).scores_, expected, atol=1e-7)


@pytest.mark.parametrize("unit", ["D", "ns"])
def test_dates_are_keys_as_they_are_labels(unit):
    dates = np.array(["2020-05-01", "2019-01-31", "2021-01-01"], f"M8[{unit}]")
    params = QUIET | {"use_legacy_attributes": True, "Cs": CS[:1], "cv": 2}
    model, other = ours(dates[Y], **params), theirs(dates[Y], **params)
    assert list(model.scores_) == list(other.scores_) == list(model.coefs_paths_)
    np.testing.assert_array_equal(model.scores_[dates[0]], other.scores_[dates[0]])


def test_in_this_packages_terms():
    """The same search as `SoftmaxRegressionCV`'s."""
    native = SoftmaxRegressionCV(CS, tol=1e-10, fold_tol=1e-10).fit(X, Y)
    model = LogisticRegressionCV(
        CS, tol=1e-10, fold_tol=1e-10, **{**QUIET, "scoring": "neg_log_loss"}
    ).fit(X, Y)
    np.testing.assert_array_equal(model.scores_[:, 0], native.scores_)
    np.testing.assert_allclose(model.coef_, native.coef_, rtol=1e-6)
    assert model.C_ == native.C_ and model.converged_ and model.certified_
    assert model.certify(X, Y).gap_bound < 1e-6
    assert model.to_sklearn().C == model.C_


def test_spellings_and_forms_of_X():
    plain = ours(Y, **QUIET)
    for params in ({"solver": "saga", "n_jobs": -1, "random_state": None}, {"n_threads": 1}):
        np.testing.assert_array_equal(ours(Y, **QUIET, **params).coef_, plain.coef_)
    rows = LogisticRegressionCV(CS, **QUIET).fit(sparse.coo_array(X), Y)
    np.testing.assert_allclose(rows.scores_, plain.scores_, atol=0.03)
    with pytest.raises(ValueError, match="solver: expected"):
        LogisticRegressionCV(CS, solver="sgd", **QUIET).fit(X, Y)
    with pytest.raises(ValueError, match="liblinear"):
        LogisticRegressionCV(CS, solver="liblinear", **QUIET).fit(X, Y)
    with pytest.raises(TypeError, match="LogisticRegressionCV: unknown parameter 'multi_class'"):
        LogisticRegressionCV(multi_class="ovr")
    for l1_ratios, error in (("all", ValueError), ([], ValueError), ([2.0], ValueError)):
        with pytest.raises(error, match="l1_ratios: expected"):
            LogisticRegressionCV(CS, **QUIET | {"l1_ratios": l1_ratios}).fit(X, Y)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("l1_ratios", [None, (0, 1)])
def test_files_and_pickles(legacy, l1_ratios, tmp_path):
    params = {**QUIET, "use_legacy_attributes": legacy, "l1_ratios": l1_ratios}
    model = LogisticRegressionCV([0.01, 1.0], cv=2, **params).fit(X, Y)
    model.save(tmp_path / "model")
    same = fastsoftmax.load(tmp_path / "model")
    for copy in (same, pickle.loads(pickle.dumps(model))):
        np.testing.assert_equal(
            {name: getattr(copy, name) for name in SHAPED},
            {name: getattr(model, name) for name in SHAPED},
        )
        np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
        assert copy.score(X, Y) == model.score(X, Y)
    assert type(same.C_) is type(model.C_) and same.to_sklearn().C == model.to_sklearn().C


def test_select_from_model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for params in ({"l1_ratios": (1,)}, {"l1_ratios": (1,), "use_legacy_attributes": True}):
            model = LogisticRegressionCV([0.02], **{**QUIET, **params})
            chosen = SelectFromModel(model).fit(X, Y)
            kept = np.abs(chosen.estimator_.coef_).sum(axis=0) > 0
            np.testing.assert_array_equal(chosen.get_support(), kept)
            assert 0 < kept.sum() < 6


def test_a_callback_stops_the_search():
    seen = []

    def callback(state):
        assert state.coef.shape == (3, 6) and state.intercept.shape == (3,)
        assert state.history[-1].score == state.score and len(state.history) == state.n_iter
        seen.append((state.C, state.l1_ratio, state.fold))
        return state.n_iter == 7

    model = ours(Y, **QUIET | {"l1_ratios": (0, 1)})
    half = LogisticRegressionCV(CS, tol=1e-13, fold_tol=1e-13, **QUIET | {"l1_ratios": (0, 1)})
    with pytest.warns(UserWarning, match="callback: it ended the search after 7 of 30 fits"):
        half.fit(X, Y, callback=callback)
    assert seen == [(0.03, 0.0, f) for f in range(5)] + [(0.1, 0.0, 0), (0.1, 0.0, 1)]
    np.testing.assert_array_equal(half.scores_[:, 0, 0], model.scores_[:, 0, 0])
    assert np.isnan(half.scores_).sum() == 30 - 7
    assert half.C_ == 0.03 and half.l1_ratio_ == 0.0 and half.converged_


# ---- scikit-learn's routing


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize(
    "model", [LogisticRegressionCV(**QUIET), SoftmaxRegressionCV()], ids=lambda m: type(m).__name__
)
def test_routing_of_weights(model, routing):
    """The example: a scorer that has asked for weights chooses another C."""
    Xs, y = make_classification(300, flip_y=0.3, random_state=0)
    weights = np.where(y == 1, 10.0, 1.0)
    chosen = {}
    for asks in (True, False):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=asks)
        params = {"Cs": np.logspace(-4, 0, 5), "cv": 5, "scoring": scorer}
        model.set_params(**params).fit(Xs, y, sample_weight=weights)
        chosen[asks] = model.C_
        folds = list(StratifiedKFold(5).split(Xs, y))
        scores = np.empty((5, 5))
        for i, (train, test) in enumerate(folds):
            for j, C in enumerate(model.Cs_):
                fold = linear_model.LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10)
                right = fold.fit(Xs[train], y[train], weights[train]).predict(Xs[test]) == y[test]
                scores[i, j] = np.average(right, weights=weights[test] if asks else None)
        np.testing.assert_allclose(np.squeeze(model.scores_), scores, atol=1.01 / 60)
    assert chosen == {True: 0.01, False: 1.0}
    model.set_params(scoring=make_scorer(accuracy_score))
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        model.fit(Xs, y, sample_weight=weights)
    model.fit(Xs, y)


def test_routing_of_groups_and_through_pipelines(routing):
    groups = np.arange(len(Y)) // 30
    plain = LogisticRegressionCV(CS, cv=GroupKFold(3), **QUIET).fit(X, Y, groups=groups)
    pipeline = make_pipeline(StandardScaler(), LogisticRegressionCV(CS, cv=GroupKFold(3), **QUIET))
    pipeline.fit(X, Y, groups=groups)
    other = make_pipeline(
        StandardScaler(),
        linear_model.LogisticRegressionCV(Cs=CS, cv=GroupKFold(3), **QUIET),
    ).fit(X, Y, groups=groups)
    np.testing.assert_allclose(pipeline[-1].scores_, other[-1].scores_, atol=0.03)
    assert plain.scores_.shape == (3, 1, 3)
    router = SoftmaxRegressionCV(scoring="f1").get_metadata_routing()
    assert "scorer" in str(router) and "splitter" in str(router)


def test_further_arguments_without_routing():
    for model in (LogisticRegressionCV(**QUIET), SoftmaxRegressionCV()):
        with pytest.raises(TypeError, match=r"fit: expected no further .* got flavour"):
            model.fit(X, Y, flavour=1)
    fitted = LogisticRegressionCV(CS, **QUIET | {"scoring": get_scorer("f1_macro")}).fit(X, Y)
    assert fitted.score(X, Y) == get_scorer("f1_macro")(fitted, X, Y)


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss"])
def test_by_routing_measures_of_logits_request_their_weights(scoring, routing):
    weights = np.where(Y == 1, 10.0, 1.0)
    quiet = QUIET | {"scoring": scoring}
    for kind in (LogisticRegressionCV, linear_model.LogisticRegressionCV):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            kind(Cs=CS, cv=3, **quiet).fit(X, Y, sample_weight=weights)
        kind(Cs=CS, cv=3, **quiet).fit(X, Y)
    asking = get_scorer(scoring or "accuracy").set_score_request(sample_weight=True)
    ours, theirs = (
        kind(Cs=CS, cv=3, **quiet | {"scoring": asking}).fit(X, Y, sample_weight=weights)
        for kind in (LogisticRegressionCV, linear_model.LogisticRegressionCV)
    )
    np.testing.assert_allclose(ours.scores_, theirs.scores_, atol=0.02)
    assert ours.score(X, Y, sample_weight=weights) == pytest.approx(
        theirs.score(X, Y, sample_weight=weights), abs=0.02
    )


def test_a_small_tol_gives_scikit_learns_scores():
    """By accuracy on iris, where folds fitted less closely differ in two of thirty rows."""
    iris = datasets.load_iris()
    same = {"Cs": 10, "cv": 5, **QUIET}
    other = linear_model.LogisticRegressionCV(
        **same, solver="newton-cholesky", tol=1e-8, max_iter=1000
    ).fit(iris.data, iris.target)
    model = LogisticRegressionCV(**same, tol=1e-10).fit(iris.data, iris.target)
    np.testing.assert_array_equal(model.scores_, other.scores_)
    np.testing.assert_allclose(model.coefs_paths_, other.coefs_paths_, rtol=2e-3, atol=2e-3)


def test_a_score_wants_weights_that_can_be_summed():
    model = LogisticRegressionCV(Cs=[0.1], cv=2, **QUIET).fit(X, Y)
    for weight, text in (
        (0.0, "expected a positive weight, got zeros"),
        (1e308, "expected weights of rows whose sum is finite"),
        (1e-310, "expected weights of rows whose mean is at least"),
    ):
        with pytest.raises(ValueError, match=f"sample_weight: {text}"):
            model.score(X, Y, np.full(len(Y), weight))
