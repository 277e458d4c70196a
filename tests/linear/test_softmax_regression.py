"""What a fitted SoftmaxRegression holds and answers, and how fitting it again behaves."""

import copy
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from support.optimum import mean_gradient, sum_objective
from support.problems import clusters

import fastsoftmax
from fastsoftmax import LogisticRegression, SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax._engine.objective import Objective
from fastsoftmax._runtime import threads as _threads
from fastsoftmax.datasets import load_digits


def blobs(n_classes=3):
    return clusters(120, 4, n_classes)


def state(model):
    """Everything the estimator holds, to compare later."""
    return copy.deepcopy(vars(model))


def assert_state(model, before):
    assert vars(model).keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_equal(getattr(model, name), value)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_attributes(n_classes, fit_intercept):
    X, y = blobs(n_classes)
    n_logits = 1 if n_classes == 2 else n_classes
    model = SoftmaxRegression(fit_intercept=fit_intercept)
    assert model.fit(X, y) is model
    assert model.classes_.tolist() == list(range(n_classes))
    assert model.coef_.shape == (n_logits, 4) and model.coef_.dtype == np.float64
    assert model.intercept_.shape == (n_logits,) and model.intercept_.dtype == np.float64
    assert model.n_features_in_ == 4
    assert model.converged_ is True
    if not fit_intercept:
        assert not model.intercept_.any()
    elif n_classes > 2:
        assert abs(model.intercept_.mean()) < 1e-14


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_certificate_is_what_numpy_finds(n_classes, fit_intercept, weighted):
    X, y = blobs(n_classes)
    X += 3  # the means matter
    weights = np.random.default_rng(1).exponential(size=len(X)) if weighted else np.ones(len(X))
    model = SoftmaxRegression(C=0.5, tol=1e-3, fit_intercept=fit_intercept, solver="lbfgs")
    model.fit(X, y, sample_weight=weights)
    expected = sum_objective(model, X, y, C=0.5, sample_weight=weights) / (0.5 * weights.sum())
    assert model.objective_ == pytest.approx(expected, rel=1e-12)
    to_W, to_b = mean_gradient(model, X, y, C=0.5, sample_weight=weights)
    largest = max(np.abs(to_W).max(), np.abs(to_b).max() if fit_intercept else 0)
    assert model.grad_norm_ == pytest.approx(largest, rel=1e-6)
    assert largest > 1e-6  # a loose tol: the comparison is not one of rounding errors


def test_history():
    X, y = load_digits()
    model = SoftmaxRegression(C=0.01).fit(X, y)
    assert len(model.history_) == model.n_iter_ <= model.n_passes_
    columns = zip(*model.history_, strict=True)
    objectives, norms, passes, seconds, *_ = map(np.array, columns)
    assert (objectives[1:] <= objectives[:-1] * (1 + 1e-7)).all()
    assert (np.diff(passes) > 0).all() and passes[-1] <= model.n_passes_
    assert (np.diff(seconds) >= 0).all()
    assert objectives[-1] == model.objective_ and norms[-1] == model.grad_norm_


@pytest.mark.parametrize(
    "names",
    [
        [0, 1],
        [False, True],
        ["no", "yes"],
        np.array(["no", "yes"], object),
        [-1, 1],
        [0.0, 5.0],
        [0, 1, 2],
        [-7, 0, 1000],
        ["a", "bc", "def"],
        np.array([0, 128, 255], np.uint8),
        [-(2**62), 0, 2**62],
    ],
    ids=str,
)
def test_labels_of_any_kind(names):
    names = np.asarray(names)
    X, y = blobs(len(names))
    plain = SoftmaxRegression().fit(X, y)
    model = SoftmaxRegression().fit(X, names[y])
    assert model.classes_.dtype == names.dtype
    np.testing.assert_array_equal(model.classes_, names)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    predicted = model.predict(X)
    assert predicted.dtype == names.dtype
    np.testing.assert_array_equal(predicted, names[plain.predict(X)])
    assert model.score(X, names[y]) == plain.score(X, y) > 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_agree_with_one_another(n_classes, dtype):
    X, y = blobs(n_classes)
    X = X.astype(dtype)
    model = SoftmaxRegression(C=10).fit(X, y)
    eps = np.finfo(dtype).eps
    logits = model.decision_function(X)
    assert logits.shape == ((len(X),) if n_classes == 2 else (len(X), n_classes))
    expected = X.astype(float) @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(logits, np.squeeze(expected), rtol=1e-5, atol=20 * eps)
    probabilities, logarithms = model.predict_proba(X), model.predict_log_proba(X)
    assert logits.dtype == probabilities.dtype == logarithms.dtype == dtype
    assert probabilities.shape == logarithms.shape == (len(X), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=4 * eps)
    np.testing.assert_allclose(np.exp(logarithms), probabilities, rtol=10 * eps)
    predicted = model.predict(X)
    np.testing.assert_array_equal(predicted, model.classes_[probabilities.argmax(axis=1)])
    assert model.score(X, y) == np.mean(predicted == y)
    np.testing.assert_array_equal(model.predict(X[:1]), predicted[:1])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_probabilities_of_confident_rows_are_finite(n_classes):
    X, y = blobs(n_classes)
    model = SoftmaxRegression().fit(X, y)
    confident = 1e4 * X
    assert (model.predict_proba(confident) == 0).any()
    logarithms = model.predict_log_proba(confident)
    assert np.isfinite(logarithms).all() and (logarithms <= 0).all()


