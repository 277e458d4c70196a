"""Ctrl-C while a network learns: it ends between two steps and keeps what it has learnt."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor
from fastsoftmax._neural import Network, Rule
from fastsoftmax._runtime.interrupts import Interrupts

WORDS = r"Training interrupted by user\. "


def problem(n=200, d=5):
    random = np.random.default_rng(0)
    X = random.standard_normal((n, d))
    return X, (X[:, 0] + 0.3 * random.standard_normal(n) > 0).astype(int)


def interrupt(state):
    if len(state.history) == 3:
        signal.raise_signal(signal.SIGINT)


def network():
    net = Network((5, 4, 2), ["tanh"], "cross_entropy", dtype=np.float64)
    random = np.random.default_rng(1)
    net.coefs = [random.standard_normal(W.shape) for W in net.coefs]
    return net


@pytest.mark.parametrize("rule", ["sgd", "nesterov", "adam"])
@pytest.mark.parametrize("ordered", [False, True])
def test_an_epoch_in_parts_is_the_same_epoch(ordered, rule):
    X, y = problem(203)
    weights = np.random.default_rng(2).random(203)
    order = np.random.default_rng(3).permutation(203) if ordered else None
    results = []
    for work in (10**9, 3000, 1):
        net = network()
        net.unstoppable_work = work
        state = Rule(rule, net, alpha=0.1)
        for _ in range(2):
            done = net.epoch(
                X, y.astype(np.int32), order, 10, state, 0.05, sample_weight=weights,
                measure="argmax",
            )  # fmt: skip
        results.append((net.coefs, done, state.n_steps))
    for coefs, done, n_steps in results[1:]:
        for W, whole in zip(coefs, results[0][0], strict=True):
            np.testing.assert_array_equal(W, whole)
        assert (done.n_steps, done.complete, n_steps) == (21, True, 42)
        assert done.loss == pytest.approx(results[0][1].loss, rel=1e-13)
        assert done.hits == pytest.approx(results[0][1].hits, rel=1e-13)


def test_an_epoch_in_parts_ends_where_weights_are_no_longer_finite():
    X, y = problem()
    steps = []
    for work in (10**9, 1):
        net = network()
        net.unstoppable_work = work
        done = net.epoch(X, y.astype(np.int32), None, 10, Rule("sgd", net), 1e308)
        assert not done.complete
        steps.append(done.n_steps)
    assert steps[0] == steps[1] < 20


def test_an_epoch_that_is_halted_has_done_whole_steps():
    X, y = problem()
    net, other = network(), network()
    net.unstoppable_work = 1
    answers = iter([False] * 7 + [True])
    rule = Rule("adam", net)
    done = net.epoch(X, y.astype(np.int32), None, 10, rule, 0.01, halted=lambda: next(answers))
    assert done.interrupted and not done.complete and done.n_steps == rule.n_steps == 7
    same = other.epoch(X[:70], y[:70].astype(np.int32), None, 10, Rule("adam", other), 0.01)
    assert done.loss == pytest.approx(same.loss, rel=1e-13)
    for W, expected in zip(net.coefs, other.coefs, strict=True):
        np.testing.assert_array_equal(W, expected)


MODELS = {
    "classifier": lambda n: MLPClassifier(4, max_iter=n, random_state=0, tol=0.0),
    "regressor": lambda n: MLPRegressor(hidden_layer_sizes=4, max_iter=n, random_state=0, tol=0.0),
    "adaline": lambda n: Adaline(learning_rate_init=0.001, max_iter=n, random_state=0),
    "logistic": lambda n: LogisticRegression(
        solver="sgd", learning_rate_init=0.01, max_iter=n, random_state=0
    ),
}


def coefficients(model):
    return [*getattr(model, "coefs_", [])] or [model.coef_, model.intercept_]


@pytest.mark.filterwarnings("ignore:Stochastic optimizer")
@pytest.mark.parametrize("name", MODELS)
def test_what_was_learnt_is_kept(name):
    X, y = problem()
    with pytest.warns(UserWarning, match=WORDS + "The model has what 3 epochs"):
        model = MODELS[name](50).fit(X, y, callback=interrupt)
    expected = MODELS[name](3).fit(X, y)
    assert model.n_iter_ == len(model.history_) == 3
    for W, other in zip(coefficients(model), coefficients(expected), strict=True):
        np.testing.assert_array_equal(W, other)
    assert model.history_[-1].loss == expected.history_[-1].loss
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    model.predict(X)


def send(after):
    """When the signal is sent, once it has been."""
    sent = []

    def run():
        time.sleep(after)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    return sent, thread


def test_a_long_epoch_stops_within_half_a_second():
    """Some ten seconds of an epoch, of which a part is done."""
    random = np.random.default_rng(0)
    X = random.standard_normal((200_000, 256), dtype=np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = MLPClassifier((512, 512), max_iter=3, random_state=0)
    sent, thread = send(1.5)
    with pytest.warns(UserWarning, match=WORDS):
        model.fit(X, y)
    took = time.monotonic() - sent[0]
    thread.join()
    assert took < 0.5
    assert model.n_iter_ == 0 and model.history_ == [] and 0 < model.t_ < len(X)
    assert model.score(X[:2000], y[:2000]) > 0.8


def test_a_fit_goes_on_after_an_interrupt():
    X, y = problem()
    model = MLPClassifier(4, max_iter=50, random_state=0, tol=0.0, warm_start=True)
    with pytest.warns(UserWarning, match=WORDS):
        model.fit(X, y, callback=interrupt)
    before = model.loss_
    with warnings.catch_warnings(action="ignore"):
        assert model.fit(X, y).loss_ < before


def test_partial_fit_keeps_its_epoch():
    X, y = problem()
    model = MLPClassifier(4, random_state=0).partial_fit(X, y, classes=[0, 1])
    expected = MLPClassifier(4, random_state=0).partial_fit(X, y, classes=[0, 1])
    before = model._validation
    model._validation = lambda *args: signal.raise_signal(signal.SIGINT) or before(*args)
    with pytest.raises(KeyboardInterrupt):  # outside of training all is as it was
        model.partial_fit(X, y)
    for W, other in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(W, other)


def test_early_stopping_keeps_its_best_epoch():
    X, y = problem()
    model = MLPClassifier(4, max_iter=50, early_stopping=True, random_state=0)
    with pytest.warns(UserWarning, match=WORDS):
        model.fit(X, y, callback=interrupt)
    assert len(model.validation_scores_) == 3
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_a_second_interrupt_ends_at_once():
    def impatient(state):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    model = MLPClassifier(4)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*problem(), callback=impatient)
    assert not hasattr(model, "coefs_")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_handler_stays_in_place():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with warnings.catch_warnings(action="ignore"):
            model = MLPClassifier(4, max_iter=5).fit(*problem(), callback=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1] and model.n_iter_ == 5


def test_other_threads_train_without_signals():
    models = []

    def fit():
        with Interrupts() as interrupts:
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            models.append((MLPClassifier(4, max_iter=2).fit(*problem()), interrupts()))

    with warnings.catch_warnings(action="ignore"):
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
    assert models[0][0].n_iter_ == 2 and not models[0][1]
