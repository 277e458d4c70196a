"""MLPClassifier and MLPRegressor: scikit-learn's meaning, and what is more than that."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import networks
from support import reference_networks as oracle
from support.layouts import STRIDED, strided
from support.versions import at_least

from fastsoftmax import MLPClassifier, MLPRegressor
from fastsoftmax.datasets import load_digits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": (7,), "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return X[:330] / 16, y[:330]


def targets(kind, digits):
    X, y = digits
    if kind == "classes":
        return y
    return {
        "regression": X[:, 20] + X[:, 30] ** 2,
        "two outputs": X[:, [20, 30]] - X[:, [21, 29]],
        "multilabel": np.column_stack([y % 2, y > 4, y == 3]).astype(int),
    }[kind]


def pair(kind, **params):
    """Ours and scikit-learn's, of the same parameters."""
    if kind == "classes":
        return MLPClassifier(**params), theirs.MLPClassifier(**params)
    if kind == "multilabel":
        ours = MLPClassifier(loss="binary_cross_entropy", **params)
        return ours, theirs.MLPClassifier(**params)
    return MLPRegressor(**params), theirs.MLPRegressor(**params)


def from_one_start(kind, X, y, epochs, *, weights=(), **params):
    """Both, trained for some epochs from scikit-learn's parameters after a first one."""
    params = {"hidden_layer_sizes": (9, 5), "shuffle": False, "random_state": 1} | params
    models = pair(kind, max_iter=1, warm_start=True, **params)
    for model in models:
        model.fit(X, y)
    ours, reference = models
    ours.coefs_ = [W.copy() for W in reference.coefs_]
    ours.intercepts_ = [b.copy() for b in reference.intercepts_]
    for model in models:
        model.set_params(max_iter=epochs).fit(X, y, *weights)
    return models


SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "sgd": {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False, "learning_rate_init": 0.1},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.03},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.03},
}


