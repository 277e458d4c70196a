"""`partial_fit` of a model that is good already: by `fit`, from a file, or set by hand."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax, softmax
from support.problems import softmax_rows

from fastsoftmax import LogisticRegression, SoftmaxRegression, load
from fastsoftmax.datasets import load_digits

X, Y = load_digits()
X = X / 16
FITTED, TEST = 1200, slice(1500, None)


def loss(model):
    logits = X[TEST] @ model.coef_.T + model.intercept_
    return -log_softmax(logits, axis=1)[np.arange(len(X[TEST])), Y[TEST]].mean()


def fitted():
    return SoftmaxRegression().fit(X[:FITTED], Y[:FITTED])


def set_by_hand():
    """Of which nobody knows from how many rows it comes."""
    model, other = SoftmaxRegression(), fitted()
    for name in ("coef_", "intercept_", "classes_", "n_features_in_"):
        setattr(model, name, getattr(other, name))
    return model


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("size", [1, 16, 50, 300])
@pytest.mark.parametrize("given", [fitted, set_by_hand])
def test_a_good_model_stays_one(given, size, form):
    model = given()
    at_first, score = loss(model), model.score(X[TEST], Y[TEST])
    for start in range(FITTED, 1500, size):
        rows = slice(start, start + size)
        model.partial_fit(form(X[rows]), Y[rows])
        assert loss(model) < at_first + 0.005
        assert model.score(X[TEST], Y[TEST]) > score - 0.01
    assert form is not np.asarray or loss(model) < at_first


@pytest.mark.parametrize("given", [fitted, set_by_hand])
def test_rows_of_one_class_alone(given):
    model = given()
    at_first, rows = loss(model), np.flatnonzero(Y[FITTED:1500] == 3)[:16] + FITTED
    for _ in range(5):
        model.partial_fit(X[rows], Y[rows])
    assert loss(model) < at_first + 0.01


@pytest.mark.parametrize("k", [2, 3])
def test_the_first_step(k):
    """By hand: a mean over as many rows as the fit had, and a penalty for all rows."""
    A, y = softmax_rows(336, 4, k, 0, mean=1.0)
    model = LogisticRegression(C=0.5).fit(A[:320], y[:320])
    coef, intercept = model.coef_.copy(), model.intercept_.copy()
    new, labels = A[320:], y[320:]
    model.partial_fit(new, labels)

    Z = (new - new.mean(axis=0)) / new.std(axis=0)
    logits = new @ coef.T + intercept
    if k == 2:
        errors = 1 / (1 + np.exp(-logits)) - labels[:, None]
    else:
        errors = softmax(logits, axis=1) - np.eye(k)[labels]
    before, rate = 320 / 16 * (k - 1) / k**2 / 16, 1 / np.sqrt(4)
    by_coef = errors.T @ Z / 16 + coef / (0.5 * 336) / new.std(axis=0)
    step = rate * by_coef / np.sqrt(before + by_coef**2) / new.std(axis=0)
    by_centred = errors.mean(axis=0)
    by_intercept = rate * by_centred / np.sqrt(before + by_centred**2) - step @ new.mean(axis=0)
    share = 21 / (21 * 22 / 2)  # of the 21st of 21 steps, weighted by their numbers
    np.testing.assert_allclose(model.coef_, coef - share * step, rtol=1e-9, atol=1e-12)
    moved = intercept - share * by_intercept
    moved -= moved.mean() if k > 2 else 0
    np.testing.assert_allclose(model.intercept_, moved, rtol=1e-9, atol=1e-12)


def test_weights_of_3_are_a_strength_3_times_as_large():
    weights = np.full(100, 3.0)
    models = []
    for C, w in ((0.1, weights), (0.3, None)):
        model = SoftmaxRegression(C=C, tol=1e-13).fit(X[:100], Y[:100], sample_weight=w)
        models.append(model.partial_fit(X[100:200], Y[100:200], sample_weight=w))
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("after_fit", [False, True])
def test_a_loaded_stream_goes_on_as_that_in_memory(after_fit, form, tmp_path):
    model = fitted() if after_fit else SoftmaxRegression()
    model.partial_fit(form(X[:500]), Y[:500], range(10))
    model.save(tmp_path / "model")
    copy = load(tmp_path / "model")
    for start in range(500, 700, 25):
        rows = slice(start, start + 25)
        for each in (model, copy):
            each.partial_fit(form(X[rows]), Y[rows])
        np.testing.assert_array_equal(copy.coef_, model.coef_)
        np.testing.assert_array_equal(copy.intercept_, model.intercept_)


def test_a_loaded_fit_goes_on_as_that_in_memory(tmp_path):
    model = fitted()
    model.save(tmp_path / "model")
    copy = load(tmp_path / "model")
    for each in (model, copy):
        each.partial_fit(X[FITTED:], Y[FITTED:])
    np.testing.assert_array_equal(copy.coef_, model.coef_)


def test_calls_with_some_rows_left_over():
    """The last step of a call, of few rows, counts by its rows."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(3400, 8))
    y = np.argmax(A @ rng.normal(size=(8, 5)) + rng.gumbel(size=(3400, 5)), axis=1)
    losses = []
    for size in (16, 17):
        model = SoftmaxRegression()
        for start in range(0, len(A), size):
            model.partial_fit(A[start : start + size], y[start : start + size], range(5))
        losses.append(-model.predict_log_proba(A)[np.arange(len(A)), y].mean())
    assert abs(losses[1] - losses[0]) < 0.01