def test_warm_start_begins_where_the_last_fit_ended():
    X, y = load_digits()
    model = SoftmaxRegression(C=0.01, warm_start=True).fit(X, y)
    cold, objective = model.n_iter_, model.objective_
    model.fit(X, y)
    assert model.converged_ and model.n_iter_ <= 5 < cold
    assert model.objective_ <= objective * (1 + 1e-7)
    model.set_params(warm_start=False).fit(X, y)
    assert model.n_iter_ == cold


def test_intercepts_have_mean_0_wherever_the_fit_began():
    X, y = blobs()
    model = SoftmaxRegression(warm_start=True).fit(X, y)
    expected = model.intercept_.copy()
    model.intercept_ += 100
    model.fit(X, y)
    assert abs(model.intercept_.mean()) < 1e-12
    np.testing.assert_allclose(model.intercept_, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 2, 3, 4], [0, 1]], ids=str)
def test_warm_start_refuses_other_classes(labels):
    X, y = blobs(4)
    model = SoftmaxRegression(warm_start=True).fit(X, y)
    before = state(model)
    other = np.resize(labels, len(X))
    with pytest.raises(
        ValueError, match=r"warm_start: expected the 4 classes \[0, 1, 2, 3\] of the prev"
    ):
        model.fit(X, other)
    with pytest.raises(ValueError, match="4 features as in the previous fit, got 3"):
        model.fit(X[:, :3], y)
    assert_state(model, before)


@pytest.mark.parametrize(
    ("labels", "differs"),
    [
        (["0", "1", "2", "3"], "'0' is new"),
        ([1, 2, 3, 4], "4 is new"),
        ([0, 1, 3], "2 is missing"),
    ],
    ids=str,
)
def test_warm_start_says_what_differs(labels, differs):
    X, y = blobs(4)
    for kind in (SoftmaxRegression, LogisticRegression):
        model = kind(warm_start=True).fit(X, y)
        with pytest.raises(
            ValueError, match=rf"^warm_start: .* got {len(labels)} cl.*: {differs}$"
        ):
            model.fit(X, np.resize(labels, len(X)))


def test_warm_start_with_columns_in_another_order():
    X, y = blobs(3)
    model = SoftmaxRegression(warm_start=True).fit(X, np.eye(3)[y], classes=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"got 3 classes \['b', 'a', 'c'\]: in another order$"):
        model.fit(X, np.eye(3)[y], classes=["b", "a", "c"])
    model = SoftmaxRegression(warm_start=True).fit(X, y).fit(X, y.astype(float))  # are the same
    assert model.classes_.dtype == float


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("coef_", np.zeros((2, 4)), r"expected shape \(3, 4\), got \(2, 4\)"),
        ("coef_", np.full((3, 4), np.nan), "expected finite numbers, got nan"),
        ("intercept_", np.zeros(2), r"expected shape \(3,\), got \(2,\)"),
    ],
)
def test_warm_start_from_coefficients_that_were_set(name, value, message):
    X, y = blobs(3)
    model = SoftmaxRegression(warm_start=True).fit(X, y)
    setattr(model, name, value)
    with pytest.raises(ValueError, match=f"^{name}: {message}"):
        model.fit(X, y)


def test_a_class_without_weight_is_left_out_of_the_likelihood():
    """As the notes say: the others are fitted as if it were not there, and that converges."""
    X, y = blobs(3)
    others = SoftmaxRegression(C=np.inf).fit(X[y > 0], y[y > 0])
    for model, weights in (
        (SoftmaxRegression(C=np.inf), (y > 0).astype(float)),
        (SoftmaxRegression(C=np.inf, class_weight={0: 0}), None),
    ):
        model.fit(X, y, weights)
        assert model.converged_
        assert model.predict_proba(X)[:, 0].max() < 1e-25
        np.testing.assert_allclose(model.objective_, others.objective_, rtol=1e-9)
        np.testing.assert_allclose(model.coef_[2] - model.coef_[1], others.coef_[0], rtol=1e-4)


