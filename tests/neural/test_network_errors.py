"""Every message about bad input to a network: the argument, what was expected, what came."""

import re

import numpy as np
import pytest

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor
from fastsoftmax._neural import Network, Rule

X = np.random.default_rng(0).normal(size=(20, 3))
y = np.arange(20) % 3


def message(model, X=X, y=y, **how):
    with pytest.raises((ValueError, TypeError)) as caught:
        model.fit(X, y, **how)
    assert not hasattr(model, "coefs_")
    return str(caught.value)


NAMES = {
    "activation": ("swish", ["identity", "logistic", "tanh", "relu", "leaky_relu"]),
    "loss": ("hinge", ["cross_entropy", "binary_cross_entropy", "mse", "mae"]),
    "solver": (
        "bfgs", ["lbfgs", "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"],
    ),
    "learning_rate": ("linear", ["constant", "invscaling", "adaptive", "step", "cosine"]),
    "init": ("orthogonal", ["auto", "he", "glorot", "zeros"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unknown", [True, False])
def test_unknown_names_list_the_known(name, unknown):
    wrong, known = NAMES[name]
    given = wrong if unknown else 3
    text = message(MLPClassifier(**{name: given}))
    assert text.startswith(f"{name}: expected") and repr(given) in text
    assert all(word in text for word in known) or (name == "activation" and given == 3)


@pytest.mark.parametrize(
    ("params", "pattern"),
    [
        ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes: expected .*>= 1.*0"),
        ({"hidden_layer_sizes": -1}, r"hidden_layer_sizes: expected .*>= 1.*-1"),
        ({"hidden_layer_sizes": 2.5}, r"hidden_layer_sizes: expected .*2\.5"),
        ({"hidden_layer_sizes": "ab"}, r"hidden_layer_sizes: expected .*'a"),
        ({"activation": ["relu"], "hidden_layer_sizes": (3, 3)}, r"activation: expected .*2.*1"),
        ({"batch_size": 0}, r"batch_size: expected .*>= 1.*0"),
        ({"batch_size": "all"}, r"batch_size: expected .*auto.*full.*'all'"),
        ({"batch_size": 1.5}, r"batch_size: expected .*1\.5"),
        ({"learning_rate_init": 0}, r"learning_rate_init: expected a number > 0, got 0"),
        ({"learning_rate_init": np.nan}, r"learning_rate_init: expected a number > 0, got nan"),
        ({"alpha": -1}, r"alpha: expected a number >= 0, got -1"),
        ({"alpha": "much"}, r"alpha: expected a number >= 0, got 'much'"),
        ({"momentum": 1.5, "solver": "sgd"}, r"momentum: expected a number .*1, got 1\.5"),
        ({"beta_1": 1.0}, r"beta_1: expected a number .*1, got 1\.0"),
        ({"beta_2": -0.1}, r"beta_2: expected a number .*got -0\.1"),
        ({"epsilon": 0}, r"epsilon: expected a number > 0, got 0"),
        ({"power_t": -1, "learning_rate": "invscaling"}, r"power_t: expected a number .*got -1"),
        ({"step_size": 0, "learning_rate": "step"}, r"step_size: expected an integer >= 1, got 0"),
        ({"step_factor": 0, "learning_rate": "step"}, r"step_factor: expected a number > 0, got 0"),
        ({"max_iter": 0}, r"max_iter: expected an integer >= 1, got 0"),
        ({"tol": -1}, r"tol: expected a number >= 0, got -1"),
        ({"n_iter_no_change": 0}, r"n_iter_no_change: expected an integer >= 1, got 0"),
        ({"validation_fraction": 1.0, "early_stopping": True}, r"validation_fraction: .*1\.0"),
        ({"validation_fraction": 0.01, "early_stopping": True}, r"validation_fraction: .*2 rows"),
        ({"negative_slope": np.nan}, r"negative_slope: expected a number .*got nan"),
        ({"feature_scale": "byte"}, r"feature_scale: expected a number.*got 'byte'"),
        ({"n_threads": 0}, r"n_threads: expected an integer >= 1, got 0"),
        ({"random_state": -1}, r"random_state: expected .*got -1|between 0 and"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(params, pattern):
    text = message(MLPClassifier(**params))
    assert re.search(pattern, text), text


NUMBERS = (
    *("alpha", "learning_rate_init", "power_t", "step_factor", "tol", "momentum", "beta_1"),
    *("beta_2", "validation_fraction", "epsilon", "negative_slope", "feature_scale"),
)


@pytest.mark.parametrize("name", NUMBERS)
def test_integers_beyond_float64(name):
    text = message(MLPClassifier(**{name: 10**400}))
    assert re.fullmatch(f"{name}: expected a number .* that float64 can hold, got 10*…0*", text)
    if name == "learning_rate_init":
        for model in (Adaline(), LogisticRegression(solver="sgd")):
            assert message(model.set_params(**{name: 10**400}), y=y > 0) == text


@pytest.mark.filterwarnings("ignore:.*epochs ended")
def test_integers_beyond_what_an_array_can_have():
    text = message(MLPClassifier(hidden_layer_sizes=(3, 10**400)))
    assert text.startswith("hidden_layer_sizes: expected an integer <= 2147483647, got 1000")
    with pytest.warns(UserWarning, match="batch_size: expected at most the 20 rows") as warned:
        MLPClassifier(batch_size=10**400, max_iter=2).fit(X, y)
    assert len(str(warned[0].message)) < 250


@pytest.mark.parametrize(
    "name", ["shuffle", "early_stopping", "warm_start", "nesterovs_momentum", "verbose"]
)
def test_flags(name):
    for value in ("no", None, np.ones(2)):
        text = message(MLPClassifier(**{name: value}))
        assert text == f"{name}: expected True or False, got {value!r}"


def test_labels_and_targets():
    assert "y: expected" in message(MLPClassifier(), y=y[:10])
    assert "2 classes" in message(MLPClassifier(), y=np.zeros(20))
    assert message(MLPRegressor(), y=np.array(["a", "b"] * 10)).startswith("y: expected numbers")
    assert "y:" in message(MLPRegressor(), y=np.full(20, np.nan))
    assert "y:" in message(MLPClassifier(), y=np.full((20, 3), 0.5) - np.eye(20, 3))
    assert "loss" in message(MLPRegressor(loss="cross_entropy"))


def test_rows():
    bad = X.copy()
    bad[7, 2] = np.nan
    assert "row 7, column 2" in message(MLPClassifier(), X=bad)
    assert "row 7, column 2" in message(MLPRegressor(), X=bad, y=y * 1.0)
    model = MLPClassifier(max_iter=500, tol=1).fit(X, y)
    with pytest.raises(ValueError, match="row 7, column 2"):
        model.predict(bad)
    with pytest.raises(ValueError, match="X has 2 features, but MLPClassifier is expecting 3"):
        model.predict(X[:, :2])


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        (X, r"validation_data: expected .*\(X, y\)"),
        ((X[:, :2], y), r"validation_data.*3.*2"),
        ((X, y[:5]), r"validation_data.*20.*5"),
        ((X, y + 5), r"validation_data.*(classes|label)"),
    ],
)
def test_validation_data(data, pattern):
    with pytest.raises((ValueError, TypeError), match=pattern):
        MLPClassifier().fit(X, y, validation_data=data)


def test_validation_targets_of_another_width():
    for model, wide in (
        (MLPRegressor(hidden_layer_sizes=3), np.ones((20, 2))),
        (MLPClassifier(3), np.eye(4)[y]),
    ):
        text = message(model, validation_data=(X, wide))
        assert re.match(r"validation_data y: expected \d columns? as in training, got \d", text)
    text = message(MLPClassifier(3), np.eye(3)[y], validation_data=(X, -np.eye(3)[y]))
    assert text.startswith("validation_data y: expected numbers of 0..inf, got -1.0 at index")


def test_a_further_part_of_other_columns():
    model = MLPRegressor(hidden_layer_sizes=3).partial_fit(X, np.ones((20, 2)))
    with pytest.raises(ValueError, match=r"^y: expected 2 columns as in training, got 3$"):
        model.partial_fit(X, np.ones((20, 3)))


@pytest.mark.parametrize(
    ("y", "weights", "text"),
    [
        (y[:-1], None, "y: expected 20 labels, one per row of X, got 19"),
        (np.eye(4)[y], None, "y: expected 3 columns as in training, got 4"),
        (np.eye(3)[y][1:], None, r"y: expected 20 rows of targets, .* got \(19, 3\)"),
        (y, np.ones(19), r"sample_weight: expected shape \(20,\), .* got \(19,\)"),
        (y, -np.ones(20), "sample_weight: expected 0 or more, got -1.0 in row 0"),
        (y, np.full(20, np.nan), "sample_weight: expected finite numbers, got nan in row 0"),
        (y, np.zeros(20), "sample_weight: expected a positive weight, got zeros only"),
    ],
)
def test_score(y, weights, text):
    model = MLPClassifier(3).partial_fit(X, np.arange(20) % 3, range(3))
    with pytest.raises(ValueError, match=text):
        model.score(X, y, weights)


def test_partial_fit():
    with pytest.raises(ValueError, match=r"classes: expected .*first"):
        MLPClassifier().partial_fit(X, y)
    model = MLPClassifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes: expected \[0, 1, 2\] .*got \[0, 1\]"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y: expected"):
        model.partial_fit(X, y.astype(str))
    with pytest.raises(ValueError, match=r"y: .*3"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])


def test_not_fitted():
    for model in (MLPClassifier(), MLPRegressor(), Adaline(), LogisticRegression()):
        with pytest.raises(ValueError, match="not fitted yet"):
            model.predict(X)


def test_warm_start_of_another_shape():
    model = MLPClassifier((4,), warm_start=True, max_iter=500, tol=1).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start|features"):
        model.fit(X[:, :2], y)
    with pytest.raises(ValueError, match=r"y: expected labels of \[0, 1, 2\], got 3 "):
        model.fit(X, np.arange(20) % 5)
    message = r"hidden_layer_sizes: expected layers of \(3, 4, 3\) units, .* got \(3, 5, 3\)"
    with pytest.raises(ValueError, match=message):
        model.set_params(hidden_layer_sizes=(5,)).fit(X, y)


def test_labels_to_score_that_no_class_can_equal():
    model = MLPClassifier(4, max_iter=500, tol=1).fit(X, y)
    with pytest.raises(ValueError, match="y: expected labels, got nan in row 0"):
        model.score(X, np.where(y == 0, np.nan, y))
    with pytest.raises(ValueError, match=r"y: expected numbers, .*, got strings"):
        model.score(X, y.astype(str))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_whose_outputs_overflow(dtype):
    rows = np.r_[X[:1], np.full((1, 3), 1.7e308)]
    params = {"hidden_layer_sizes": 4, "activation": "identity", "tol": 1}
    for model in (MLPClassifier(**params), MLPRegressor(**params)):
        model.fit(X.astype(dtype), y)
        model.coefs_[0][...] = 9.0
        with pytest.raises(ValueError, match=rf"X: .* {dtype.__name__} can hold, .* in row 1"):
            model.predict(rows)


def test_binary_models_name_the_number_of_classes():
    for model in (Adaline(), LogisticRegression(solver="sgd")):
        with pytest.raises(ValueError, match=r"2 classes.*3"):
            model.fit(X, y)


def test_logistic_regression_names_the_solvers_it_knows():
    with pytest.raises(ValueError, match=r"solver: expected .*newton.*sgd.*saga, got 'sago'"):
        LogisticRegression(solver="sago").fit(X, y % 2)


def test_the_online_rule_names_what_it_has_no_place_for():
    for given in ("sample_weight", "offset"):
        with pytest.raises(ValueError, match=f"{given}: expected None with solver='sgd'"):
            LogisticRegression(solver="sgd").fit(X, y % 2, **{given: np.ones(len(y))})
    with pytest.raises(ValueError, match="class_weight: expected None with solver='sgd'"):
        LogisticRegression(solver="sgd", class_weight="balanced").fit(X, y % 2)


def test_callback_that_cannot_be_called():
    for model in (MLPClassifier(), Adaline()):
        with pytest.raises(TypeError, match=r"callback: expected .*got 3"):
            model.fit(X, y % 2, callback=3)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"X": np.zeros((5, 3), np.float32)}, ValueError, r"X: expected shape \(N, 4\)"),
        ({"X": np.zeros((5, 4), complex)}, TypeError, "X: expected one of bool, .* got complex128"),
        ({"targets": np.zeros(4, np.int32)}, ValueError, r"targets: expected shape \(5,\)"),
        ({"targets": np.full(5, 3)}, ValueError, "targets: expected labels from 0 to 2, got 3"),
        ({"targets": np.zeros(5)}, TypeError, "targets: expected labels as integers"),
        ({"order": np.array([0, -1])}, ValueError, "order: expected row numbers from 0 to 4"),
        ({"sample_weight": np.ones(4)}, ValueError, r"sample_weight: expected shape \(5,\)"),
    ],
)
def test_a_network_reads_nothing_but_its_arrays(change, error, text):
    network = Network((4, 3), (), "cross_entropy")
    given = {"X": np.zeros((5, 4), np.float32), "targets": np.zeros(5, np.int32), "order": None}
    given |= change
    with pytest.raises(error, match=text):
        network.epoch(
            given["X"], given["targets"], given["order"], 2, Rule("sgd", network), 0.1,
            sample_weight=given.get("sample_weight"),
        )  # fmt: skip


def test_held_out_rows_without_weight():
    X = np.random.default_rng(0).normal(size=(40, 2))
    weights = np.zeros(40)
    weights[0] = 1.0
    model = MLPClassifier(early_stopping=True, random_state=0)
    with pytest.raises(
        ValueError, match="sample_weight: expected a positive weight among the rows"
    ):
        model.fit(X, np.arange(40) % 2, sample_weight=weights)
