"""Leave-one-out against n fits by Newton's method in NumPy, and what it refuses."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.metrics import make_scorer
from support.newton import Problem

from fastsoftmax import Blocks, LogisticRegressionCV, SoftmaxRegressionCV
from fastsoftmax._linear.cv.leave_one_out import LeaveOneOutRules, fits_of_rows, suited
from fastsoftmax._linear.problem.problem import problem_of
from fastsoftmax.datasets import load_digits

CS = [0.01, 1.0, 100.0]


def exact(X, Y, C, s=None, factors=1.0, fit_intercept=True):
    """Minus the cross-entropy of each row by the fit without it."""
    n, d = X.shape
    s, two = np.ones(n) if s is None else s, Y.shape[1] == 2
    ridge = np.ones(d) * factors / C
    targets = Y[:, 1:] if two else Y

    def fit(rows, start=None):
        return Problem(
            X[rows], targets[rows], ridge / s[rows].sum(), s[rows],
            intercept=fit_intercept, logistic=two,
        ).minimum(start=start)[1]  # fmt: skip

    of_all, scores = fit(np.arange(n)), np.empty(n)
    for i in range(n):
        T = fit(np.delete(np.arange(n), i), of_all)
        z = T @ np.append(X[i], float(fit_intercept))
        z = np.append(0.0, z) if two else z
        scores[i] = Y[i] @ z / Y[i].sum() - logsumexp(z)
    return scores


def one_hot(y):
    return np.eye(y.max() + 1)[y]


def scaled(X):
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)


def made(n, d, k, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    scores = X[:, : min(d, 8)] @ rng.normal(size=(min(d, 8), k))
    return X, np.argmax(scores + noise * rng.gumbel(size=(n, k)), axis=1)


def data(name):
    rng = np.random.default_rng(1)
    if name == "iris":
        return tuple(part[::2] for part in load_iris(return_X_y=True))
    if name == "wine":
        X, y = load_wine(return_X_y=True)
        return scaled(X)[::3], y[::3]
    if name == "breast cancer":
        X, y = load_breast_cancer(return_X_y=True)
        return scaled(X)[:100, :12], y[:100]
    if name == "digits":
        X, y = load_digits()
        chosen = np.flatnonzero(y < 4)[:80]
        return X[chosen][:, 18:30] / 16, y[chosen]
    if name == "wide":
        return made(30, 40, 3)
    if name == "wide, two classes":
        return made(40, 60, 2)
    if name == "many classes":
        return made(120, 5, 6)
    if name == "nearly separable":
        return made(80, 4, 2, noise=0.02)
    if name == "correlated":
        X, y = made(90, 4, 3)
        return np.hstack([X, X + 1e-3 * rng.normal(size=X.shape)]), y
    return made(90, 4, 3, noise=100.0)  # nothing to learn


TEN = (
    *("iris", "wine", "breast cancer", "digits", "wide", "wide, two classes", "many classes"),
    *("nearly separable", "correlated", "noise"),
)


@pytest.mark.parametrize("name", TEN)
def test_the_mean_loss_is_within_one_percent_of_n_fits(name):
    X, y = data(name)
    model = SoftmaxRegressionCV(CS, cv="loo").fit(X, y)
    assert model.scores_.shape == (len(y), len(CS))
    for scores, C in zip(model.scores_.T, CS, strict=True):
        right = exact(X, one_hot(y), C)
        assert abs(scores.mean() - right.mean()) <= 0.01 * abs(right.mean())
    assert CS[int(model.scores_.mean(axis=0).argmax())] == model.C_


def test_rows_that_move_others_far():
    """Two classes without an intercept: left out, a row near 0 frees those that are far from it."""
    x = [-6.5, -11.3, 6.5, 5.3, 2.2, 12, -0.3, 11.1, -7.3, 13.6, 16.4, -8, -7.6, 0.5, -4.6, -18.1]
    X, y = np.array(x)[:, None], np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0])
    signs, right = 2 * y - 1, np.empty((16, 3))
    for i, j in np.ndindex(right.shape):
        others, C = np.arange(16) != i, [0.1, 1, 10][j]
        w = minimize_scalar(
            lambda w, o=others, C=C: C * np.logaddexp(0, -signs[o] * X[o, 0] * w).sum() + w * w / 2
        ).x
        right[i, j] = -np.logaddexp(0, -signs[i] * x[i] * w)
    model = SoftmaxRegressionCV([0.1, 1, 10], cv="loo", fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(model.scores_.mean(axis=0), right.mean(axis=0), rtol=5e-3)
    assert right[4, 2] < -4.9 and abs(model.scores_[4, 2] - right[4, 2]) < 0.02
    assert model.C_ == 0.1 and model.n_refits_[2] > 0 and model.fold_iterations_[4, 2] > 0


@pytest.mark.parametrize("seed", range(20))
def test_small_problems_of_skew_features(seed):
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(12, 40)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
    X = rng.lognormal(size=(n, d)) * 10.0 ** rng.integers(-1, 2)
    scores = X @ rng.normal(size=(d, k))
    scores /= np.abs(scores).mean()
    y = np.append((scores + rng.gumbel(size=(n, k))).argmax(axis=1)[3 * k :], np.arange(3 * k) % k)
    fit_intercept = bool(seed % 2)
    model = SoftmaxRegressionCV([0.1, 10], cv="loo", fit_intercept=fit_intercept).fit(X, y)
    for C, scores in zip((0.1, 10), model.scores_.T, strict=True):
        right = exact(X, one_hot(y), C, fit_intercept=fit_intercept)
        assert abs(scores.mean() - right.mean()) <= 0.01 * abs(right.mean())


def test_with_a_fit_for_each_row_all_of_it_is_that_of_n_fits():
    X, y = made(40, 3, 3)
    estimator = SoftmaxRegressionCV(tol=1e-10)
    problem = problem_of(estimator, X, y, None, max_iter=1000, Cs=CS)
    for fit in fits_of_rows(suited(problem), np.array(CS), LeaveOneOutRules(moved=-1.0)):
        assert fit.n_refits == 40 and (fit.n_iter > 0).any()
        z = fit.logits(slice(None))
        scores = z[np.arange(40), y] - logsumexp(z, axis=1)
        np.testing.assert_allclose(scores, exact(X, one_hot(y), fit.C), atol=2e-4)
        for i in (0, 7, 39):
            other = np.arange(40) != i
            plain = SoftmaxRegressionCV([fit.C], cv=[(np.flatnonzero(other), [i])], fold_tol=1e-10)
            plain.fit(X, y)
            np.testing.assert_allclose(fit.value[i], plain.fold_objectives_[0, 0], rtol=1e-7)


def test_without_any_it_is_right_to_second_order():
    """The error of the step falls with the square of a row's share."""
    errors = []
    for n in (60, 240):
        X, y = made(n, 3, 2, noise=3.0)
        problem = problem_of(
            SoftmaxRegressionCV(), X, y, None, max_iter=1000, Cs=[1.0], target="auto", classes=None,
            offset=None,
        )  # fmt: skip
        (fit,) = fits_of_rows(problem, np.array([1.0]), LeaveOneOutRules(moved=np.inf))
        assert fit.n_refits == 0 and not fit.n_iter.any()
        scores = -np.logaddexp(0, (1 - 2 * y) * fit.logits(slice(None))[:, 0])
        errors.append(np.abs(scores - exact(X, one_hot(y), 1.0)).mean())
        folds = [(np.delete(np.arange(n), i), [i]) for i in (0, 5)]
        plain = SoftmaxRegressionCV([1.0], cv=folds, fold_tol=1e-10).fit(X, y)
        np.testing.assert_allclose(fit.value[[0, 5]], plain.fold_objectives_[:, 0], rtol=1e-4)
    assert errors[1] < errors[0] / 8


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_factors_and_probabilities(fit_intercept):
    X, y = made(60, 4, 3)
    rng = np.random.default_rng(2)
    s, factors = rng.uniform(0, 3, 60), np.array([1.0, 0.5, 2.0, 0.0])
    s[:4] = 0
    Y = 0.8 * one_hot(y) + 0.2 / 3
    model = SoftmaxRegressionCV(
        [0.1, 1.0], cv="loo", penalty_factor=factors, fit_intercept=fit_intercept
    ).fit(X, Y, s)
    for scores, C in zip(model.scores_.T, (0.1, 1.0), strict=True):
        right = exact(X, Y, C, s, factors, fit_intercept)
        np.testing.assert_allclose(
            np.average(scores, weights=s), np.average(right, weights=s), rtol=5e-3
        )
        np.testing.assert_allclose(scores, right, atol=0.05)
    means = np.average(model.scores_, axis=0, weights=s)
    assert [0.1, 1.0][int(means.argmax())] == model.C_


