"""Whether F has a minimiser, as the solvers decide it."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from fastsoftmax import LogisticRegression, SoftmaxRegression, certify
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.objective import (
    Objective,
    Observations,
    Penalised,
    Penalty,
    has_minimiser,
    separates,
    start_of,
)
from fastsoftmax._engine.objective.separation import SeparationRules
from fastsoftmax.datasets import load_digits

FAR = float("inf")  # left to gain: of no row it is then known that it is not separated


def objective(X, targets, k, weights=None, *, C=np.inf, offset=None, free=None, intercept=True):
    targets = np.asarray(targets)
    targets = targets.astype(np.int32) if targets.ndim == 1 else targets
    rows = Observations(DenseData(np.asarray(X, float), 1), targets, k, weights, offset)
    return Objective(rows, Penalty(C, of=Penalised(free=free)), fit_intercept=intercept)


def exists(*args, left=FAR, rules=None, **options):
    o = objective(*args, **options)
    return has_minimiser(o, start_of(o), left, rules)


def rows(seed=0, n=60, d=2):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("left", [FAR, 1e-6])
@pytest.mark.parametrize("k", [1, 3])
def test_overlapping_classes(k, left):
    assert exists(rows(), np.arange(60) % max(k, 2), k, left=left) is True


def test_separated_classes():
    X = rows()
    assert exists(X, X[:, 0] > 0, 1) is False
    assert exists(X, np.digitize(X[:, 0], [-0.5, 0.5]), 3) is False


def test_quasi_separated_classes():
    """All but a few rows lie on the boundary."""
    X = np.array([[0.0], [0.0], [1.0], [1.0], [0.0]])
    assert exists(X, [0, 1, 1, 1, 0], 1) is False
    X = np.hstack([rows(), np.zeros((60, 1))])
    y = np.arange(60) % 3
    X[:2, 2], y[:2] = 1, 1  # a feature that rows of one class alone have
    assert exists(X, y, 3) is False
    y[1] = 2  # class 0 alone has none
    assert exists(X, y, 3) is False
    X[2, 2], y[2] = 1, 0
    assert exists(X, y, 3) is True


def test_rows_without_weight_do_not_count():
    X, weights = rows(), np.ones(60)
    y = (X[:, 0] > 0).astype(int)
    at = np.argsort(X[:, 0])[[5, -5]]  # on the wrong side, either way
    y[at], weights[at] = 1 - y[at], 1e-30
    assert exists(X, y, 1, weights) is True
    weights[at] = 0
    assert exists(X, y, 1, weights) is False


def test_a_class_without_weight_is_left_out():
    y = np.arange(60) % 3
    assert exists(rows(), y, 3, (y != 2) * 1.0) is True


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1, 1]])
@pytest.mark.parametrize("weights", [[1, 0, 0], [0.1, 0, 0], [0, 0, 3]])
@pytest.mark.parametrize("params", [{"C": np.inf}, {"penalty_factor": [0.0]}])
def test_one_class_alone_has_weight(labels, weights, params):
    """Its probability is 1 to all digits, and F 0: nothing is left to separate."""
    X, rows = [[1.0], [2.0], [3.0]], np.asarray(weights) > 0
    for model in (
        SoftmaxRegression(**params).fit(X, labels, weights),
        SoftmaxRegression(**params).fit(X, np.eye(3)[labels][:, : max(labels) + 1], weights),
        LogisticRegression(C=np.inf).fit(X, labels, weights),
        SoftmaxRegression(
            **params, class_weight={k: float(k in np.array(labels)[rows]) for k in set(labels)}
        ).fit(X, labels),
    ):
        assert model.converged_ and 0 <= model.objective_ <= 1e-29
        np.testing.assert_array_equal(model.predict(X), np.repeat(np.array(labels)[rows], 3))
        np.testing.assert_allclose(model.coef_, 0, atol=1e-12)
        proof = certify(model.coef_, model.intercept_, X, labels, sample_weight=weights, **params)
        assert proof.gap_bound <= 2e-27  # rounding of the intercepts, mostly


def test_one_class_alone_has_weight_of_many_rows():
    """Whatever its weights sum to, in whatever order."""
    X, weights = rows(), np.random.default_rng(0).random(60)
    weights[58:] = 0
    for y in (np.repeat([0, 1], [58, 2]), np.repeat([0, 1, 2], [58, 1, 1])):
        for target in (y, np.eye(y.max() + 1)[y]):
            model = SoftmaxRegression(C=np.inf).fit(X, target, weights)
            assert model.converged_ and model.objective_ <= 1e-29


def test_one_class_alone_without_an_intercept_is_separated():
    with pytest.warns(ConvergenceWarning, match="separable"):
        SoftmaxRegression(C=np.inf, fit_intercept=False).fit(
            [[1.0], [2.0], [3.0]], [0, 1, 2], [1, 0, 0]
        )


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_soft_targets_hold_classes_together(share):
    X = rows()
    on = np.where(X[:, 0] > 0, share, 1 - share)
    assert exists(X, on[:, None], 1) is (share < 1)
    Y = np.full((60, 3), (1 - share) / 2)
    Y[np.arange(60), np.digitize(X[:, 0], [-0.5, 0.5])] = share
    assert exists(X, Y, 3) is (share < 1)


def test_free_features_alone_count():
    X = rows()
    y = X[:, 0] > 0
    assert exists(X, y, 1, C=1.0, free=np.array([True, False])) is False
    assert exists(X, y, 1, C=1.0, free=np.array([False, True])) is True


def test_free_features_that_are_0():
    X = rows()
    X[:, 0] = 0
    y, free = X[:, 1] > 0, np.array([True, False])
    assert exists(X, y, 1, C=1.0, free=free, intercept=False) is True


def test_no_programme_where_uncertain_rows_span(monkeypatch):
    def fail(*args, **options):
        raise AssertionError

    monkeypatch.setattr("scipy.optimize.linprog", fail)
    for k in (1, 3):
        assert exists(rows(), np.arange(60) % max(k, 2), k, left=1e-6) is True
    with pytest.raises(AssertionError):
        exists(rows(), np.arange(60) % 2, 1)


def test_without_an_intercept():
    """Of rows that are 0 nothing is asked."""
    X = np.zeros((60, 3))
    X[20:, 0], X[30:, 1] = 1, rows()[30:, 0]
    y = np.arange(60) % 3
    assert exists(X, y, 3, intercept=False) is True
    y[20:] = 1 + np.arange(40) % 2  # wherever the first feature is, class 0 is not
    assert exists(X, y, 3, intercept=False) is False


def test_each_of_several_labels():
    X = rows()
    Y = np.column_stack([np.arange(60) % 2, np.arange(60) % 3 > 0]).astype(np.uint8)
    assert exists(X, Y, 2) is True
    Y[:, 1] = X[:, 1] > 0
    assert exists(X, Y, 2) is False
    Y[7, 1] = 2  # not known
    assert exists(X, Y, 2) is False


@pytest.mark.parametrize("scales", [[1e-12, 1e12], [1e300, 1e-300], [1, 1e9]])
def test_scales_and_far_rows(scales):
    X = rows()
    X[3, 1] = 1e9
    y = np.arange(60) % 2
    assert exists(X * scales, y, 1) is True
    assert exists(X * scales, X[:, 0] > 0, 1) is False


def test_too_large_to_tell():
    assert exists(rows(), np.arange(60) % 2, 1, rules=SeparationRules(largest=100)) is None


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_a_model_that_separates_where_there_is_too_much_to_solve(kind, l1_ratio):
    X, y = load_digits()
    X, y = X[:250, :40].astype(float), y[:250]
    kept = np.append(np.zeros(36), np.ones(4))
    model = SoftmaxRegression(C=1.0, l1_ratio=l1_ratio, penalty_factor=kept)
    with pytest.warns(ConvergenceWarning, match="separable"):
        model.fit(kind(X), y)
    assert not model.converged_ and not model.certified_


def test_only_what_is_not_penalised_of_a_model_counts():
    X = rows()
    y, free, few = X[:, 0] > 0, np.array([True, False]), SeparationRules(largest=100)
    for theta, expected in (([0.0, 9.0], None), ([9.0, 0.0], False), ([0.1, 9.0], False)):
        for wrong in (0, 1):
            labels = y ^ (np.arange(60) < wrong)
            o = objective(X, labels, 1, C=1.0, free=free, intercept=False)
            start = start_of(o, np.array([theta]), None)
            found = has_minimiser(o, start, FAR, few)
            assert found is (None if wrong else expected)


def test_a_loss_too_small_for_a_row_to_be_wrong():
    X = rows()
    y, weights = (X[:, 0] > 0).astype(int), np.ones(60)
    weights[0] = 1e-6
    assert separates(objective(X, y, 1), 0.005)
    assert not separates(objective(X, y, 1), 0.02)
    assert not separates(objective(X, y, 1, weights), 0.005)
    assert not separates(objective(X, y, 1, offset=np.ones((60, 1))), 0.005)
    assert not separates(objective(X, y[:, None] * 0.9, 1), 0.005)


def test_a_minimiser_far_away():
    """Rows of next to no weight alone keep the others from infinity."""
    X = rows()
    y, weights = (X[:, 0] > 0).astype(int), np.ones(60)
    y[:6], weights[:6] = 1 - y[:6], 1e-30
    model = SoftmaxRegression(C=np.inf).fit(X, y, weights)
    assert model.converged_ and model.objective_ < 1e-15
    weights[:6] = 0
    with pytest.warns(ConvergenceWarning, match="separable"):
        model.fit(X, y, weights)
    assert not model.converged_


def test_one_label_of_several_is_separated():
    X = rows()
    Y = np.column_stack([np.arange(60) % 2, X[:, 0] > 0]).astype(int)
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = LogisticRegression(C=np.inf).fit(X, Y)
    assert not model.converged_


@pytest.mark.parametrize("named", [False, True])
def test_the_warning_names_the_features_without_a_penalty(named):
    X = rows()
    y = (X[:, 1] > 0).astype(int)
    free = "1"
    if named:
        X = pytest.importorskip("pandas").DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
        free = "'x1'"
    factors = np.ones(X.shape[1])
    factors[1] = 0
    with pytest.warns(
        ConvergenceWarning, match=f"separable.*> 0 .* of the free ones: column {free}"
    ):
        SoftmaxRegression(penalty_factor=factors).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="Penalise all features, with a finite C"):
        SoftmaxRegression(C=np.inf).fit(X, y)


@pytest.mark.parametrize("solver", ["gd", "lbfgs", "newton"])
def test_iterations_that_run_out_on_separable_classes_are_not_what_is_missing(solver):
    X, overlapping, apart = np.arange(6.0)[:, None], [0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 1]
    params = {"solver": solver, "C": np.inf, "max_iter": 1, "tol": 1e-12}
    with pytest.warns(ConvergenceWarning, match=r"separable.*Penalise all features"):
        SoftmaxRegression(**params).fit(X, apart)
    with pytest.warns(ConvergenceWarning, match=r"max_iter reached.*Increase max_iter"):
        SoftmaxRegression(**params).fit(X, overlapping)


def test_gradient_descent_says_that_classes_are_separable():
    X, y = np.r_[np.arange(5.0), np.arange(7.0, 12.0)][:, None], np.arange(10) // 5
    with pytest.warns(ConvergenceWarning, match="separable, so that without a penalty") as caught:
        SoftmaxRegression(C=np.inf, solver="gd").fit(X, y)
    assert len(caught) == 1 and "decrease C" not in str(caught[0].message)