@pytest.mark.parametrize("kind", ["classes", "multilabel", "regression", "two outputs"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_trains_as_scikit_learn_does(kind, solver, digits):
    X, y = digits[0], targets(kind, digits)
    params = SOLVERS[solver] | {"alpha": 0.5, "batch_size": 64, "activation": "tanh"}
    ours, reference = from_one_start(kind, X, y, 5, **params)
    networks.assert_arrays_near(ours.coefs_, reference.coefs_, 1e-9)
    networks.assert_arrays_near(ours.intercepts_, reference.intercepts_, 1e-9)
    if kind != "two outputs":  # theirs is a mean over the outputs, and its δ that of a sum
        np.testing.assert_allclose(ours.loss_curve_[-5:], reference.loss_curve_[-5:], rtol=1e-9)
        assert ours.best_loss_ == min(ours.loss_curve_)
    assert ours.out_activation_ in (reference.out_activation_, "softmax")
    for name in ("n_iter_", "n_layers_", "n_outputs_", "t_", "n_features_in_"):
        assert getattr(ours, name) == getattr(reference, name), name
    np.testing.assert_array_equal(ours.predict(X).shape, reference.predict(X).shape)
    assert ours.score(X, y) == pytest.approx(reference.score(X, y), abs=1e-9)


@pytest.mark.skipif(
    not at_least("scikit-learn", 1, 7), reason="networks of scikit-learn 1.6 take no weights"
)
@pytest.mark.parametrize("kind", ["classes", "regression"])
@pytest.mark.parametrize("batch_size", [50, 330])
def test_sample_weight_as_scikit_learn(kind, batch_size, digits):
    X, y = digits[0], targets(kind, digits)
    weights = np.random.default_rng(0).exponential(size=len(X))
    ours, reference = from_one_start(
        kind, X, y, 3, weights=(weights,), batch_size=batch_size, alpha=0.1
    )
    networks.assert_arrays_near(ours.coefs_, reference.coefs_, 1e-9)
    np.testing.assert_allclose(ours.loss_curve_[-3:], reference.loss_curve_[-3:], rtol=1e-9)
    assert ours.score(X, y, weights) == pytest.approx(reference.score(X, y, weights), abs=1e-9)


def test_weights_of_zero_leave_rows_out(digits):
    X, y = digits
    weights = (np.arange(len(X)) < 100).astype(float)
    params = SHORT | {"shuffle": False, "batch_size": 10, "alpha": 0, "solver": "sgd"}
    part = MLPClassifier(**params | {"batch_size": "full"}).fit(X[:100], y[:100])
    whole = MLPClassifier(**params | {"batch_size": "full"}).fit(X, y, weights)
    networks.assert_arrays_near(whole.coefs_, part.coefs_, 1e-12)


def test_adaptive_rate_as_scikit_learn(digits):
    params = {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2}
    ours, reference = from_one_start("classes", *digits, 60, learning_rate_init=0.2, **params)
    assert ours.n_iter_ == reference.n_iter_
    networks.assert_arrays_near(ours.coefs_, reference.coefs_, 1e-8)


def test_stops_where_the_loss_does_not_fall_as_scikit_learn(digits):
    ours, reference = from_one_start(
        "classes", *digits, 300, tol=0.01, n_iter_no_change=3, learning_rate_init=0.01
    )
    assert ours.n_iter_ == reference.n_iter_ < 300


@pytest.mark.parametrize("name", ["constant", "invscaling", "step", "cosine"])
def test_schedules(name, digits):
    X, y = digits
    numbers = {"power_t": 0.3, "step_size": 2, "step_factor": 0.5, "max_iter": 5}
    model = MLPClassifier(
        (6,), "tanh", solver="sgd", momentum=0, learning_rate=name, learning_rate_init=0.5,
        batch_size=50, shuffle=False, random_state=0, tol=0, alpha=0, **numbers,
    )  # fmt: skip
    start = MLPClassifier(**model.get_params() | {"max_iter": 1, "learning_rate_init": 1e-30})
    start.fit(X, y)
    coefs, intercepts = start.coefs_, start.intercepts_
    model.fit(X, y)
    for epoch in range(5):
        oracle.epoch(
            X, np.eye(10)[y], coefs, intercepts, "tanh", "cross_entropy", order=np.arange(len(X)),
            batch_size=50, rule=oracle.Rule("sgd"),
            rate=oracle.schedule(name, 0.5, epoch, n_rows=len(X), **numbers),
        )  # fmt: skip
    networks.assert_arrays_near(model.coefs_, coefs, 1e-10)


@pytest.mark.parametrize(
    "solver", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
)
def test_every_solver_learns(solver, digits):
    rate = 0.1 if solver in ("sgd", "momentum", "nesterov") else 0.01
    model = MLPClassifier((30,), solver=solver, learning_rate_init=rate, max_iter=40, batch_size=32)
    assert model.set_params(random_state=0).fit(*digits).score(*digits) > 0.97


def test_momentum_and_nesterov_are_sgd_with_that_rule(digits):
    for name, flag in (("momentum", False), ("nesterov", True)):
        named = MLPClassifier(solver=name, nesterovs_momentum=not flag, **SHORT).fit(*digits)
        flagged = MLPClassifier(solver="sgd", nesterovs_momentum=flag, **SHORT).fit(*digits)
        networks.assert_same_bits(named, flagged)


@pytest.mark.parametrize("loss", networks.LOSSES)
def test_every_loss_learns(loss, digits):
    X, y = digits
    if loss == "mae":  # of more classes the median of each output is 0
        y = y > 4
    model = MLPClassifier((30,), loss=loss, random_state=0, learning_rate_init=0.01, max_iter=60)
    assert model.fit(X, y).score(X, y) > 0.9
    assert np.isfinite(model.loss_curve_).all() and model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_every_loss_of_the_regressor_learns(loss, digits):
    X, y = digits[0], targets("regression", digits)
    model = MLPRegressor(
        hidden_layer_sizes=(30,), loss=loss, random_state=0, learning_rate_init=0.01, max_iter=200
    )
    assert model.fit(X, y).score(X, y) > 0.9
    assert model.predict(X).shape == y.shape


def test_layers_may_have_their_own_activations(digits):
    X, y = digits
    names = ["leaky_relu", "tanh", "logistic"]
    model = MLPClassifier((9, 8, 7), names, negative_slope=0.3, max_iter=2, random_state=0)
    model.fit(X, y)
    z = oracle.forward(X, model.coefs_, model.intercepts_, names, 0.3)[-1]
    np.testing.assert_allclose(model.decision_function(X), z, atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X), np.exp(oracle.log_softmax(z)), atol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), oracle.log_softmax(z), atol=1e-12)


