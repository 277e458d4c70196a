"""Constructors as scikit-learn spells them: the same optimum, warnings and attributes."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.8")

from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV

import fastsoftmax
from fastsoftmax import (
    LogisticRegression,
    LogisticRegressionCV,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)
from fastsoftmax._runtime.threads import available_threads

SOLVERS = ["lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"]
X, Y = make_classification(
    200, 8, n_informative=5, n_redundant=0, n_classes=3, flip_y=0.2, random_state=0
)
TWO = (Y > 0).astype(int)


def theirs(y=TWO, **params):
    """scikit-learn's fit at its optimum."""
    params = {"solver": "saga", "tol": 1e-11, "max_iter": 100_000} | params
    return linear_model.LogisticRegression(**params).fit(X, y)


def warned(call):
    """What a call returns, and the categories of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, sorted({w.category.__name__ for w in caught})


@pytest.mark.parametrize("y", [TWO, Y], ids=["two", "three"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_of_scikit_learn_comes_to_its_optimum(solver, y):
    tol = {"lbfgs": 1e-8, "newton-cg": 1e-8}.get(solver, 1e-11)
    other = theirs(y, solver=solver, tol=tol, C=0.3)
    ours = LogisticRegression(solver=solver, C=0.3, tol=1e-14).fit(X, y)
    np.testing.assert_allclose(ours.coef_, other.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.intercept_, other.intercept_, rtol=1e-5, atol=1e-6)
    assert ours.n_iter_.shape == other.n_iter_.shape and ours.n_iter_.dtype == other.n_iter_.dtype
    assert ours.n_iter_[0] == len(ours.history_)


def test_liblinear_has_the_same_optimum_without_an_intercept_alone():
    other = theirs(solver="liblinear", fit_intercept=False, dual=False)
    ours = LogisticRegression(solver="liblinear", fit_intercept=False, tol=1e-14).fit(X, TWO)
    np.testing.assert_allclose(ours.coef_, other.coef_, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"solver: .* not penalise the intercept, got 'liblinear'"):
        LogisticRegression(solver="liblinear").fit(X, TWO)
    # and the replacement that the message names has its optimum
    ones = np.column_stack([X, np.ones(len(X))])
    named = LogisticRegression(fit_intercept=False, tol=1e-14).fit(ones, TWO)
    penalised = theirs(solver="liblinear", intercept_scaling=1.0)
    np.testing.assert_allclose(named.coef_[0, :-1], penalised.coef_[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(named.coef_[0, -1], penalised.intercept_[0], rtol=1e-4)


@pytest.mark.parametrize(
    "params",
    [
        {"penalty": "l1"},
        {"penalty": "l2"},
        {"penalty": "elasticnet", "l1_ratio": 0.5},
        {"penalty": "elasticnet"},
        {"penalty": "l1", "l1_ratio": 0.5},
        {"penalty": "l2", "l1_ratio": 0.5},
        {"penalty": "l2", "l1_ratio": 1},
        {"penalty": "l1", "l1_ratio": 1},
        {"penalty": "l2", "l1_ratio": None},
        {"penalty": None},
        {"penalty": None, "C": 0.1},
        {"penalty": None, "l1_ratio": 0.5},
        {"l1_ratio": None},
        {"l1_ratio": 0.5},
        {"C": np.inf},
        {"dual": False, "intercept_scaling": 1},
    ],
    ids=str,
)
def test_penalties_mean_and_warn_what_scikit_learns_do(params):
    other, expected = warned(lambda: theirs(**params))
    ours, found = warned(lambda: LogisticRegression(tol=1e-14, **params).fit(X, TWO))
    np.testing.assert_allclose(ours.coef_, other.coef_, rtol=1e-5, atol=1e-6)
    assert found == expected
    assert ours.get_params() == LogisticRegression(tol=1e-14, **params).get_params()


def test_what_penalties_cannot_mean():
    with pytest.warns(FutureWarning, match=r"penalty: deprecated.* use l1_ratio=1 instead of 'l1'"):
        LogisticRegression(penalty="l1", l1_ratio=1).fit(X, TWO)
    with pytest.raises(ValueError, match=r"l1_ratio: .* penalty='elasticnet', got None"):
        LogisticRegression(penalty="elasticnet", l1_ratio=None).fit(X, TWO)
    with pytest.raises(ValueError, match=r"penalty: expected one of l1, .*, got 'l3'"):
        LogisticRegression(penalty="l3").fit(X, TWO)
    with pytest.raises(ValueError, match="dual: expected False, got True; leave it out"):
        LogisticRegression(dual=True).fit(X, TWO)
    with pytest.raises(ValueError, match="intercept_scaling: expected 1, got 2"):
        LogisticRegression(intercept_scaling=2).fit(X, TWO)


def test_a_failing_fit_leaves_the_model_as_it_was():
    model = LogisticRegression().fit(X, TWO)
    before = dict(vars(model))
    model.set_params(solver="liblinear")
    with pytest.raises(ValueError, match="liblinear"):
        model.fit(X, Y)
    assert {**vars(model), "solver": "auto"} == before


def test_common_constructors_fit_without_a_warning():
    for params in (
        {"max_iter": 1000, "n_jobs": -1},
        {"solver": "saga", "random_state": None, "max_iter": 5000},
        {"solver": "newton-cg", "random_state": np.random.RandomState(0)},
        {"random_state": np.random.default_rng(0), "verbose": 0},
        {"C": 1e5, "solver": "lbfgs", "class_weight": "balanced"},
    ):
        model, found = warned(lambda params=params: LogisticRegression(**params).fit(X, Y))
        assert not found and model.converged_
        assert clone(model).get_params().keys() == model.get_params().keys()


def test_random_state():
    """None is deterministic, and a generator gives a seed, so that fits in turn may differ."""
    big = np.random.default_rng(0).normal(size=(3000, 40))
    labels = np.argmax(big @ np.random.default_rng(1).normal(size=(40, 20)), axis=1)

    def coef(random_state):
        model = LogisticRegression(solver="preconditioned-lbfgs", random_state=random_state)
        return model.fit(big, labels).coef_

    np.testing.assert_array_equal(coef(None), coef(0))
    for make in (np.random.RandomState, np.random.default_rng):
        np.testing.assert_array_equal(coef(make(3)), coef(make(3)))


def test_n_jobs():
    model = LogisticRegression(n_jobs=1).fit(X, Y)
    assert model._threads == model._native().n_threads == 1
    assert LogisticRegression(n_jobs=-1)._threads == available_threads()
    assert LogisticRegression(n_jobs=-2)._threads == max(available_threads() - 1, 1)
    assert LogisticRegression(n_jobs=-100)._threads == 1
    np.testing.assert_array_equal(LogisticRegression(n_jobs=2).fit(X, Y).coef_, model.coef_)
    for n_jobs, error in ((0, ValueError), ("all", TypeError), (True, TypeError)):
        with pytest.raises(error, match="n_jobs: expected"):
            LogisticRegression(n_jobs=n_jobs).fit(X, Y)
    with pytest.raises(ValueError, match="n_jobs: expected None beside n_threads, got 2"):
        LogisticRegression(n_jobs=2, n_threads=2).fit(X, Y)


@pytest.mark.filterwarnings("error")
def test_a_search_over_their_solvers_and_penalties():
    search = GridSearchCV(
        LogisticRegression(fit_intercept=False),
        {"solver": ["liblinear", *SOLVERS], "l1_ratio": [0, 0.5, 1]},
        cv=3,
        error_score="raise",
    ).fit(X, TWO)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    for l1_ratio in (0, 0.5, 1):
        alike = scores[[p["l1_ratio"] == l1_ratio for p in search.cv_results_["params"]]]
        np.testing.assert_array_equal(alike, alike[0])


@pytest.mark.parametrize("y", [TWO, Y], ids=["two", "three"])
def test_sparsify_and_densify(y, tmp_path):
    model = LogisticRegression(C=0.02, l1_ratio=1).fit(X, y)
    other = theirs(y, C=0.02, l1_ratio=1).sparsify()
    coef, p = model.coef_.copy(), model.predict_proba(X)
    proof = model.certify(X, y)
    assert model.sparsify() is model and type(model.coef_) is type(other.coef_)
    assert model.coef_.nnz == np.count_nonzero(coef) < coef.size
    np.testing.assert_array_equal(model.predict_proba(X), p)
    np.testing.assert_array_equal(model.predict_proba(sparse.csr_array(X)).argmax(1), p.argmax(1))
    assert model.certify(X, y) == proof
    np.testing.assert_array_equal(model.to_sklearn().coef_, coef)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(fastsoftmax.load(tmp_path / "model").coef_, coef)
    np.testing.assert_array_equal(model.densify().coef_, coef)
    model.set_params(warm_start=True).sparsify().fit(X, y)
    assert isinstance(model.coef_, np.ndarray)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-3)
    model.set_params(l1_ratio=0).sparsify().partial_fit(X, y)
    assert isinstance(model.coef_, np.ndarray)
    for method in ("sparsify", "densify"):
        with pytest.raises(ValueError, match="not fitted"):
            getattr(LogisticRegression(), method)()


def test_files_keep_n_iter_and_spellings(tmp_path):
    with pytest.warns(FutureWarning):
        model = LogisticRegression(penalty="l2", n_jobs=1, solver="saga").fit(X, TWO)
    model.save(tmp_path / "model")
    same = fastsoftmax.load(tmp_path / "model")
    assert same.get_params() == model.get_params()
    np.testing.assert_array_equal(same.n_iter_, model.n_iter_)
    assert same.n_iter_.dtype == model.n_iter_.dtype


def test_every_method_takes_the_spellings():
    plain = LogisticRegression(C=0.5, l1_ratio=1.0, n_threads=1, tol=1e-12).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        foreign = LogisticRegression(
            C=0.5, penalty="l1", l1_ratio=1.0, n_jobs=1, tol=1e-12, solver="saga"
        ).fit(X, Y)
    np.testing.assert_array_equal(foreign.coef_, plain.coef_)
    assert foreign.certify(X, Y) == plain.certify(X, Y)
    assert foreign.to_sklearn().get_params() == plain.to_sklearn().get_params()
    both = (LogisticRegression(C=2.0), LogisticRegression(penalty="l2", C=2.0, n_jobs=1))
    coefs = [model.partial_fit(X, Y, [0, 1, 2]).coef_ for model in both]
    np.testing.assert_array_equal(*coefs)
    proof = fastsoftmax.certify(
        np.zeros((2, 8)), None, X, np.eye(2, dtype=int)[TWO], several_labels=True, n_jobs=1
    )
    assert proof.objective == pytest.approx(2 * np.log(2))


# ---- the native classes


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("penalty", "l2", "l1_ratio"),
        ("n_jobs", -1, "n_threads"),
        ("dual", False, "leave it out"),
        ("intercept_scaling", 1, "leave it out"),
        ("multi_class", "multinomial", "OneVsRestClassifier"),
    ],
)
def test_native_classes_name_the_replacement(name, value, instead):
    for cls in (SoftmaxRegression, SoftmaxRegressionCV):
        with pytest.raises(TypeError, match=f"{cls.__name__}: unknown .*{name}'; .*{instead}"):
            cls(**{name: value})
    with pytest.raises(TypeError, match=f"fit: unknown parameter '{name}'; .*{instead}"):
        fastsoftmax.fit(X, Y, **{name: value})
    with pytest.raises(TypeError, match="unexpected keyword argument 'pealty'"):
        SoftmaxRegression(pealty=1)
    if name == "multi_class":
        with pytest.raises(TypeError, match=r"LogisticRegression: unknown parameter 'multi_class'"):
            LogisticRegression(multi_class="ovr")


@pytest.mark.parametrize("cls", [LogisticRegression, LogisticRegressionCV])
@pytest.mark.parametrize(("name", "value"), [("calibrate", 5), ("l1_group", "classes")])
def test_what_scikit_learns_classes_do_not_have_names_the_class_that_has(cls, name, value):
    with pytest.raises(
        TypeError, match=f"{cls.__name__}: unknown .*{name}'; use SoftmaxRegression"
    ):
        cls(**{name: value})
    assert getattr(SoftmaxRegression(**{name: value}), name) == value


@pytest.mark.filterwarnings("ignore:penalty:FutureWarning", "ignore:penalty:UserWarning")
@pytest.mark.parametrize(
    "model",
    [
        SoftmaxRegression(C=0.05, l1_ratio=1),
        SoftmaxRegressionCV([0.05], l1_ratio=1, cv=3),
        LogisticRegression(C=0.05, l1_ratio=1),
        LogisticRegression(C=0.05, penalty="l1"),
    ],
    ids=lambda model: repr(model),
)
def test_select_from_model_keeps_what_is_not_zero(model):
    wide, y = make_classification(200, 15, n_informative=8, n_classes=3, random_state=0)
    chosen = SelectFromModel(model).fit(wide, y)
    kept = np.abs(chosen.estimator_.coef_).sum(axis=0) > 0
    assert 0 < kept.sum() < 15
    np.testing.assert_array_equal(chosen.get_support(), kept)
    other = linear_model.LogisticRegression(
        C=0.05, l1_ratio=1, solver="saga", tol=1e-9, max_iter=10_000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = SelectFromModel(other).fit(wide, y)
    np.testing.assert_array_equal(chosen.get_support(), theirs.get_support())


CALLS = {
    "penalty": lambda: LogisticRegression(penalty="l1").fit(X, TWO),
    "l1_ratio": lambda: LogisticRegression(l1_ratio=None).fit(X, TWO),
    "search": lambda: fastsoftmax.LogisticRegressionCV([1.0], cv=2).fit(X, TWO),
    "column": lambda: LogisticRegression().fit(X, TWO[:, None]),
    "column of a search": lambda: SoftmaxRegressionCV([1.0], cv=2).fit(X, TWO[:, None]),
    "NaN": lambda: SoftmaxRegressionCV(
        [1.0], cv=2, scoring=lambda m, X, y: np.nan if X[0, 0] == FIRST else 1.0
    ).fit(X, TWO),
    "unconverged": lambda: SoftmaxRegressionCV([1.0], cv=2, max_iter=1, solver="gd").fit(X, TWO),
    "matrix": lambda: fastsoftmax.MLPClassifier(2, max_iter=1, tol=1e9, n_iter_no_change=1).fit(
        X, np.eye(3, dtype=int)[Y]
    ),
}
FIRST = X[0, 0]


@pytest.mark.parametrize("call", CALLS)
def test_warnings_point_to_the_users_line(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[call]()
    assert caught and all(w.filename == __file__ for w in caught)


@pytest.mark.parametrize("kind", [LogisticRegression, SoftmaxRegression])
@pytest.mark.parametrize("parameters", [{}, {"C": 2.0}])
def test_a_penalty_by_position_names_the_parameter(kind, parameters):
    with pytest.raises(TypeError, match=f"{kind.__name__}: expected the penalty by name, got 'l1'"):
        kind("l1", **parameters)
