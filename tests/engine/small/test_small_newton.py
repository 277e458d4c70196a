"""Small fits, made in one compiled call: proved, and as good as the proof says."""

import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.newton import Problem

from fastsoftmax import LogisticRegression, SoftmaxRegression, _core
from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.small import is_small
from fastsoftmax._linear import model as linear_model
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning


@pytest.fixture
def made(monkeypatch):
    """What the fits of small problems came to: None where they are left to the general solvers."""
    results = []
    minimize = linear_model.minimize_small

    def spy(*arguments):
        results.append(minimize(*arguments))
        return results[-1]

    monkeypatch.setattr(linear_model, "minimize_small", spy)
    return results


def classes_of(rng, X, k, size=1.0):
    logits = np.asarray(X, float) @ rng.normal(size=(X.shape[1], k)) * size
    y = np.argmax(logits + rng.gumbel(size=(len(X), k)), axis=1)
    y[:k] = np.arange(k)
    return y


def oracle(X, y, C, *, weights=None, factors=1.0, intercept=True):
    """The least F for labels 0..K-1, or a table of probabilities; two classes have one logit."""
    Y = np.eye(y.max() + 1)[y] if y.ndim == 1 else y
    two = Y.shape[1] == 2
    total = len(Y) if weights is None else weights.sum()
    ridge = np.broadcast_to(factors, X.shape[1]) / (C * total)
    return Problem(X, Y[:, 1:] if two else Y, ridge, weights, 0.0, intercept, two).minimum()[0]


def check(model, least, tol=1e-6):
    """Proved, and F is at the optimum but for the bound."""
    assert model.converged_ and model.certified_
    assert model.gap_bound_ <= tol * model.objective_
    rounding = 1e-12 * least + 1e-13  # of the oracle, whose logits are up to some thousands
    assert -rounding <= model.objective_ - least <= model.gap_bound_ + rounding


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 130), st.integers(1, 30), st.integers(2, 6),
    st.sampled_from([0.001, 0.1, 1.0, 30.0, 1e4]), st.booleans(), st.booleans(),
    st.sampled_from([1e-3, 1.0, 1e3]),
)  # fmt: skip
def test_the_bound_holds_against_newton_in_numpy(seed, n, d, k, C, intercept, weighted, size):
    rng = np.random.default_rng(seed)
    n = max(n, k)
    X = rng.normal(size=(n, d)) * size + rng.normal(size=d) * size
    y = classes_of(rng, X, k)
    weights = rng.integers(1, 4, n).astype(float) if weighted else None
    model = SoftmaxRegression(C, fit_intercept=intercept).fit(X, y, weights)
    check(model, oracle(X, y, C, weights=weights, intercept=intercept))


@pytest.mark.parametrize("shape", [(100, 5, 2), (100, 5, 4), (300, 40, 2), (300, 40, 5)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8, np.int64, bool])
def test_any_dtype_and_strides_without_a_copy(made, shape, dtype):
    n, d, k = shape
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.normal(size=(2 * n, d)) * 3 + 4).clip(0, 200).astype(dtype)[::2]
    y = classes_of(rng, X, k, 0.2)
    model = SoftmaxRegression().fit(X, y)
    assert made[0] is not None
    check(model, oracle(X.astype(float), y, 1.0))


@pytest.mark.parametrize("k", [2, 3])
def test_units_of_the_penalty(made, k):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(150, 6)) * np.array([1e-2, 0.1, 1, 10, 1e2, 1e3])
    y = classes_of(rng, X / X.std(axis=0), k)
    factors = np.array([0.5, 1, 2, 1, 3, 1])
    model = SoftmaxRegression(2.0, standardize=True, penalty_factor=factors).fit(X, y)
    check(model, oracle(X, y, 2.0, factors=factors * X.var(axis=0)))
    scaled = SoftmaxRegression(2.0, feature_scale=0.25).fit(X, y)
    check(scaled, oracle(X / 4, y, 2.0))
    assert None not in made


@pytest.mark.parametrize("k", [2, 3])
def test_probabilities_smoothing_and_class_weights(made, k):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(80, 4))
    y = classes_of(rng, X, k)
    table = rng.dirichlet(np.ones(k), 80)
    check(SoftmaxRegression().fit(X, table), oracle(X, table, 1.0))
    smooth = 0.8 * np.eye(k)[y] + 0.2 / k
    check(SoftmaxRegression(label_smoothing=0.2).fit(X, y), oracle(X, smooth, 1.0))
    weights = np.where(y == 1, 3.0, 1.0)
    model = SoftmaxRegression(class_weight={1: 3}).fit(X, y)
    check(model, oracle(X, y, 1.0, weights=weights))
    assert None not in made


