"""Networks where scikit-learn's were: matrices of labels, L-BFGS, what is refused."""

import inspect
import warnings
from functools import partial

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import fastsoftmax
from fastsoftmax import MLPClassifier, MLPRegressor
from fastsoftmax._neural import full_batch, sparse_rows, training
from fastsoftmax.datasets import load_digits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_digits()
X, Y = X[:300] / 16, Y[:300]
SEVERAL = np.column_stack([Y % 2, Y > 4, Y == 3]).astype(int)
KINDS = {"classes": Y, "several": SEVERAL, "regression": X[:, 20] + X[:, 30] ** 2}


def from_one_start(kind, **params):
    """Ours and scikit-learn's from the same coefficients."""
    name = "MLPRegressor" if kind == "regression" else "MLPClassifier"
    common = {"hidden_layer_sizes": (6,), "activation": "tanh", "random_state": 0, **params}
    ours, other = (getattr(m, name)(**common, warm_start=True) for m in (fastsoftmax, theirs))
    for model in (ours, other):
        model.set_params(max_iter=1).fit(X, KINDS[kind])
    ours.coefs_ = [W.copy() for W in other.coefs_]
    ours.intercepts_ = [b.copy() for b in other.intercepts_]
    for model in (ours, other):
        model.set_params(max_iter=params.get("max_iter", 15)).fit(X, KINDS[kind])
    return ours, other


