"""Estimators are replaced whole: what ends a fit early leaves the old model, in every attribute."""

import copy
import pickle
import sys
import threading
import warnings

import numpy as np
import pytest
from support.estimators import ESTIMATORS, LARGE, SMALL, same, second_data
from support.problems import softmax_rows

from fastsoftmax import (
    Adaline,
    Blocks,
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)
from fastsoftmax._linear import sparse_coefficients
from fastsoftmax._neural import to_sklearn
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning, DataConversionWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*onverge", "ignore:Stochastic optimizer")


class StopError(Exception):
    """Raised by a callback."""


def stop(state):
    raise StopError


WITH_CALLBACK = [name for name in ESTIMATORS if name != "CV"]
UNCONVERGED = {
    "softmax": lambda: SoftmaxRegression(max_iter=1),
    "CV": lambda: SoftmaxRegressionCV(Cs=[1.0], cv=3, max_iter=1),
    "logistic": lambda: LogisticRegression(max_iter=1),
    "classifier": lambda: MLPClassifier(4, max_iter=3),
    "regressor": lambda: MLPRegressor(hidden_layer_sizes=4, max_iter=3),
}


@pytest.mark.parametrize("name", WITH_CALLBACK)
def test_what_a_callback_raises_leaves_the_old_model(name):
    model = ESTIMATORS[name]().fit(*SMALL)
    before = copy.deepcopy(vars(model))
    with pytest.raises(StopError):
        model.fit(*second_data(name), callback=stop)
    assert same(before, vars(model))


@pytest.mark.parametrize("name", UNCONVERGED)
def test_a_warning_raised_as_an_error_leaves_the_old_model(name):
    model = UNCONVERGED[name]().fit(*SMALL)
    before = copy.deepcopy(vars(model))
    with warnings.catch_warnings(action="error"), pytest.raises(ConvergenceWarning):
        model.fit(*LARGE)
    assert same(before, vars(model))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_refit_is_the_fit_of_a_new_estimator(name):
    data = second_data(name)
    refitted, new = ESTIMATORS[name]().fit(*SMALL).fit(*data), ESTIMATORS[name]().fit(*data)
    assert same(vars(refitted), vars(new))
    assert same(vars(pickle.loads(pickle.dumps(refitted))), vars(refitted))