@pytest.mark.parametrize("C", [1.0, 1e8])
def test_wide_problems_in_the_row_space(made, C):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(16, 300)), np.arange(16) % 4
    model = SoftmaxRegression(C).fit(X, y)
    assert made[0] is not None
    check(model, oracle(X, y, C))


def test_constant_features_and_rows_without_weight(made):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 5))
    X[:, 2] = 0.0
    y = classes_of(rng, X, 3)
    weights = np.where(np.arange(60) % 7 == 6, 0.0, 1.0)
    model = SoftmaxRegression().fit(X, y, weights)
    assert made[0] is not None and not model.coef_[:, 2].any()
    used = weights > 0
    check(model, oracle(X[used], y[used], 1.0))


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_without_features_a_fit_is_where_it_starts(made, k, weighted, kind):
    rng = np.random.default_rng(15)
    y = classes_of(rng, np.zeros((70, 1)), k)
    table = rng.dirichlet(np.ones(k), 70) if kind == "probabilities" else np.eye(k)[y]
    weights = rng.integers(0, 4, 70).astype(float) if weighted else None
    given = table if kind == "probabilities" else y
    model = SoftmaxRegression().fit(np.zeros((70, 4)), given, weights)
    assert made[0] is not None and model.n_iter_ == 0
    logarithms = np.log(np.average(table, axis=0, weights=weights))
    expected = logarithms[1:] - logarithms[:1] if k == 2 else logarithms - logarithms.mean()
    np.testing.assert_allclose(model.intercept_, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("k", [2, 3])
def test_the_bound_counts_what_rounding_of_the_logits_hides(made, k):
    y = np.arange(60) % k
    model = SoftmaxRegression().fit(np.zeros((60, 4)), y, np.where(y == 0, 1e6, 1.0))
    assert made[0] is not None and model.n_iter_ == 0  # there is nothing else to gain
    rounding = 0.25 * np.square(4 * np.finfo(float).eps * model.intercept_).sum()
    assert rounding <= model.gap_bound_ <= 1.1 * rounding


@pytest.mark.parametrize("shape", [(100, 5, 2), (2000, 40, 2), (700, 40, 5), (500, 20, 5)])
@pytest.mark.usefixtures("whole_teams")
def test_threads_change_no_bit(shape):
    n, d, k = shape
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, d))
    y = classes_of(rng, X, k)
    models = [SoftmaxRegression(n_threads=t).fit(X, y) for t in (1, 2, 3)]
    for other in models[1:]:
        np.testing.assert_array_equal(other.coef_, models[0].coef_)
        assert other.gap_bound_ == models[0].gap_bound_


def test_the_gradient_and_the_history_are_those_of_the_model():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(120, 7)) + 3
    y = classes_of(rng, X, 3)
    model = SoftmaxRegression().fit(X, y)
    problem = Problem(X, np.eye(3)[y], np.full(7, 1 / 120))
    T = np.column_stack([model.coef_, model.intercept_])
    assert model.objective_ == pytest.approx(problem.value(T), rel=1e-13)
    assert model.grad_norm_ == pytest.approx(np.abs(problem.gradient(T)).max(), rel=1e-6)
    values = [step.objective for step in model.history_]
    assert values == sorted(values, reverse=True) and values[-1] == model.objective_
    assert len(values) == model.n_iter_ and model.history_[-1].n_passes == model.n_passes_
    seconds = [step.seconds for step in model.history_]
    assert seconds == sorted(seconds) and seconds[0] >= 0 and seconds[-1] < 60


def test_a_bound_of_the_public_function_agrees():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(200, 12))
    for k in (2, 4):
        y = classes_of(rng, X, k)
        model = SoftmaxRegression(tol=1e-8).fit(X, y)
        certificate = model.certify(X, y)
        least = oracle(X, y, 1.0)
        assert certificate.objective == pytest.approx(model.objective_, rel=1e-14)
        assert model.objective_ - least <= certificate.gap_bound + 1e-14 * least
        assert certificate.gap_bound <= 1e-8 * least


