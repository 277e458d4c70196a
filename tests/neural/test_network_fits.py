"""What a fit of a network records, shows and stops at, and how it goes on."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
from support import networks

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor
from fastsoftmax._neural.goals import r2
from fastsoftmax.datasets import load_digits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return X[:330] / 16, y[:330], X[330:500] / 16, y[330:500]


def classifier(**params):
    params = {"hidden_layer_sizes": (12,), "max_iter": 6, "random_state": 0} | params
    return MLPClassifier(**params)


def cross_entropy(model, X, y):
    return -model.predict_log_proba(X)[np.arange(len(y)), y].mean()


# ---- history


def test_history(digits):
    X, y, X_val, y_val = digits
    model = classifier(learning_rate_init=0.01).fit(X, y, validation_data=(X_val, y_val))
    assert len(model.history_) == model.n_iter_ == len(model.loss_curve_) == 6
    for epoch, loss in zip(model.history_, model.loss_curve_, strict=True):
        assert epoch.loss == loss and 0 <= epoch.accuracy <= 1 and epoch.seconds > 0
    last = model.history_[-1]
    assert last.validation_accuracy == model.score(X_val, y_val) > 0.5
    assert last.validation_loss == pytest.approx(cross_entropy(model, X_val, y_val), rel=1e-6)
    with pytest.raises((AttributeError, TypeError)):
        last.loss = 0


def test_history_of_a_full_batch_is_of_the_parameters_before_the_step(digits):
    X, y, *_ = digits
    one, two = (
        classifier(batch_size="full", alpha=0, max_iter=n, shuffle=False).fit(X, y) for n in (1, 2)
    )
    assert two.history_[1].loss == pytest.approx(cross_entropy(one, X, y), rel=1e-9)
    assert two.history_[1].accuracy == one.score(X, y)


def test_history_of_a_regressor(digits):
    X, _, X_val, _ = digits
    y, y_val = X[:, 20] + X[:, 30], X_val[:, 20] + X_val[:, 30]
    model = MLPRegressor(
        hidden_layer_sizes=(12,), max_iter=5, random_state=0, learning_rate_init=0.01
    )
    model.fit(X, y, validation_data=(X_val, y_val))
    last = model.history_[-1]
    assert last.validation_score == pytest.approx(model.score(X_val, y_val), rel=1e-9)
    assert last.validation_loss == pytest.approx(((model.predict(X_val) - y_val) ** 2).mean() / 2)
    assert last.loss == model.loss_curve_[-1]


def test_history_of_several_labels_a_row(digits):
    X, y, X_val, y_val = digits
    Y, Y_val = (np.column_stack([a % 2, a > 4]).astype(int) for a in (y, y_val))
    model = classifier(loss="binary_cross_entropy", learning_rate_init=0.01, max_iter=40)
    last = model.fit(X, Y, validation_data=(X_val, Y_val)).history_[-1]
    assert last.validation_accuracy == model.score(X_val, Y_val) > 0.5
    p = model.predict_proba(X_val)
    assert last.validation_loss == pytest.approx(
        -(Y_val * np.log(p) + (1 - Y_val) * np.log(1 - p)).sum(axis=1).mean()
    )


def test_history_counts_rows_by_their_weights(digits):
    X, y, *_ = digits
    weights = np.random.default_rng(0).integers(0, 3, size=len(y)).astype(float)
    params = {"batch_size": "full", "alpha": 0.0, "shuffle": False}
    weighted = classifier(**params).fit(X, y, weights).history_[-1]
    rows = np.repeat(np.arange(len(y)), weights.astype(int))
    repeated = classifier(**params).fit(X[rows], y[rows]).history_[-1]
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-9)
    assert weighted.accuracy == pytest.approx(repeated.accuracy, rel=1e-9)


def test_nothing_is_measured_that_was_not_asked_for(digits):
    model = classifier().fit(*digits[:2])
    assert {epoch.validation_loss for epoch in model.history_} == {None}
    assert {epoch.validation_accuracy for epoch in model.history_} == {None}


def test_validation_data_change_nothing_else(digits):
    with_them = classifier().fit(*digits[:2], validation_data=digits[2:])
    networks.assert_same_bits(with_them, classifier().fit(*digits[:2]))


# ---- callback


@pytest.mark.parametrize("answer", [True, 1, "stop"])
def test_callback_stops(answer, digits):
    seen = []

    def callback(state):
        seen.append((state.n_iter, len(state.history)))
        return answer if state.n_iter == 3 else None

    model = classifier().fit(*digits[:2], callback=callback)
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert model.n_iter_ == len(model.history_) == 3
    networks.assert_same_bits(model, classifier(max_iter=3).fit(*digits[:2]))


def test_callback_gets_copies_of_the_weights(digits):
    kept = []

    def callback(state):
        coefs = state.coefs
        kept.append([W.copy() for W in coefs])
        for W in coefs:
            W[...] = 0

    model = classifier().fit(*digits[:2], callback=callback)
    networks.assert_same_bits(model, classifier().fit(*digits[:2]))
    for W, last in zip(model.coefs_, kept[-1], strict=True):
        np.testing.assert_array_equal(W, last)
    assert not np.array_equal(kept[0][0], kept[1][0])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("warm_start", [False, True])
def test_an_error_in_the_callback_leaves_the_estimator_as_it_was(warm_start, error, digits):
    def callback(state):
        if state.n_iter == 2:
            raise error

    model, other = (classifier(warm_start=warm_start).fit(*digits[:2]) for _ in range(2))
    with pytest.raises(error):
        model.fit(*digits[:2], callback=callback)
    networks.assert_same_bits(model, other)
    assert len(model.history_) == len(model.loss_curve_) == 6 and model.t_ == other.t_
    model.fit(*digits[:2]), other.fit(*digits[:2])
    networks.assert_same_bits(model, other)
    assert model.loss_curve_ == other.loss_curve_


# ---- early stopping


def test_early_stopping_keeps_the_best(digits):
    X, y, *_ = digits
    model = classifier(
        early_stopping=True, n_iter_no_change=4, max_iter=300, learning_rate_init=0.02
    )
    model.fit(X, y)
    scores = model.validation_scores_
    assert model.n_iter_ == len(scores) < 300
    assert model.best_validation_score_ == max(scores)
    best = scores.index(max(scores))
    assert len(scores) - 1 - best >= 4
    # the weights are those of the best epoch, as a fit of just so many has them at its end
    kept = []
    classifier(early_stopping=True, n_iter_no_change=4, max_iter=300, learning_rate_init=0.02).fit(
        X, y, callback=lambda state: kept.append(state.coefs)
    )
    np.testing.assert_array_equal(model.coefs_[0], kept[best][0])


def test_early_stopping_keeps_the_best_of_a_further_fit(digits):
    X, y, X_val, y_val = digits
    model = classifier(early_stopping=True, warm_start=True, n_iter_no_change=50, max_iter=20)
    model.set_params(learning_rate_init=0.02).fit(X, y, validation_data=(X_val, y_val))
    before, kept = model.best_validation_score_, []
    others = X_val, (y_val + 1) % 10  # of which none of the scores is as good
    model.fit(X, y, validation_data=others, callback=lambda state: kept.append(state.coefs))
    scores = model.validation_scores_[20:]
    assert len(kept) == len(scores) == 20 and max(scores) < before
    assert model.best_validation_score_ == max(scores) == model.score(*others)
    np.testing.assert_array_equal(model.coefs_[0], kept[int(np.argmax(scores))][0])


def test_early_stopping_holds_out_the_fraction(digits):
    X, y, *_ = digits
    model = classifier(early_stopping=True, validation_fraction=0.2, max_iter=2).fit(X, y)
    assert model.t_ == 2 * (len(X) - 66)
    regressor = MLPRegressor(early_stopping=True, max_iter=3, random_state=0)
    regressor.fit(X, X[:, [20, 21]], np.linspace(0, 1, len(X)))
    assert len(regressor.validation_scores_) == 3 and regressor.best_loss_ is None


def test_early_stopping_watches_the_given_validation_data(digits):
    X, y, X_val, y_val = digits
    model = classifier(early_stopping=True).fit(X, y, validation_data=(X_val, y_val))
    assert model.t_ == 6 * len(X)
    assert model.score(X_val, y_val) == model.best_validation_score_
    assert model.validation_scores_ == [epoch.validation_accuracy for epoch in model.history_]


# ---- going on


def test_warm_start_goes_on(digits):
    X, y, *_ = digits
    params = {"solver": "sgd", "momentum": 0, "shuffle": False, "batch_size": 32}
    model = classifier(warm_start=True, max_iter=2, **params)
    for _ in range(3):
        model.fit(X, y)
    networks.assert_same_bits(model, classifier(max_iter=6, **params).fit(X, y))
    cold = classifier(max_iter=2, **params).fit(X, y)
    networks.assert_same_bits(cold, cold.fit(X, y))
    networks.assert_same_bits(cold, classifier(max_iter=2, **params).fit(X, y))


def test_a_warm_start_draws_as_random_state_says(digits):
    X, y, *_ = digits
    begun = classifier(warm_start=True, max_iter=1).fit(X, y)
    one, same, other = (
        copy.deepcopy(begun).set_params(random_state=seed).fit(X, y) for seed in (1, 1, 2)
    )
    networks.assert_same_bits(one, same)
    assert (one.coefs_[0] != other.coefs_[0]).any()


@pytest.mark.parametrize("solver", ["sgd", "adam", "adagrad", "rmsprop", "adamw"])
def test_partial_fit_is_one_epoch_and_remembers(solver, digits):
    X, y, *_ = digits
    params = {"solver": solver, "shuffle": False, "batch_size": 32}
    model = classifier(**params)
    for i in range(3):
        assert model.partial_fit(X, y, classes=np.arange(10) if i == 0 else None) is model
    networks.assert_same_bits(model, classifier(max_iter=3, **params).fit(X, y))
    assert len(model.loss_curve_) == len(model.history_) == 3
    assert model.t_ == 3 * len(X)


def test_partial_fit_goes_on_after_pickling(digits):
    X, y, *_ = digits
    model = classifier().partial_fit(X, y, classes=np.arange(10))
    copy = pickle.loads(pickle.dumps(model))
    networks.assert_same_bits(model.partial_fit(X, y), copy.partial_fit(X, y))


def test_partial_fit_of_rows_that_lack_classes(digits):
    X, y, *_ = digits
    model = classifier().partial_fit(X[:20], y[:20] % 3, classes=[0, 1, 2, 7])
    model.partial_fit(X[20:21], y[20:21] % 3)  # one row
    assert list(model.classes_) == [0, 1, 2, 7] and model.predict_proba(X).shape == (len(X), 4)
    regressor = MLPRegressor(random_state=0).partial_fit(X, X[:, 20]).partial_fit(X, X[:, 20])
    assert len(regressor.loss_curve_) == 2


# ---- divergence


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_names_epoch_and_step_and_keeps_the_last_finite_weights(dtype, digits):
    X, y, *_ = digits
    model = classifier(
        hidden_layer_sizes=(20, 20), activation="identity", loss="mse", solver="sgd",
        learning_rate_init=1e4, momentum=0, batch_size=100,
    )  # fmt: skip
    with pytest.raises(FloatingPointError, match=r"epoch \d+.*step \d+"):
        model.fit(X.astype(dtype), y)
    assert all(np.isfinite(a).all() for a in [*model.coefs_, *model.intercepts_])
    assert model.coefs_[0].dtype == dtype


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_targets_whose_squares_overflow(dtype, solver, digits):
    X, y, *_ = digits
    model = MLPRegressor(solver=solver, hidden_layer_sizes=4, random_state=0)
    with pytest.raises(FloatingPointError, match=r"epoch 1 at .*cale the features and the targets"):
        model.fit(X.astype(dtype), y * 1e300)
    assert all(np.isfinite(W).all() for W in model.coefs_)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "mae", "solver": "sgd", "hidden_layer_sizes": (9, 8)},
        {"loss": "mse", "solver": "adagrad", "hidden_layer_sizes": (9, 8), "activation": "tanh"},
        {"loss": "cross_entropy", "solver": "adagrad", "hidden_layer_sizes": (9, 8)},
    ],
)
def test_weights_are_finite_after_a_step_of_finite_loss_that_made_them_overflow(params, digits):
    X, y = digits[0].astype(np.float32), digits[1]
    outcomes = set()
    for exponent in np.linspace(0, 38, 39):
        model = classifier(learning_rate_init=10**exponent, batch_size=100, max_iter=3, **params)
        try:
            model.fit(X, y)
            outcomes.add("trained")
        except FloatingPointError:
            outcomes.add("diverged")
        assert all(np.isfinite(a).all() for a in [*model.coefs_, *model.intercepts_])
    assert "diverged" in outcomes


def test_divergence_in_the_second_epoch(digits):
    X, y, *_ = digits
    seen = []
    model = classifier(
        hidden_layer_sizes=(), loss="mse", solver="sgd", momentum=0, batch_size="full",
        learning_rate_init=1e160,
    )  # fmt: skip
    with pytest.raises(FloatingPointError, match=r"epoch 2\b.*step 1\b"):
        model.fit(X, y, callback=lambda state: seen.append(state.coefs))
    assert len(seen) == 1
    np.testing.assert_array_equal(model.coefs_[0], seen[0][0])


# ---- progress


def test_silent_unless_asked(digits, capfd):
    classifier().fit(*digits[:2])
    assert capfd.readouterr() == ("", "")
    classifier(verbose=True).fit(*digits[:2])
    out, shown = capfd.readouterr()
    assert out == "" and "6" in shown and "loss" in shown


def test_progress_without_tqdm(digits, capfd, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    classifier(verbose=True).fit(*digits[:2])
    assert "loss" in capfd.readouterr().err


def test_inputs_are_left_as_they_were(digits):
    X, y, *_ = (a.copy() for a in digits)
    weights = np.ones(len(X))
    for a in (X, y, weights):
        a.flags.writeable = False
    model = classifier(early_stopping=True).fit(X, y, weights)
    model.predict(X), model.score(X, y, weights)
    networks.assert_arrays_near([X, y], digits[:2], 0)


# ---- single neurons


@pytest.mark.parametrize("model", [Adaline, partial(LogisticRegression, solver="sgd")])
def test_neurons_record_stop_and_diverge_as_networks_do(model, digits, capfd):
    X, y, *_ = digits
    params = {"learning_rate_init": 0.01, "random_state": 0}
    fitted = model(**params).fit(X, y > 4, callback=lambda state: state.n_iter == 3)
    assert fitted.n_iter_ == len(fitted.history_) == 3
    losses = [epoch.loss for epoch in fitted.history_]
    assert losses == sorted(losses, reverse=True) and fitted.history_[-1].accuracy > 0.7
    short = model(max_iter=3, verbose=True, **params).fit(X, y > 4)
    np.testing.assert_array_equal(short.coef_, fitted.coef_)
    assert "loss" in capfd.readouterr().err
    threads = [model(n_threads=n, batch_size="full", **params).fit(X, y > 4) for n in (1, 3)]
    np.testing.assert_array_equal(threads[0].coef_, threads[1].coef_)
    wild = model(learning_rate_init=1e300)
    with pytest.raises(FloatingPointError, match=r"epoch \d+.*step \d+"):
        wild.fit(1e10 * X, y > 4)
    assert np.isfinite(wild.coef_).all() and np.isfinite(wild.intercept_).all()


def test_a_warm_start_counts_its_own_epochs_without_progress(digits):
    """None is better by 1e9, but for the first of all; more than n_iter_no_change of them end a
    fit, as in scikit-learn."""
    X, y, *_ = digits
    model = classifier(max_iter=20, tol=1e9, n_iter_no_change=3, warm_start=True)
    assert [model.fit(X, y).n_iter_ for _ in range(3)] == [5, 4, 4]


def test_all_rows_but_one_may_be_held_out():
    X, y = np.arange(4.0)[:, None], np.arange(4.0)
    params = {"hidden_layer_sizes": (2,), "early_stopping": True, "max_iter": 2}
    model = MLPRegressor(**params, validation_fraction=0.75).fit(X, y)
    assert len(model.validation_scores_) == 2
    with pytest.raises(ValueError, match="1 to train on, got 4 of 4"):
        MLPRegressor(**params, validation_fraction=0.8).fit(X, y)


def test_r2_of_outputs_that_vary_and_that_do_not():
    errors, spread = np.array([0.5, 0.0, 0.25]), np.array([1.0, 0.0, 0.0])
    assert r2(errors[:1], spread[:1]) == 0.5
    assert r2(errors[1:2], spread[1:2]) == 1  # a constant that is predicted
    assert r2(errors[2:], spread[2:]) == 0
    assert r2(errors, spread) == 0.5
