"""Displays draw what fits recorded; axes, legends and colours say what it is."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from fastsoftmax import Adaline, LogisticRegression, MLPClassifier, MLPRegressor, SoftmaxRegression
from fastsoftmax._engine.solvers.base import Iteration
from fastsoftmax._neural import Epoch
from fastsoftmax.datasets import load_digits
from fastsoftmax.plotting import (
    ComparisonDisplay,
    ConvergenceDisplay,
    HistoryDisplay,
    WeightsDisplay,
    _style,
)

X, Y = load_digits()
X = X[:300] / 16
Y = Y[:300]
PAIR = Y < 2
EPOCHS = 4


def stop(state):
    return state.n_iter == EPOCHS


@pytest.fixture(scope="module")
def models():
    """A fitted estimator of each kind; networks were given validation rows, or not."""
    return {
        "softmax": SoftmaxRegression().fit(X, Y),
        "two classes": SoftmaxRegression().fit(X[PAIR], Y[PAIR]),
        "adaline": Adaline(max_iter=EPOCHS).fit(X[PAIR], Y[PAIR]),
        "logistic": LogisticRegression(solver="sgd", max_iter=EPOCHS).fit(X[PAIR], Y[PAIR]),
        "validated": MLPClassifier(random_state=0).fit(
            X[:200], Y[:200], validation_data=(X[200:], Y[200:]), callback=stop
        ),
        "deep": MLPClassifier((9, 5), random_state=0).fit(X, Y, callback=stop),
        "regressor": MLPRegressor(hidden_layer_sizes=7, random_state=0).fit(
            X, Y * 1.0, callback=stop
        ),
    }


@pytest.fixture
def ax():
    return Figure().subplots()


KINDS = ("softmax", "two classes", "adaline", "logistic", "validated", "deep", "regressor")


@pytest.mark.parametrize("kind", KINDS)
def test_history_is_drawn_as_recorded(models, kind, ax):
    model = models[kind]
    display = HistoryDisplay.from_estimator(model, ax=ax)
    expected = [getattr(e, "loss", None) or e.objective for e in model.history_]
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), expected)
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), 1 + np.arange(len(expected)))
    assert ax.get_xlabel() == ("iteration" if hasattr(model, "n_passes_") else "epoch")
    assert ax.get_ylabel() == "mean loss per row, nats"
    assert display.ax_ is ax and display.figure_ is ax.figure


def test_validation_rows_are_dashed_and_named(models, ax):
    model = models["validated"]
    display = HistoryDisplay.from_estimator(
        model, metric="accuracy", name="net", subset_names=("training", "test"), ax=ax
    )
    training, test = display.lines_
    np.testing.assert_array_equal(training.get_ydata(), [e.accuracy for e in model.history_])
    validation = [e.validation_accuracy for e in model.history_]
    np.testing.assert_array_equal(test.get_ydata(), validation)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["net, training", "net, test"]
    assert training.get_color() == test.get_color()
    assert training.get_linestyle() != test.get_linestyle()


def test_seconds_of_epochs_add_up_and_those_of_iterations_do_already(models, ax):
    network, linear = models["validated"], models["softmax"]
    line = HistoryDisplay.from_estimator(network, x="seconds", ax=ax).lines_[0]
    np.testing.assert_allclose(line.get_xdata(), np.cumsum([e.seconds for e in network.history_]))
    assert ax.get_xlabel() == "time, s"
    line = HistoryDisplay.from_estimator(linear, x="seconds", ax=Figure().subplots()).lines_[0]
    np.testing.assert_array_equal(line.get_xdata(), [e.seconds for e in linear.history_])


@pytest.mark.parametrize(
    ("kind", "metric"), [("regressor", "score"), ("softmax", "grad_norm"), ("adaline", "accuracy")]
)
def test_other_metrics(models, kind, metric, ax):
    display = HistoryDisplay.from_estimator(models[kind], metric=metric, ax=ax)
    expected = [getattr(e, metric) for e in models[kind].history_]
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), expected)
    assert ax.get_yscale() == ("log" if metric == "grad_norm" else "linear")


def test_comparison_of_linear_models_and_networks(models, ax):
    chosen = {name: models[name] for name in ("softmax", "deep", "adaline")}
    display = ComparisonDisplay.from_estimators(chosen, x="passes", ax=ax)
    assert [line.get_label() for line in display.lines_] == list(chosen)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(chosen)
    for line, model in zip(display.lines_, chosen.values(), strict=True):
        passes = [getattr(e, "n_passes", i) for i, e in enumerate(model.history_, 1)]
        np.testing.assert_array_equal(line.get_xdata(), passes)
    assert len({line.get_color() for line in display.lines_}) == 3
    assert len({line.get_marker() for line in display.lines_}) == 3


def test_comparison_of_validation_rows(models, ax):
    display = ComparisonDisplay.from_histories(
        {"a": models["validated"].history_}, metric="accuracy", subset="validation", ax=ax
    )
    expected = [e.validation_accuracy for e in models["validated"].history_]
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), expected)
    assert ax.get_ylabel() == "validation accuracy, share of rows"
    assert ax.get_legend() is None  # of one curve


def test_many_curves_look_different(ax):
    history = [Epoch(1.0, 0.5, None, None, 0.1), Epoch(0.5, 0.6, None, None, 0.1)]
    display = ComparisonDisplay.from_histories({str(i): history for i in range(20)}, ax=ax)
    styles = {(line.get_color(), str(line._dash_pattern)) for line in display.lines_}
    assert len(styles) == 20


def test_displays_on_the_same_axes_take_different_colours(models, ax):
    first = HistoryDisplay.from_estimator(models["softmax"], name="one", ax=ax)
    second = HistoryDisplay.from_estimator(models["deep"], name="other", ax=ax)
    assert first.lines_[0].get_color() != second.lines_[0].get_color()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["one", "other"]


def test_gap_to_an_optimum(ax):
    values = (4.0, 3.0, 2.5, 2.0)
    history = [Iteration(v, 10.0**-i, 2.0 * i, 0.1 * i) for i, v in enumerate(values)]
    line = ConvergenceDisplay.from_history(history, optimum=2.0, ax=ax).line_
    np.testing.assert_allclose(line.get_ydata(), [1.0, 0.5, 0.25])  # 0 has no place on the scale
    np.testing.assert_array_equal(line.get_xdata(), [0.0, 2.0, 4.0])
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "passes over the rows"
    line = ConvergenceDisplay.from_history(history, y="grad_norm", x="seconds", ax=ax).line_
    np.testing.assert_allclose(line.get_ydata(), [1, 0.1, 0.01, 0.001])
    np.testing.assert_allclose(line.get_xdata(), [0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("kind", KINDS)
def test_gap_of_any_estimator_to_its_least_loss(models, kind, ax):
    model = models[kind]
    values = np.array([e[0] for e in model.history_])
    line = ConvergenceDisplay.from_estimator(model, ax=ax).line_
    gaps = (values - values.min()) / values.min()
    np.testing.assert_allclose(line.get_ydata(), gaps[gaps > 0])


def rows_of(model, layer=0):
    return np.atleast_2d(model.coef_) if hasattr(model, "coef_") else model.coefs_[layer].T


@pytest.mark.parametrize("kind", KINDS)
def test_weights_as_images_on_a_scale_centred_at_0(models, kind, ax):
    W = rows_of(models[kind])
    display = WeightsDisplay.from_estimator(models[kind], ax=ax)
    assert len(display.images_) == len(W)
    for image, row in zip(display.images_, W, strict=True):
        np.testing.assert_array_equal(image.get_array(), row.reshape(8, 8))
        assert image.get_clim() == (-np.abs(W).max(), np.abs(W).max())
    assert display.colorbar_.ax.get_ylabel() == "weight"


def test_images_do_not_overlap(models, ax):
    display = WeightsDisplay.from_estimator(models["validated"], ax=ax)  # 100 units
    places = sorted(tuple(image.get_extent()) for image in display.images_)
    assert len(set(places)) == 100
    for left, right, bottom, top in places:
        others = [p for p in places if p != (left, right, bottom, top)]
        for a, b, c, d in others:
            assert a >= right or b <= left or c >= top or d <= bottom


def test_names_of_classes_and_of_units(models, ax):
    WeightsDisplay.from_estimator(models["softmax"], ax=ax)
    assert [t.get_text() for t in ax.texts] == list("0123456789")
    other = Figure().subplots()
    WeightsDisplay.from_estimator(models["two classes"], ax=other)
    assert [t.get_text() for t in other.texts] == ["1 against 0"]


def test_a_layer_whose_inputs_are_no_image_is_a_heat_map(models, ax):
    display = WeightsDisplay.from_estimator(models["deep"], layer=-1, ax=ax)
    (image,) = display.images_
    np.testing.assert_array_equal(image.get_array(), models["deep"].coefs_[2].T)
    assert [t.get_text() for t in ax.get_yticklabels()] == list("0123456789")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("input", "unit")


def test_shape_and_scale_of_choice(ax):
    W = np.arange(12.0).reshape(2, 6)
    display = WeightsDisplay.from_weights(W, image_shape=(2, 3), halfrange=5, ax=ax)
    np.testing.assert_array_equal(display.images_[1].get_array(), W[1].reshape(2, 3))
    assert display.images_[0].get_clim() == (-5, 5)
    assert WeightsDisplay.from_weights(0 * W, ax=Figure().subplots()).images_[0].get_clim() == (
        -1,
        1,
    )


@pytest.mark.parametrize(
    "draw",
    [
        HistoryDisplay.from_estimator,
        ConvergenceDisplay.from_estimator,
        WeightsDisplay.from_estimator,
        lambda model: ComparisonDisplay.from_estimators({"a": model}),
    ],
)
def test_a_new_figure_where_no_axes_are_given(models, draw):
    from matplotlib import pyplot

    before = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    display = draw(models["softmax"])
    assert display.figure_ is pyplot.gcf()
    pyplot.close(display.figure_)
    pyplot.switch_backend(before)


def test_labels_lie_within_the_figure(models):
    figure, axes = _style.panels(1, 2)
    HistoryDisplay.from_estimator(models["validated"], ax=axes[0, 0])
    WeightsDisplay.from_estimator(models["softmax"], ax=axes[0, 1])
    figure.draw_without_rendering()
    for ax in axes.flat:
        for text in (ax.xaxis.label, ax.yaxis.label, *ax.texts):
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.y0 >= 0
            assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height


ENTRY = [Epoch(1.0, 0.5, None, None, 0.1)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: HistoryDisplay.from_estimator(MLPClassifier()), ValueError, "not fitted"),
        (lambda: HistoryDisplay.from_estimator(3), TypeError, "estimator: expected a fitted"),
        (lambda: HistoryDisplay.from_history([]), ValueError, "history: expected"),
        (lambda: HistoryDisplay.from_history([1.0]), TypeError, "history: expected entries"),
        (lambda: HistoryDisplay.from_history(ENTRY, metric="los"), ValueError, "metric: expected"),
        (
            lambda: HistoryDisplay.from_history(ENTRY, metric="grad_norm"),
            ValueError,
            "metric: this history has no 'grad_norm', expected one of loss, accuracy",
        ),
        (lambda: HistoryDisplay.from_history(ENTRY, x="time"), ValueError, "x: expected one of"),
        (lambda: ComparisonDisplay.from_histories([ENTRY]), TypeError, "histories: expected a map"),
        (
            lambda: ComparisonDisplay.from_histories({"a": ENTRY}, subset="validation"),
            ValueError,
            "no 'validation loss'",
        ),
        (
            lambda: ComparisonDisplay.from_histories({"a": ENTRY}, subset="test"),
            ValueError,
            "subset: expected one of training, validation",
        ),
        (lambda: ConvergenceDisplay.from_history(ENTRY), ValueError, "optimum: expected a value"),
        (
            lambda: ConvergenceDisplay.from_history(ENTRY, optimum="low"),
            ValueError,
            "optimum: expected a finite",
        ),
        (lambda: ConvergenceDisplay.from_history(ENTRY, y="loss"), ValueError, "y: expected one"),
        (lambda: WeightsDisplay.from_weights([1.0, 2.0]), ValueError, "weights: expected numbers"),
        (lambda: WeightsDisplay.from_weights([[np.nan]]), ValueError, "weights: expected finite"),
        (
            lambda: WeightsDisplay.from_weights([[1.0] * 6], image_shape=(2, 2)),
            ValueError,
            r"image_shape: expected .* 6 features, got \(2, 2\)",
        ),
        (lambda: WeightsDisplay.from_weights([[1.0]], names="ab"), TypeError, "names: expected 1"),
        (
            lambda: WeightsDisplay.from_weights([[1.0]], unit=0),
            TypeError,
            "WeightsDisplay: unknown parameter 'unit', expected one of image_shape, names, halfran",
        ),
        (
            lambda: HistoryDisplay.from_history(ENTRY, metrics="loss"),
            TypeError,
            "HistoryDisplay: unknown parameter 'metrics', expected one of metric, x",
        ),
        (
            lambda: ComparisonDisplay.from_histories({"a": ENTRY}, subsets="all"),
            TypeError,
            "ComparisonDisplay: unknown parameter 'subsets', expected one of ",
        ),
        (
            lambda: WeightsDisplay.from_weights([[1.0]], halfrange=0),
            ValueError,
            "halfrange: expected",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_fit_without_iterations_has_weights_but_no_course(models):
    again = SoftmaxRegression(warm_start=True).fit(X, Y)
    again.history_ = []
    assert len(WeightsDisplay.from_estimator(again, ax=Figure().subplots()).images_) == 10
    with pytest.raises(ValueError, match="of one entry or more, got \\[\\]"):
        HistoryDisplay.from_estimator(again)


def test_bad_layer(models):
    with pytest.raises(ValueError, match="layer: expected an integer from 0 to 2, got 3"):
        WeightsDisplay.from_estimator(models["deep"], layer=3)