@pytest.mark.parametrize(
    "change",
    [
        {"tol": 1e-12}, {"C": np.inf}, {"l1_ratio": 0.5}, {"solver": "lbfgs"},
        {"penalty_factor": [0, 1, 1]},
    ],
)  # fmt: skip
def test_what_is_left_to_the_general_solvers(made, change):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(60, 3))
    y = classes_of(rng, X, 3, 0.3)
    model = SoftmaxRegression(**change).fit(X, y)
    assert made[0] is None and model.converged_


@pytest.mark.parametrize("how", ["far means", "a class without weight"])
def test_problems_that_need_more_care(made, how):
    rng = np.random.default_rng(9)
    X, weights = rng.normal(size=(60, 3)), np.ones(60)
    y = classes_of(rng, X, 3)
    if how == "far means":
        X = X + 1e9
    else:
        weights[y == 2] = 0
    model = SoftmaxRegression().fit(X, y, weights)
    assert made[0] is None and model.converged_


def test_errors_and_warnings_are_those_of_any_fit(made):
    rng = np.random.default_rng(10)
    X = rng.normal(size=(60, 3))
    y = classes_of(rng, X, 2)
    for bad in (np.nan, np.inf):
        broken = X.copy()
        broken[7, 1] = bad
        with pytest.raises(ValueError, match="row 7"), np.errstate(all="ignore"):
            SoftmaxRegression().fit(broken, y)
    with pytest.warns(ConvergenceWarning, match="max_iter reached"):
        model = SoftmaxRegression(C=100.0, max_iter=1).fit(X, y)
    assert not model.converged_ and set(made) == {None}


def test_separable_classes_and_little_penalty(made):
    X = np.linspace(-1, 1, 40)[:, None]
    y = (X[:, 0] > 0).astype(int)
    for C in (1.0, 1e4, 1e10):
        check(SoftmaxRegression(C).fit(X, y), oracle(X, y, C))


def test_several_labels_and_an_offset_take_the_general_way():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(50, 3))
    labels = (rng.random((50, 2)) > 0.5).astype(int)
    assert LogisticRegression().fit(X, labels).certified_
    assert LogisticRegression().fit(X, labels[:, 0], offset=np.ones(50)).certified_


def test_a_fit_takes_few_calls_from_python():
    rng = np.random.default_rng(12)
    X = rng.normal(size=(100, 5))
    y = classes_of(rng, X, 2)
    model = SoftmaxRegression().fit(X, y)
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        model.fit(X, y)
    finally:
        sys.setprofile(None)
    assert calls <= 300


def test_who_watches_sees_each_iteration(capsys):
    rng = np.random.default_rng(13)
    X = rng.normal(size=(100, 5))
    y = classes_of(rng, X, 2)
    seen = []
    model = SoftmaxRegression().fit(X, y, callback=lambda state: seen.append(state.objective))
    assert len(seen) == model.n_iter_ > 0
    silent, loud = SoftmaxRegression().fit(X, y), SoftmaxRegression(verbose=True).fit(X, y)
    np.testing.assert_array_equal(silent.coef_, loud.coef_)
    assert "objective" in capsys.readouterr().err


def test_is_small_goes_by_the_shape():
    def small(n, d, k):
        return is_small(DenseData(np.zeros((n, d), np.uint8), 1), k)

    assert small(2000, 50, 5) and small(100_000, 5, 1)
    assert not small(200_000, 5, 1) and not small(100, 5, 17) and not small(100, 300, 4)


@pytest.mark.parametrize("name", ["weights", "ridge", "theta", "gradient", "means", "history"])
def test_arrays_of_another_dtype_are_refused(name):
    arrays = {
        "weights": np.ones(4), "ridge": np.ones(2), "theta": np.zeros((1, 2)),
        "gradient": np.zeros((1, 2)), "means": np.zeros(2), "history": np.zeros((9, 5)),
    }  # fmt: skip
    arrays[name] = arrays[name].astype(np.float32)
    weights, ridge, theta, gradient, means, history = arrays.values()
    X, targets = np.eye(4)[:, :2], np.array([0, 1, 1, 0], np.int32)
    with pytest.raises(TypeError, match=f"{name}: expected dtype f8"):
        _core.small_newton.minimize(
            X, targets, weights, ridge, False, theta, gradient, means, 1e-6, 0.0, history, 1, 1
        )


def test_a_fit_warns_of_nothing():
    rng = np.random.default_rng(14)
    X = rng.normal(size=(100, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftmaxRegression().fit(X, classes_of(rng, X, 3))