CHANGED = {  # another fit sets fewer attributes, or others
    "neuron": (LogisticRegression(), {"solver": "sgd", "max_iter": 2, "random_state": 0}),
    "uncalibrated": (SoftmaxRegression(calibrate=2), {"calibrate": None}),
    "penalised": (SoftmaxRegression(C=np.inf, reference_class=0), {"C": 1.0}),
    "no refit": (SoftmaxRegressionCV(Cs=[1.0], cv=2), {"refit": False}),
    "folds": (SoftmaxRegressionCV(Cs=[1.0], cv="loo"), {"cv": 2}),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_refit_with_other_parameters_keeps_nothing_of_the_first(name):
    model, changes = CHANGED[name]
    refitted, new = copy.deepcopy(model).fit(X, TWO), copy.deepcopy(model)
    for each in (refitted, new):
        each.set_params(**changes).fit(X, TWO)
    assert same(vars(refitted), vars(new))


def test_parameters_and_attributes_that_a_callback_sets_stay():
    model = SoftmaxRegression()

    def callback(state):
        model.seen = state.n_iter
        model.C = 3.0

    assert model.fit(*LARGE, callback=callback) is model
    assert (model.seen, model.C) == (model.n_iter_, 3.0)


def test_a_diverged_network_has_the_last_finite_weights():
    model = Adaline(learning_rate_init=1e3)
    with pytest.raises(FloatingPointError):
        model.fit(*SMALL)
    assert np.isfinite(model.coef_).all()


class Read:
    """A model that another thread refits while this one reads."""

    def __init__(self, model, read):
        self.results, self.errors, self.done = [], [], threading.Event()
        self.thread = threading.Thread(target=self.loop, args=(model, read))

    def loop(self, model, read):
        while not self.done.is_set():
            try:
                self.results.append(read(model))
            except Exception as error:
                self.errors.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.done.set()
        self.thread.join()


def few_attributes(model):
    return model.classes_, model.coef_, model.intercept_, model.objective_


NETWORK = MLPClassifier(4, max_iter=1, random_state=0)
FLAT = SoftmaxRegression(C=np.inf, reference_class=0)
GROUPED = SoftmaxRegression(l1_ratio=0.5, l1_group="classes")
SEARCHED = LogisticRegressionCV(
    Cs=[1.0], cv=2, l1_ratios=(0,), use_legacy_attributes=False, scoring="neg_log_loss"
)
X, CODES = softmax_rows(40, 3, 4, 5)
TWO = (CODES > 1).astype(int)
REFITTED = {
    "predict": (SoftmaxRegression(), lambda m: m.predict(X)),
    "predict_proba": (SoftmaxRegression(), lambda m: m.predict_proba(X)),
    "predict_log_proba": (SoftmaxRegression(), lambda m: m.predict_log_proba(X)),
    "decision_function": (SoftmaxRegression(), lambda m: m.decision_function(X)),
    "certify": (SoftmaxRegression(), lambda m: m.certify(X, TWO).objective),
    "to_sklearn": (SoftmaxRegression(), lambda m: m.to_sklearn().predict(X)),
    "bic": (FLAT, lambda m: m.bic),
    "summary": (FLAT, lambda m: m.summary()),
    "CV predict": (SoftmaxRegressionCV(Cs=[1.0], cv=2), lambda m: m.predict(X)),
    "CV score": (SoftmaxRegressionCV(Cs=[1.0], cv=2), lambda m: m.score(X, TWO)),
    "leave one out": (SoftmaxRegressionCV(Cs=[1.0], cv="loo"), lambda m: m.predict_proba(X)),
    "logistic CV score": (SEARCHED, lambda m: m.score(X, TWO)),
    "logistic CV certify": (SEARCHED, lambda m: m.certify(X, TWO).objective),
    "calibrated": (SoftmaxRegression(calibrate=2), lambda m: m.predict_proba(X)),
    "groups": (GROUPED, lambda m: m.predict_proba(X)),
    "groups certify": (GROUPED, lambda m: m.certify(X, TWO).objective),
    "copy": (SoftmaxRegression(), lambda m: few_attributes(copy.copy(m))),
    "network predict": (NETWORK, lambda m: m.predict(X)),
    "network predict_proba": (NETWORK, lambda m: m.predict_proba(X)),
    "network score": (NETWORK, lambda m: m.score(X, TWO)),
}


@pytest.fixture
def busy_switching():
    """Threads of Python take turns every few bytecodes."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy_switching")
@pytest.mark.parametrize("name", REFITTED)
def test_threads_read_one_fit_while_another_refits(name):
    """Of two classes and of four: a mixture of two fits is an error, or no result of either."""
    model, read = REFITTED[name]
    model = copy.deepcopy(model)
    allowed = [read(model.fit(X, y)) for y in (TWO, CODES)]
    with Read(model, read) as reader:
        while len(reader.results) + len(reader.errors) < 10:
            model.fit(X, TWO)
            model.fit(X, CODES)
    assert not reader.errors
    assert all(any(same(result, each) for each in allowed) for result in reader.results)


class Meanwhile:
    """Rows that refit a model while they are converted."""

    def __init__(self, model):
        self.model, self.shape, self.ndim = model, X.shape, 2

    def __len__(self):
        return len(X)

    def __array__(self, dtype=None, copy=None):
        self.model.fit(X, CODES)
        return X.astype(dtype or X.dtype)


READ = {
    name: (model, getattr(type(model), method), more)
    for name, model, method, *more in (
        ("predict", SoftmaxRegression(), "predict"),
        ("predict_proba", SoftmaxRegression(), "predict_proba"),
        ("predict_log_proba", SoftmaxRegression(), "predict_log_proba"),
        ("decision_function", SoftmaxRegression(), "decision_function"),
        ("predict_topk", SoftmaxRegression(), "predict_topk", 2),
        ("score", SoftmaxRegression(), "score", TWO),
        ("certify", SoftmaxRegression(), "certify", TWO),
        ("CV score", SEARCHED, "score", TWO),
        ("network predict", NETWORK, "predict"),
        ("network predict_proba", NETWORK, "predict_proba"),
        ("network predict_log_proba", NETWORK, "predict_log_proba"),
        ("network decision_function", NETWORK, "decision_function"),
        ("network predict_topk", NETWORK, "predict_topk", 2),
        ("network score", NETWORK, "score", TWO),
    )
}


@pytest.mark.parametrize("name", READ)
def test_a_method_reads_the_fit_at_its_start(name):
    model, method, more = READ[name]
    model = copy.deepcopy(model)
    expected = method(model.fit(X, TWO), X, *more)
    assert same(method(model, Meanwhile(model), *more), expected)
    assert len(model.classes_) == 4
    with pytest.raises(AssertionError):
        assert same(method(model, X, *more), expected)


@pytest.mark.parametrize("method", ["score", "predict", "predict_topk"])
def test_all_blocks_are_of_the_fit_at_the_start(method):
    model = SoftmaxRegression().fit(X, TWO)

    def blocks(between):
        yield X[:20], TWO[:20]
        between()
        yield X[20:], TWO[20:]

    more = (2,) if method == "predict_topk" else ()
    expected = getattr(model, method)(Blocks(lambda: blocks(lambda: None)), *more)
    refitted = Blocks(lambda: blocks(lambda: model.fit(X, CODES)))
    assert same(getattr(model, method)(refitted, *more), expected)
    assert len(model.classes_) == 4


def refitting(model, call):
    """The call, once another thread has refitted the model to four classes."""

    def refit(*args, **kwargs):
        model.fit(X, CODES)
        return call(*args, **kwargs)

    return refit


def test_a_network_is_converted_as_it_was_at_the_start(monkeypatch):
    pytest.importorskip("sklearn")
    model = copy.deepcopy(NETWORK).fit(X, TWO)
    expected = model.to_sklearn()
    call = refitting(model, to_sklearn.multilayer_perceptron)
    monkeypatch.setattr(to_sklearn, "multilayer_perceptron", call)
    found = model.to_sklearn()
    assert found.loss_curve_ == expected.loss_curve_ != model.loss_curve_
    assert np.array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_coefficients_stay_with_the_labels_of_their_fit(monkeypatch):
    model = LogisticRegression().fit(X, TWO)
    call = refitting(model, sparse_coefficients.dense)
    monkeypatch.setattr(sparse_coefficients, "dense", call)
    assert model.densify() is model
    assert (len(model.classes_), model.coef_.shape) == (2, (1, 3))


@pytest.mark.parametrize("name", UNCONVERGED)
def test_warnings_point_to_the_line_that_fits(name):
    with pytest.warns(ConvergenceWarning) as caught:
        UNCONVERGED[name]().fit(*LARGE)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_warnings_of_a_column_point_to_the_line_that_fits(name):
    x, y = SMALL
    with pytest.warns(DataConversionWarning) as caught:
        ESTIMATORS[name]().fit(x, y[:, None])
    assert {warning.filename for warning in caught} == {__file__}
