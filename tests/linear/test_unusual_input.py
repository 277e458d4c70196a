"""Input in unusual forms, and the answers about unusual models."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import StratifiedKFold
from support.problems import softmax_rows

import fastsoftmax
from fastsoftmax import LogisticRegression, MLPClassifier, SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax._linear.inference import likelihood
from fastsoftmax._validation import check
from fastsoftmax._validation import folds as check_folds
from fastsoftmax._validation import targets as check_targets

rng = np.random.default_rng(0)
X, Y = softmax_rows(60, 4, 3, rng)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("make", [np.matrix, np.ma.masked_array])
def test_subclasses_of_arrays(make):
    model = SoftmaxRegression().fit(make(X), Y)
    assert np.array_equal(model.coef_, SoftmaxRegression().fit(X, Y).coef_)
    assert type(model.coef_) is type(model.predict_proba(make(X))) is np.ndarray
    assert type(fastsoftmax.softmax(make(X))) is np.ndarray


@pytest.mark.parametrize("sizes", [(10, 10, 2), (2, 10, 10), (7, 3, 13), (5, 5)])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.filterwarnings("ignore:The least populated class", "ignore:cv. expected at least")
def test_stratified_folds_are_those_of_scikit_learn(sizes, k):
    labels = np.random.default_rng(k).permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = check_folds.stratified(labels, k)
    for i, (_, test) in enumerate(StratifiedKFold(k).split(labels, labels)):
        assert np.array_equal(np.flatnonzero(found == i), test)


def test_a_function_that_scores_lists():
    rows, labels = X.tolist(), Y.tolist()

    def score(model, some, known):
        return float(np.mean(model.predict(np.asarray(some)) == np.asarray(known)))

    given = SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=3, scoring=score).fit(rows, labels)
    named = SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=3, scoring="accuracy").fit(X, Y)
    np.testing.assert_allclose(given.scores_, named.scores_)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("max_iter", [1, 2, 4])
def test_a_bound_is_at_least_the_gap_of_a_fit_that_ended_early(several, max_iter):
    """With a logistic function per logit."""
    y = np.eye(3, dtype=int)[Y] if several else Y > 0
    kind = LogisticRegression if several else SoftmaxRegression
    best = kind(C=10.0, tol=1e-13).fit(X, y)
    with warnings.catch_warnings(action="ignore"):
        early = kind(C=10.0, tol=1e-9, max_iter=max_iter, warm_start=True)
        early.fit(X[::2], y[::2])
        early.fit(X, y)
    gap = early.objective_ - best.objective_
    assert early.gap_bound_ >= gap - 1e-12
    assert early.certify(X, y).gap_bound >= gap - 1e-12


def test_rows_of_weight_0_at_the_beginning_leave_inference(monkeypatch):
    """A whole piece of them."""
    pieces = partial(likelihood.float64_pieces, most_bytes=1)
    monkeypatch.setattr(likelihood, "float64_pieces", pieces)
    weights = np.r_[np.zeros(70), np.ones(60)]
    rows, labels = np.r_[rng.normal(size=(70, 4)), X], np.r_[np.zeros(70, int), Y]
    how = {"C": np.inf, "reference_class": 0, "tol": 1e-10}
    weighted = SoftmaxRegression(**how).fit(rows, labels, weights)
    alone = SoftmaxRegression(**how).fit(X, Y)
    np.testing.assert_allclose(weighted.cov_params(), alone.cov_params(), rtol=1e-5)
    assert weighted.loglike == pytest.approx(alone.loglike, rel=1e-8)


def test_inference_of_sparse_rows():
    some = X * (np.abs(X) > 0.3)
    how = {"C": np.inf, "reference_class": 0, "tol": 1e-10}
    dense, of_sparse = (SoftmaxRegression(**how).fit(given, Y) for given in (
        some, sparse.csr_array(some)))  # fmt: skip
    np.testing.assert_allclose(of_sparse.cov_params(), dense.cov_params(), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*onverge")
@pytest.mark.parametrize("by", range(4))
def test_the_feature_that_separates_is_named_without_an_intercept(by):
    """Whatever the units, in which coefficients differ by 1e6."""
    rows = X * np.array([1.0, 1e3, 1e-3, 1.0])
    labels = np.where(rows[:, by] > 0, "up", "down")
    model = SoftmaxRegression(C=np.inf, reference_class="down", fit_intercept=False)
    model.fit(rows, labels)
    with pytest.raises(ValueError, match=rf"up \(x{by}\)"):
        model.summary()


@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_each_objective_of_the_history_is_that_of_its_model(spread):
    """With rows that are left out for a while, too."""
    rows = np.random.default_rng(1).normal(size=(6000, 6)) * spread
    labels = (rows / spread @ np.random.default_rng(2).normal(size=(6, 4))).argmax(axis=1)
    seen = []

    def callback(state):
        z = rows @ state.coef.T + state.intercept
        losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(6000), labels]
        ridge = 0.5 * np.sum(state.coef**2) / (100.0 * 6000)
        seen.append((state.objective, losses.mean() + ridge))

    SoftmaxRegression(C=100.0, solver="preconditioned-lbfgs").fit(rows, labels, callback=callback)
    told, found = np.array(seen).T
    assert len(told) > 5
    np.testing.assert_allclose(told, found, rtol=1e-5)


@pytest.mark.parametrize("value", [2.5, "100", None, object(), [3, "a"]])
def test_hidden_layers_that_are_none(value):
    with pytest.raises((TypeError, ValueError), match="hidden_layer_sizes: expected"):
        MLPClassifier(value).fit(X, Y)


def test_the_wrong_row_is_named():
    shares = np.full((60, 3), 1 / 3)
    shares[[41, 50]] = 0.5
    with pytest.raises(ValueError, match=r"a sum of 1\.5 in row 41"):
        SoftmaxRegression().fit(X, shares)
    events = np.ones((60, 3), int)
    events[17] = 0
    with pytest.raises(ValueError, match="got none in row 17"):
        check_targets.counts(events, 60)
    assert check.floats_for(np.dtype(np.float32)) == np.float32


@pytest.mark.filterwarnings("ignore:Stochastic optimizer")
def test_a_network_of_zeros():
    """Of equal outputs the first class is said, and of several labels, each at a half, none."""
    model, several = (
        MLPClassifier(3, max_iter=1, loss=loss, random_state=0).fit(X, y)
        for loss, y in (("cross_entropy", Y), ("binary_cross_entropy", np.eye(3, dtype=int)[Y]))
    )
    for each in (model, several):
        each.coefs_ = [0 * coef for coef in each.coefs_]
        each.intercepts_ = [0 * intercept for intercept in each.intercepts_]
    assert (model.predict(X) == 0).all()
    assert not several.predict(X).any()
    assert (several.predict_proba(X) == 0.5).all()