def test_a_row_of_counts_is_left_out_with_all_of_its_events():
    X, y = made(50, 3, 3)
    events = np.random.default_rng(3).integers(0, 4, (50, 3)) + one_hot(y).astype(int)
    model = SoftmaxRegressionCV([0.3], cv="loo").fit(X, events, target="counts")
    shares, weights = events / events.sum(axis=1, keepdims=True), events.sum(axis=1)
    right = exact(X, shares, 0.3, weights.astype(float))
    np.testing.assert_allclose(model.scores_[:, 0], right, atol=0.02)
    mean = np.average(model.scores_[:, 0], weights=weights)
    np.testing.assert_allclose(mean, np.average(right, weights=weights), rtol=2e-3)


def test_accuracy_and_the_simpler_model():
    X, y = made(80, 4, 3)
    losses = SoftmaxRegressionCV(CS, cv="loo", refit=False).fit(X, y)
    hits = SoftmaxRegressionCV(CS, cv="loo", scoring="accuracy").fit(X, y)
    for j, C in enumerate(CS):
        right = exact(X, one_hot(y), C) > np.log(0.5)  # then no other class is more probable
        assert (hits.scores_[right, j] == 1).all()
        assert set(hits.scores_[:, j]) <= {0.0, 1.0}
    means, at = losses.scores_.mean(axis=0), int(losses.scores_.mean(axis=0).argmax())
    error = losses.scores_[:, at].std(ddof=1) / np.sqrt(len(y))
    simple = SoftmaxRegressionCV(CS, cv="loo", selection="1se").fit(X, y)
    assert next(C for C, m in zip(CS, means, strict=True) if m >= means[at] - error) == simple.C_
    # without a refit it is the model of all rows
    again = SoftmaxRegressionCV([losses.C_], cv="loo", tol=1e-10).fit(X, y)
    np.testing.assert_allclose(losses.coef_, again.coef_, atol=1e-3)
    assert not hasattr(losses, "objective_") and again.certified_