def test_sigmoid_is_logistic_and_no_hidden_layers_are_softmax_regression(digits):
    one, other = (MLPClassifier(activation=a, **SHORT) for a in ("sigmoid", "logistic"))
    networks.assert_same_bits(one.fit(*digits), other.fit(*digits))
    linear = MLPClassifier((), max_iter=300, learning_rate_init=0.05, tol=0).fit(*digits)
    assert [W.shape for W in linear.coefs_] == [(64, 10)] and linear.score(*digits) == 1


def test_init(digits):
    X, y = digits
    still = {"learning_rate_init": 1e-30, "max_iter": 1, "random_state": 0, "batch_size": "full"}
    glorot = {(64, 200): np.sqrt(6 / 264), (200, 10): np.sqrt(6 / 210)}
    he = {shape: np.sqrt(6 / shape[0]) for shape in glorot}
    for init, activation, bounds in [
        ("auto", "tanh", [*glorot.values()]), ("auto", "relu", None),
        ("he", "tanh", [*he.values()]), ("glorot", "relu", [*glorot.values()]),
        ("zeros", "relu", [0, 0]),
    ]:  # fmt: skip
        model = MLPClassifier(200, activation, init=init, **still).fit(X, y)
        for W, bound in zip(model.coefs_, bounds or [he[64, 200], None], strict=True):
            if bound is not None:  # of the same variance, whether uniform or normal
                assert W.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_state_decides_every_bit_and_threads_none(solver, dtype, digits):
    X, y = digits[0].astype(dtype), digits[1]
    params = {"solver": solver, "max_iter": 3, "hidden_layer_sizes": (100, 33)}
    models = [
        MLPClassifier(random_state=3, n_threads=t, batch_size=110, **params).fit(X, y)
        for t in (1, 2, 3, 8, None)
    ]
    assert models[0].coefs_[0].dtype == dtype
    for model in models[1:]:
        networks.assert_same_bits(model, models[0])
        assert model.loss_curve_ == models[0].loss_curve_
    another = MLPClassifier(random_state=4, batch_size=110, **params).fit(X, y)
    assert another.coefs_[0].tobytes() != models[0].coefs_[0].tobytes()


def test_random_state_may_be_a_generator_of_numpy(digits):
    one, other = (
        MLPClassifier(**SHORT | {"random_state": np.random.RandomState(5)}).fit(*digits)
        for _ in range(2)
    )
    networks.assert_same_bits(one, other)


@pytest.mark.parametrize("layout", STRIDED)
def test_any_strides_give_the_same_bits(layout, digits):
    X, y = digits[0].astype(np.float32), digits[1]
    expected = MLPClassifier(**SHORT).fit(X, y)
    other = strided(X)[layout]
    model = MLPClassifier(**SHORT).fit(other, y)
    networks.assert_same_bits(model, expected)
    np.testing.assert_array_equal(model.predict_proba(other), expected.predict_proba(X))


def test_bytes_with_a_scale_are_the_floats_they_stand_for(digits):
    X, y = load_digits()
    X, y = X[:330], y[:330]
    assert X.dtype == np.uint8
    scaled = MLPClassifier(feature_scale=1 / 16, **SHORT).fit(X, y)
    floats = MLPClassifier(**SHORT).fit((X / 16).astype(np.float32), y)
    assert scaled.coefs_[0].dtype == np.float32
    networks.assert_same_bits(scaled, floats)  # a power of two
    np.testing.assert_array_equal(scaled.predict(X), floats.predict((X / 16).astype(np.float32)))


def test_clone_pickle_pipeline_and_cross_validation(digits):
    X, y = digits
    model = MLPClassifier(**SHORT).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert not hasattr(clone(model), "coefs_")
    model = MLPClassifier((30,), random_state=0, max_iter=30, learning_rate_init=0.01)
    pipeline = make_pipeline(StandardScaler(), model)
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.85


def test_labels_of_strings_and_two_classes(digits):
    X, y = digits
    names = np.array(["even", "odd"])[y % 2]
    model = MLPClassifier((20,), random_state=0, max_iter=99, learning_rate_init=0.01)
    model.fit(X, names)
    assert list(model.classes_) == ["even", "odd"] and model.score(X, names) > 0.95
    assert model.n_outputs_ == 2 and model.out_activation_ == "softmax"
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_one_hot_targets_mean_softmax(digits):
    X, y = digits
    by_labels = MLPClassifier(**SHORT).fit(X, y)
    by_rows = MLPClassifier(**SHORT).fit(X, np.eye(10)[y])
    networks.assert_arrays_near(by_rows.coefs_, by_labels.coefs_, 1e-12)
    soft = 0.9 * np.eye(10)[y] + 0.01
    assert MLPClassifier(**SHORT).fit(X, soft).out_activation_ == "softmax"