@pytest.mark.parametrize("kind", KINDS)
def test_lbfgs_goes_scikit_learns_way(kind):
    ours, other = from_one_start(kind, solver="lbfgs", alpha=0.1)
    np.testing.assert_allclose(ours.loss_, other.loss_, rtol=1e-7)
    for mine, that in zip(ours.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(mine, that, rtol=1e-4, atol=1e-5)
    assert ours.n_iter_ == other.n_iter_ == 15 and len(ours.history_) == 16
    assert ours.score(X, KINDS[kind]) == pytest.approx(other.score(X, KINDS[kind]), abs=1e-6)


def test_lbfgs_converges_and_says_when_it_does_not():
    model = MLPClassifier((5,), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X, Y)
    assert model.n_iter_ < 2000 and model.score(X, Y) > 0.9
    assert model.history_[-1].accuracy == pytest.approx(model.score(X, Y), abs=0.02)
    losses = [epoch.loss for epoch in model.history_]
    assert losses == sorted(losses, reverse=True)
    with pytest.warns(ConvergenceWarning, match="lbfgs: max_iter=2"):
        model.set_params(max_iter=2).fit(X, Y)
    seen = []
    model.set_params(max_iter=50).fit(
        X, Y, callback=lambda s: seen.append(s.loss) or s.n_iter == 3, validation_data=(X, Y)
    )
    assert model.n_iter_ == len(seen) == 3
    assert model.history_[-1].validation_accuracy == model.score(X, Y)


def test_scikit_learns_constructors():
    """Each of their parameters is one of ours, and their losses are named."""
    for name in ("MLPClassifier", "MLPRegressor"):
        ours, other = getattr(fastsoftmax, name)(), getattr(theirs, name)()
        assert set(other.get_params()) - set(ours.get_params()) <= {"loss"}
    params = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    one, that = (MLPRegressor(loss=loss, **params) for loss in ("mse", "squared_error"))
    for a, b in zip(one.fit(X, X[:, 20]).coefs_, that.fit(X, X[:, 20]).coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="loss: expected one of mse, squared_error, mae, got 'po"):
        MLPRegressor(loss="poisson").fit(X, X[:, 20])
    few = MLPClassifier((4,), solver="lbfgs", max_fun=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        few.fit(X, Y)
    assert few.n_iter_ <= 3


def test_what_lbfgs_has_no_place_for():
    with pytest.raises(ValueError, match="solver: expected another one for partial_fit"):
        MLPClassifier(solver="lbfgs").partial_fit(X, Y, classes=range(10))
    with pytest.raises(ValueError, match="early_stopping: expected False with solver='lbfgs'"):
        MLPClassifier(solver="lbfgs", early_stopping=True).fit(X, Y)


@pytest.mark.parametrize("kind", [int, bool, np.uint8])
def test_a_matrix_of_0_and_1_means_several_labels(kind):
    ours, other = from_one_start("several", solver="sgd", shuffle=False)
    for mine, that in zip(ours.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(mine, that, rtol=1e-9, atol=1e-12)
    model = MLPClassifier((4,), max_iter=5, random_state=0).fit(X, SEVERAL.astype(kind))
    assert model.out_activation_ == "logistic" and model.predict(X).shape == SEVERAL.shape
    explicit = MLPClassifier((4,), max_iter=5, random_state=0, loss="binary_cross_entropy")
    np.testing.assert_array_equal(model.coefs_[0], explicit.fit(X, SEVERAL).coefs_[0])
    assert model.predict_proba(X).shape == SEVERAL.shape
    model.partial_fit(X, SEVERAL)
    assert model.out_activation_ == "logistic"


def test_one_hot_rows():
    """Floats are probabilities; integers 0 and 1 are announced to be something else."""
    table = np.eye(10)[Y]
    params = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    plain = MLPClassifier(**params).fit(X, Y)
    given = MLPClassifier(**params).fit(X, table)
    np.testing.assert_allclose(given.coefs_[0], plain.coefs_[0], rtol=1e-9, atol=1e-12)
    with pytest.warns(FutureWarning, match="mean several labels.* for one-hot rows give floating"):
        several = MLPClassifier(**params).fit(X, table.astype(int))
    assert several.out_activation_ == "logistic"
    with pytest.warns(FutureWarning, match="loss='cross_entropy', too: for one-hot rows give flo"):
        one = MLPClassifier(loss="cross_entropy", **params).fit(X, table.astype(int))
    assert one.out_activation_ == "softmax"
    np.testing.assert_allclose(one.coefs_[0], plain.coefs_[0], rtol=1e-9, atol=1e-12)


def test_a_table_that_is_not_probabilities_is_refused():
    table = np.eye(10)[Y]
    table[7] *= 2
    for loss in ("auto", "cross_entropy"):
        with pytest.raises(ValueError, match=r"y: expected prob.* got a sum of 2 in row 7"):
            MLPClassifier(loss=loss).fit(X, table)
        with pytest.raises(ValueError, match=r"validation_data y: expected prob.* in row 7"):
            MLPClassifier(loss=loss).fit(X, Y, validation_data=(X, table))
    MLPClassifier(loss="mse", max_iter=2).fit(X, table)  # which takes any numbers


def test_an_endless_patience():
    model = MLPClassifier((4,), n_iter_no_change=np.inf, tol=1e9, max_iter=30).fit(X, Y)
    assert model.n_iter_ == 30
    assert (
        MLPRegressor(hidden_layer_sizes=(4,), n_iter_no_change=np.inf, max_iter=3)
        .fit(X, X[:, 20])
        .n_iter_
        == 3
    )


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_probabilities_in_the_dtype_of_scikit_learns(dtype):
    given = np.round(16 * X).astype(dtype)
    model = MLPClassifier((4,), max_iter=2, random_state=0).fit(given, Y)
    expected = np.float32 if dtype == "float32" else np.float64
    p = model.predict_proba(given)
    assert p.dtype == model.predict_log_proba(given).dtype == expected
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=10 * np.finfo(expected).eps)


# ---- sparse X


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("block", [1 << 22, 5000])
def test_sparse_rows_train_as_dense_ones(solver, form, block, monkeypatch):
    for module in (training, full_batch):  # of 5000 a batch at a time
        monkeypatch.setattr(module, "run_epoch", partial(sparse_rows.epoch, most_numbers=block))
    monkeypatch.setattr(training, "outputs", partial(sparse_rows.outputs, most_numbers=block))
    S = sparse.coo_array(X).asformat(form)
    weights = np.random.default_rng(0).uniform(size=len(X))
    params = {"solver": solver, "max_iter": 4, "random_state": 0, "batch_size": 32}
    for model in (MLPClassifier((6,), **params), MLPRegressor(hidden_layer_sizes=(6,), **params)):
        targets = Y if isinstance(model, MLPClassifier) else X[:, 20]
        plain = clone(model).fit(X, targets, weights, validation_data=(X[:50], targets[:50]))
        other = clone(model).fit(
            S, targets, weights, validation_data=(S.tocsr()[:50], targets[:50])
        )
        for a, b in zip(plain.coefs_, other.coefs_, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)
        for one, that in zip(plain.history_, other.history_, strict=True):
            np.testing.assert_allclose(that[:4], one[:4], rtol=1e-9)
        np.testing.assert_allclose(other.predict(S), plain.predict(X), rtol=1e-9)
        assert other.score(S, targets) == pytest.approx(plain.score(X, targets), rel=1e-9)
    if solver != "lbfgs":
        MLPClassifier((6,), early_stopping=True, **params).fit(S, Y)
        MLPClassifier((6,), **params).partial_fit(S, Y, classes=range(10)).partial_fit(X, Y)


def test_sparse_rows_of_wrong_shape_and_values():
    model = MLPClassifier((4,), max_iter=2).fit(sparse.csr_array(X), Y)
    with pytest.raises(ValueError, match="X has 63 features, but MLPClassifier is expecting 64"):
        model.predict(sparse.csr_array(X[:, 1:]))
    bad = X.copy()
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"X: .*NaN"):
        model.fit(sparse.csr_array(bad), Y)


def test_a_batch_of_more_rows_than_there_are_is_clipped():
    params = {"max_iter": 2, "random_state": 0}
    for kind, target in ((MLPClassifier, Y), (MLPRegressor, X[:, 20])):
        given = kind(batch_size=1000, **params)
        with pytest.warns(UserWarning, match="larger than sample size. It is going to be clipped"):
            given.fit(X, target)
        np.testing.assert_array_equal(
            given.coefs_[0], kind(batch_size=len(X), **params).fit(X, target).coefs_[0]
        )


def test_parameters_by_position():
    for kind, other in ((MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)):
        ours, of_other = (
            [
                p.name
                for p in inspect.signature(each).parameters.values()
                if p.kind != p.KEYWORD_ONLY
            ]
            for each in (kind, other)
        )
        assert ours == of_other
    assert MLPRegressor("mae", (3,), "tanh").get_params()["hidden_layer_sizes"] == (3,)
    with pytest.raises(TypeError, match=r"loss is the first parameter.*hidden_layer_sizes=\(3,\)"):
        MLPRegressor((3,)).fit(X, X[:, 0])
