"""The temperature of a fit, against fits fold by fold and a scalar optimiser."""

import numpy as np
import pytest
from scipy import optimize, sparse, special
from sklearn.model_selection import StratifiedKFold

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression


def problem(k=3, n=400, d=30, seed=0):
    """Few rows and many features: a fit without much penalty is too sure of itself."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.argmax(X[:, :3] @ rng.normal(size=(3, k)) + rng.gumbel(size=(n, k)), axis=1)
    return X, y, rng.uniform(0.5, 3, n)


def logits_of(model, X):
    z = model.decision_function(X)
    return np.column_stack([np.zeros(len(z)), z]) if z.ndim == 1 else z


def expected_temperature(X, y, weights, folds, **params):
    """Of logits held out, by another optimiser; y may be probabilities."""
    labels = y if y.ndim == 1 else y.argmax(axis=1)
    Y = np.eye(labels.max() + 1)[y] if y.ndim == 1 else y
    z = np.zeros(Y.shape)
    for train, test in StratifiedKFold(folds).split(X, labels):
        z[test] = logits_of(
            SoftmaxRegression(**params).fit(X[train], y[train], weights[train]), X[test]
        )

    def loss(log_t):
        return -weights @ np.sum(Y * special.log_softmax(z / np.exp(log_t), axis=1), axis=1)

    return np.exp(optimize.minimize_scalar(loss, bounds=(-6, 6), method="bounded",
                                           options={"xatol": 1e-9}).x)  # fmt: skip


@pytest.mark.parametrize("params", [{}, {"l1_ratio": 0.5}, {"standardize": True}])
@pytest.mark.parametrize("k", [2, 3])
def test_it_is_the_best_for_rows_that_were_held_out(k, params):
    X, y, weights = problem(k)
    params = params | {"C": 10.0, "tol": 1e-10}
    model = SoftmaxRegression(calibrate=4, **params).fit(X, y, weights)
    # folds weigh less than all: C of a fold is C, of the sum of its rows' losses
    expected = expected_temperature(X, y, weights, 4, **params)
    assert model.temperature_ == pytest.approx(expected, rel=1e-4)
    assert model.temperature_ > 1.05  # too sure of itself
    plain = SoftmaxRegression(**params).fit(X, y, weights)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    P = special.softmax(logits_of(plain, X) / model.temperature_, axis=1)
    np.testing.assert_allclose(model.predict_proba(X), P, rtol=1e-10)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(P), rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    np.testing.assert_array_equal(model.decision_function(X), plain.decision_function(X))


def test_new_rows_have_a_smaller_loss():
    X, y, _ = problem(n=3000)
    few = slice(0, 300)
    plain = SoftmaxRegression(C=1e3).fit(X[few], y[few])
    model = SoftmaxRegression(C=1e3, calibrate=5).fit(X[few], y[few])
    losses = [
        -np.mean(m.predict_log_proba(X[300:])[np.arange(2700), y[300:]]) for m in (plain, model)
    ]
    assert losses[1] < 0.97 * losses[0]


def test_probabilities_as_targets():
    X, _, weights = problem()
    Y = np.random.default_rng(0).dirichlet([2.0, 1.0, 1.0], len(X))
    params = {"C": 1.0, "tol": 1e-10}
    model = SoftmaxRegression(calibrate=3, **params).fit(X, Y, weights)
    assert model.temperature_ == pytest.approx(
        expected_temperature(X, Y, weights, 3, **params), rel=1e-4
    )


def test_any_form_of_x():
    X, y, weights = problem()
    model = SoftmaxRegression(calibrate=4, tol=1e-10).fit(X, y, weights)
    parts = [(X[i : i + 90], y[i : i + 90], weights[i : i + 90]) for i in range(0, len(X), 90)]
    for data in ((sparse.csr_array(X), y, weights), (Blocks(parts),)):
        other = SoftmaxRegression(calibrate=4, tol=1e-10).fit(*data)
        assert other.temperature_ == pytest.approx(model.temperature_, rel=1e-4)


def test_it_goes_with_the_model(tmp_path):
    X, y, _ = problem()
    model = SoftmaxRegression(C=10.0, calibrate=3).fit(X, y)
    model.save(tmp_path / "model.npz")
    again = fastsoftmax.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    theirs = model.to_sklearn()
    np.testing.assert_allclose(theirs.predict_proba(X), model.predict_proba(X), rtol=1e-9)
    model.set_params(calibrate=None).fit(X, y)
    assert not hasattr(model, "temperature_")
    again.set_params(calibrate=None).partial_fit(X, y)
    assert not hasattr(again, "temperature_")


def test_where_all_rows_are_right():
    X = np.column_stack([np.repeat([-5.0, 5.0], 20), np.zeros(40)])
    assert SoftmaxRegression(calibrate=4).fit(X, np.repeat([0, 1], 20)).temperature_ == 1.0


def test_refusals():
    X, y, _ = problem(n=60)
    for wrong in (1, 61, 2.5, True):
        with pytest.raises((ValueError, TypeError), match="calibrate: expected"):
            SoftmaxRegression(calibrate=wrong).fit(X, y)
    with pytest.raises(ValueError, match="calibrate: expected None for a fit with an offset"):
        SoftmaxRegression(calibrate=3).fit(X, y, offset=np.zeros((60, 3)))
    y[:] = np.arange(60) % 2
    y[0] = 2
    with pytest.raises(ValueError, match="calibrate: expected rows of each class to train on"):
        SoftmaxRegression(calibrate=3).fit(X, y)


def test_scikit_learns_calibration_works_on_our_estimators():
    from sklearn.calibration import CalibratedClassifierCV

    X, y, _ = problem(n=1500)
    model = CalibratedClassifierCV(SoftmaxRegression(C=100.0), method="sigmoid", cv=3)
    P = model.fit(X[:900], y[:900]).predict_proba(X[900:])
    np.testing.assert_allclose(P.sum(axis=1), 1)
    assert np.mean(P.argmax(axis=1) == y[900:]) > 0.5


def test_mapie_works_on_our_estimators():
    """Prediction sets that hold the label of new rows as often as asked for."""
    mapie = pytest.importorskip("mapie.classification")
    X, y, _ = problem(n=3000)
    model = SoftmaxRegression(C=1.0).fit(X[:1000], y[:1000])
    conformal = mapie.SplitConformalClassifier(model, confidence_level=0.9, prefit=True)
    conformal.conformalize(X[1000:2000], y[1000:2000])
    sets = conformal.predict_set(X[2000:])[1][:, :, 0]
    assert 0.86 < sets[np.arange(1000), y[2000:]].mean() < 0.94