def test_multilabel(digits):
    X, Y = digits[0], targets("multilabel", digits)
    model = MLPClassifier((30,), loss="binary_cross_entropy", random_state=0, max_iter=300)
    model.fit(X, Y)
    assert model.out_activation_ == "logistic" and model.predict(X).shape == Y.shape
    assert (model.predict(X) == Y).mean() > 0.95
    assert not np.allclose(model.predict_proba(X).sum(axis=1), 1)  # not exclusive


def test_not_converged_warns_as_scikit_learn_does(digits):
    with pytest.warns(ConvergenceWarning, match="max_iter") as caught:
        MLPClassifier(max_iter=2).fit(*digits)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(max_iter=500, tol=1, n_iter_no_change=1).fit(*digits)


def test_a_fitted_model_does_not_heed_new_parameters(digits):
    X, y = digits
    model = MLPClassifier(**SHORT).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(hidden_layer_sizes=(3, 2), solver="sgd", random_state=5)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize("k", [2, 4])
def test_probabilities_of_labels_by_binary_cross_entropy(k):
    # one output per class, each the log-odds of that class against the rest
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)), np.arange(80) % k
    model = MLPClassifier((), loss="binary_cross_entropy", max_iter=5, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        model.fit(X, y)
    z = model._outputs(X)
    alone = 1 / (1 + np.exp(-z))
    expected = alone / alone.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(expected), rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), expected.argmax(axis=1))
    scores = model.decision_function(X)
    np.testing.assert_allclose(
        scores, np.log(expected[:, 1] / expected[:, 0]) if k == 2 else z, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("first", [np.float32, np.float64])
def test_partial_fit_goes_on_in_the_dtype_of_the_first(first):
    """Batches of another float dtype are computed in that of the coefficients."""
    X, y = load_digits()
    X, second = X[:100] / 16, np.float64 if first == np.float32 else np.float32
    models = []
    for dtypes in ((first, second, first), (first, first, first)):
        model = MLPClassifier((8,), random_state=0)
        for dtype in dtypes:
            model.partial_fit(X.astype(dtype), y[:100], classes=np.arange(10))
        models.append(model)
    assert {w.dtype for w in models[0].coefs_} == {np.dtype(first)}
    for mixed, same in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_allclose(mixed, same, rtol=1e-4, atol=1e-6)


def test_negative_slope_is_a_tenth_and_a_tie_is_off():
    """As documented; several labels whose outputs are 0 are all off."""
    assert MLPClassifier().get_params()["negative_slope"] == 0.1
    X, y = load_digits()
    X, y = X[:100] / 16, y[:100]
    options = {"activation": "leaky_relu", "max_iter": 3, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        default = MLPClassifier((8,), **options).fit(X, y)
        tenth = MLPClassifier((8,), negative_slope=0.1, **options).fit(X, y)
        labels = MLPClassifier((8,), loss="binary_cross_entropy", max_iter=1)
        labels.fit(X, np.arange(4) < y[:, None])
    np.testing.assert_array_equal(default.coefs_[0], tenth.coefs_[0])
    for parameters in (*labels.coefs_, *labels.intercepts_):
        parameters[...] = 0
    np.testing.assert_array_equal(labels.predict_proba(X), 0.5)
    np.testing.assert_array_equal(labels.predict(X), 0)


def test_the_loss_of_the_fit_decides_about_probabilities(digits):
    X, y, *_ = digits
    with_them = MLPClassifier(4, max_iter=1, random_state=0).fit(X, y)
    expected = with_them.predict_proba(X)
    np.testing.assert_array_equal(with_them.set_params(loss="mse").predict_proba(X), expected)
    without = MLPClassifier(4, max_iter=1, loss="mse").fit(X, y).set_params(loss="auto")
    assert not hasattr(without, "predict_proba")
    with pytest.raises(AttributeError, match="got 'mse'"):
        without.predict_topk(X, 2, return_proba=True)