def test_sparse_rows_blocks_dtypes_and_the_space_of_the_rows():
    X, y = made(60, 6, 3)
    X[np.abs(X) < 0.4] = 0
    plain = SoftmaxRegressionCV([1.0], cv="loo").fit(X, y)
    wide = np.hstack([X, np.zeros((60, 3000))])  # too many weights, but not of rows
    for rows in (X.astype(np.float32), sparse.csr_array(X), sparse.csr_array(wide), wide):
        other = SoftmaxRegressionCV([1.0], cv="loo").fit(rows, y)
        np.testing.assert_allclose(other.scores_, plain.scores_, atol=2e-4)
    blocks = SoftmaxRegressionCV([1.0], cv="loo").fit(Blocks([(X[:25], y[:25]), (X[25:], y[25:])]))
    np.testing.assert_allclose(blocks.scores_, plain.scores_, atol=2e-4)
    large = sparse.csr_array(sparse.random(300, 900, density=0.02, random_state=0))
    labels = np.arange(300) % 2
    as_sparse = SoftmaxRegressionCV([1.0], cv="loo").fit(large, labels)
    as_dense = SoftmaxRegressionCV([1.0], cv="loo").fit(large.toarray(), labels)
    np.testing.assert_allclose(as_sparse.scores_, as_dense.scores_, atol=2e-3)