def test_max_iter_warns_once_and_says_what_to_change():
    X, y = load_digits()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SoftmaxRegression(max_iter=1).fit(X, y)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    for part in ("max_iter reached", "max_iter (now 1)", "scale the features", "C (now 1)"):
        assert part in message
    assert model.converged_ is False and model.n_iter_ == 1
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert model.score(X, y) > 0.2


@pytest.mark.parametrize("cv", [False, True])
def test_a_warning_as_an_error_leaves_the_old_model(cv):
    X, y = load_digits()
    model = SoftmaxRegressionCV(Cs=[1e-3, 1e-2], cv=2) if cv else SoftmaxRegression(C=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = vars(model.fit(X, y)).copy()
        with pytest.raises(ConvergenceWarning):
            model.set_params(max_iter=1).fit(X[:, ::2], y)
    assert {**before, "max_iter": 1} == vars(model)


# K of one logit, of one block of accumulators, and of several; the rows make work for 8 threads
@pytest.mark.usefixtures("whole_teams")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "n_features", "n_classes"), [(20011, 203, 2), (6007, 65, 12), (3001, 33, 100)]
)
def test_any_number_of_threads_gives_the_same_bits(n, n_features, n_classes, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_features)).astype(dtype)
    y = np.arange(n) % n_classes
    n_logits = 1 if n_classes == 2 else n_classes
    assert _threads.team(8, X.size * n_logits) == 8
    models = [SoftmaxRegression(C=1e-3, tol=1e-2, n_threads=t).fit(X, y) for t in (1, 2, 3, 8)]
    for model in models[1:]:
        np.testing.assert_array_equal(model.coef_, models[0].coef_)
        np.testing.assert_array_equal(model.intercept_, models[0].intercept_)
        np.testing.assert_array_equal(model.predict_proba(X), models[0].predict_proba(X))


def test_verbose_prints_a_line_on_stderr(capsys):
    X, y = blobs()
    SoftmaxRegression().fit(X, y)
    assert capsys.readouterr() == ("", "")
    model = SoftmaxRegression(verbose=True).fit(X, y)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("iteration ") and err.count("\n") == 1 and err.endswith("\n")
    assert f"objective {model.objective_:.8f}" in err


@pytest.mark.parametrize("warm_start", [False, True])
def test_interrupted_fit_leaves_the_estimator_as_it_was(monkeypatch, warm_start):
    X, y = blobs()
    model = SoftmaxRegression(solver="newton", warm_start=warm_start).fit(X, y)
    before = state(model)
    passes = Objective.value_and_grad
    calls = []

    def interrupted(self, theta, *more):
        calls.append(theta)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return passes(self, theta, *more)

    monkeypatch.setattr(Objective, "value_and_grad", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(-X, y)
    assert_state(model, before)
    fresh = SoftmaxRegression(solver="newton")
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, y)
    assert not hasattr(fresh, "coef_")


def test_fit_is_the_estimator_in_one_call():
    X, y = blobs()
    weights = np.linspace(0, 1, len(X))
    got = fastsoftmax.fit(X, y, sample_weight=weights, C=0.1, fit_intercept=False)
    expected = SoftmaxRegression(C=0.1, fit_intercept=False).fit(X, y, sample_weight=weights)
    assert isinstance(got, SoftmaxRegression)
    assert got.get_params() == expected.get_params()
    np.testing.assert_array_equal(got.coef_, expected.coef_)


def test_fit_names_an_unknown_parameter_and_the_known_ones():
    X, y = blobs()
    known = "one of sample_weight, target, classes, offset, callback, C, .*class_weight, .*tol"
    with pytest.raises(TypeError, match=f"unknown parameter 'alpha', expected {known}"):
        fastsoftmax.fit(X, y, alpha=1)


@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_no_iteration_leaves_the_model_at_its_start(solver, l1_ratio):
    if l1_ratio and solver != "auto":
        return
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.repeat([0, 1, 2], [10, 20, 30])
    model = SoftmaxRegression(solver=solver, l1_ratio=l1_ratio, max_iter=0)
    with pytest.warns(ConvergenceWarning, match="ended after 0 iterations"):
        model.fit(X, y)
    assert model.n_iter_ == 0 and not model.converged_ and not model.coef_.any()
    np.testing.assert_allclose(model.predict_proba(X[:1]), [[1 / 6, 1 / 3, 1 / 2]])
    model.set_params(max_iter=1000, warm_start=True).fit(X, y)
    expected = model.coef_.copy()
    with pytest.warns(ConvergenceWarning):
        model.set_params(max_iter=0, tol=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected, atol=1e-12)