def test_threads_make_no_difference():
    X, y = data("digits")
    one, two = (SoftmaxRegressionCV(CS, cv="loo", n_threads=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.scores_, two.scores_)


def test_a_callback_sees_each_C_and_ends_the_search():
    X, y = made(40, 3, 3)
    seen = []

    def callback(state):
        seen.append((state.C, state.fold, state.score, state.coef.shape))
        return len(seen) == 2

    with pytest.warns(UserWarning, match="ended the search"):
        model = SoftmaxRegressionCV(CS, cv="loo").fit(X, y, callback=callback)
    assert [C for C, *_ in seen] == CS[:2] and {fold for _, fold, *_ in seen} == {-1}
    np.testing.assert_allclose(seen[0][2], model.scores_[:, 0].mean())
    assert np.isnan(model.scores_[:, 2]).all() and seen[0][3] == (3, 3)


def test_what_is_kept_in_a_file(tmp_path):
    X, y = made(40, 3, 3)
    model = SoftmaxRegressionCV(CS, cv="loo").fit(X, y)
    again = SoftmaxRegressionCV.load(model.save(tmp_path / "loo.npz") or tmp_path / "loo.npz")
    np.testing.assert_array_equal(again.scores_, model.scores_)
    np.testing.assert_array_equal(again.n_refits_, model.n_refits_)
    assert again.cv == "loo"
    model.cv = 3
    assert not hasattr(model.fit(X, y), "n_refits_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"l1_ratio": 0.5}, r"l1_ratio: expected 0 with cv='loo'.* use cv=5"),
        (
            {"scoring": "f1_macro"},
            r"scoring: expected None, 'neg_log_loss' or 'accuracy' .* use cv",
        ),
        ({"scoring": make_scorer(np.mean)}, r"scoring: expected None, .* use cv=5"),
        ({"cv": "LOO"}, r"cv: expected a number of folds, 'loo', a splitter or .* got 'LOO'"),
        ({"max_memory": 1000}, r"max_memory: expected \d+ bytes or more, for the Hessian of leave"),
    ],
)
def test_what_it_refuses(params, message):
    X, y = made(40, 3, 3)
    with pytest.raises((ValueError, TypeError), match=message):
        SoftmaxRegressionCV(**{"Cs": [1.0], "cv": "loo", **params}).fit(X, y)


def test_what_else_it_refuses():
    X, y = made(2000, 1400, 3)
    with pytest.raises(ValueError, match=r"cv: expected at most 4096 weights .* got 4200 and 6000"):
        SoftmaxRegressionCV([1.0], cv="loo").fit(X, y)
    X, y = made(40, 3, 2)
    names = np.array(["ant", "bee"])[y]
    names[7] = "cow"
    with pytest.raises(ValueError, match=r"cv: .* got none of class 'cow' in fold 7"):
        SoftmaxRegressionCV([1.0], cv="loo").fit(X, names)
    with pytest.raises(ValueError, match=r"cv: expected folds, .* use SoftmaxRegressionCV"):
        LogisticRegressionCV([1.0], cv="loo", l1_ratios=(0,), use_legacy_attributes=False).fit(X, y)


def test_a_basis_of_features_that_are_alike_may_have_too_many():
    """Of large means without an intercept: 300 rows and features, of 20 classes each."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 300)) + 1e5, np.arange(300) % 20
    with pytest.raises(ValueError, match=r"cv: expected at most 4096 weights .* 6000 and 6000"):
        SoftmaxRegressionCV(Cs=[1.0], cv="loo", fit_intercept=False).fit(X, y)
