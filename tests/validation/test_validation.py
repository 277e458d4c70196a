"""Every error about input names the argument, what was expected and what came."""

import copy

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastsoftmax import SoftmaxRegression
from fastsoftmax._validation import numbers as check

N = 30
X = np.random.default_rng(0).normal(size=(N, 4))
y = np.arange(N) % 3


def fitted(**params):
    return SoftmaxRegression(**params).fit(X, y)


def assert_refused(error, message, X=X, y=y, sample_weight=None, **params):
    """Neither a new estimator nor a fitted one is changed by the fit that fails."""
    for model in (SoftmaxRegression(**params), fitted().set_params(**params)):
        before = copy.deepcopy(vars(model))
        with pytest.raises(error, match=message) as caught:
            model.fit(X, y, sample_weight=sample_weight)
        assert caught.type is error
        np.testing.assert_equal(vars(model), before)


RESHAPE = r" Reshape your data: X\.reshape\(-1, 1\) for one feature"
BAD_X = {
    "no array": (3.0, ValueError, r"X: expected a 2-d array .* got 0-d of shape \(\)"),
    "none": (None, ValueError, "X: expected"),
    "1-d": (X[:, 0], ValueError, r"X: expected a 2-d array .* 1-d of shape \(30,\)\." + RESHAPE),
    "3-d": (X[None], ValueError, r"X: expected a 2-d array .* 3-d of shape \(1, 30, 4\)$"),
    "no columns": (X[:, :0], ValueError, r"X: found array with 0 feature\(s\) \(shape=\(30, 0\)\)"),
    "strings": (X.astype(str), ValueError, "X: expected numbers, got dtype <U32"),
    "times": (X.astype("M8[s]"), ValueError, "X: expected numbers, got dtype datetime64"),
    "words": (
        np.array([["a", 1]] * N, object),
        ValueError,
        "X: expected numbers, got objects: .*a",
    ),
    "dicts": (
        np.array([[{}, 1]] * N, object),
        TypeError,
        "X: expected numbers, got objects: .*dict",
    ),
    "holes": (np.array([[None, 1, 2, 3]] * N, object), ValueError, "X: .* nan in row 0, column 0"),
    "complex": (X + 1j, ValueError, "X: expected real numbers, got complex128"),
    "ragged": (
        [[1, 2], [3]] * 15,
        ValueError,
        "X: expected an array of numbers, got .*inhomogeneous",
    ),
}


@pytest.mark.parametrize("case", BAD_X)
def test_X(case):
    given, error, message = BAD_X[case]
    assert_refused(error, message, X=given)
    with pytest.raises(error, match=message if case != "no columns" else "X: "):
        fitted().predict(given)


def test_X_without_rows():
    message = r"X: found array with 0 sample\(s\) \(shape=\(0, 4\)\)"
    assert_refused(ValueError, message, X=X[:0], y=y[:0])
    with pytest.raises(ValueError, match=message):
        fitted().predict(X[:0])


def test_objects_that_are_numbers_are_accepted():
    model = SoftmaxRegression().fit(X.astype(object), y)
    np.testing.assert_array_equal(model.coef_, fitted().coef_)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_first_cell_that_is_not_finite(dtype, order, value):
    bad = np.array(X, dtype, order=order)
    bad[7, 2] = value
    bad[9, 0] = np.nan
    message = f"X: expected finite numbers, got {value} in row 7, column 2 "
    assert_refused(ValueError, message, X=bad)
    assert_refused(ValueError, message, X=bad, fit_intercept=False)
    weightless = (np.arange(N) != 7) * (np.arange(N) != 9)
    assert_refused(ValueError, message, X=bad, sample_weight=weightless)
    null_model = fitted()
    null_model.coef_[:] = 0
    for model in (fitted(), null_model, SoftmaxRegression().fit(X, y > 0)):
        for method in ("decision_function", "predict", "predict_proba", "predict_log_proba"):
            with pytest.raises(ValueError, match=message):
                getattr(model, method)(bad)


def test_infinities_that_cancel():
    bad = X.copy()
    bad[11:13, 3] = np.inf, -np.inf
    assert_refused(ValueError, "got inf in row 11, column 3", X=bad)
    with pytest.raises(ValueError, match="got inf in row 11, column 3"):
        fitted().predict(bad)


def test_cell_beyond_the_first_block_of_rows():
    rows = 1 << 19
    big = np.zeros((rows, 3), np.float32)
    big[-1, 1] = np.nan
    with pytest.raises(ValueError, match=f"got nan in row {rows - 1}, column 1"):
        check.require_finite(big)


def test_predict_wants_the_features_of_fit():
    model = fitted()
    for method in ("decision_function", "predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match=r"4 features.* 2 features|2 features.* 4 features"):
            getattr(model, method)(X[:, :2])
    with pytest.raises(ValueError, match=r"4 features.* 2 features|2 features.* 4 features"):
        model.score(X[:, :2], y)


@pytest.mark.parametrize(
    "method", ["decision_function", "predict", "predict_proba", "predict_log_proba"]
)
def test_before_fit(method):
    with pytest.raises(NotFittedError, match="SoftmaxRegression instance is not fitted yet"):
        getattr(SoftmaxRegression(), method)(X)


BAD_Y = {
    "too short": (y[:-1], ValueError, "y: expected 30 labels, one per row of X, got 29"),
    "one class": (np.full(N, 7), ValueError, "y: expected at least 2 classes, got 1 class: .*7"),
    "continuous": (y + 0.5, ValueError, r"y: expected class labels, got .* values such as 0\.5"),
    "NaN": (np.where(y == 1, np.nan, y), ValueError, "y: expected labels, got NaN or infinity"),
    "infinity": (np.where(y == 1, np.inf, y), ValueError, "y: expected labels, got NaN"),
    "3-d": (
        np.eye(3)[y][None],
        ValueError,
        r"y: expected labels of shape \(30,\), got shape \(1, ",
    ),
    "0-d": (1, ValueError, r"y: expected labels of shape \(30,\), got shape \(\)"),
    "none": (None, ValueError, "y: expected|y should be a 1d array"),
    "mixture": (
        np.array([1, "a", 2] * 10, object),
        ValueError,
        "y: expected labels that can be ordered, got a mixture: .*'str' and 'int'",
    ),
    "holes": (
        np.array([None, 1, 2] * 10, object),
        ValueError,
        "y: expected labels, got None in row 0",
    ),
    "NaN objects": (np.array([np.nan, 1.0, 2.0] * 10, object), ValueError, "y: expected .*NaN"),
    "continuous objects": (np.array([0.5, 1, 2] * 10, object), ValueError, "y: .*continuous"),
    "times": (y.astype("M8[s]"), ValueError, "y: expected integer, .*labels, got dtype datetime64"),
    "complex": (y + 0j, ValueError, "y: expected integer, .*labels, got dtype complex128"),
    "sparse": (sparse.csr_matrix(y), ValueError, r"y: expected counts .*, got shape \(1, 30\)"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_y(case):
    given, error, message = BAD_Y[case]
    assert_refused(error, message, y=given)


def test_whole_floats_are_labels():
    model = SoftmaxRegression().fit(X, 2.0 * y)
    assert model.classes_.tolist() == [0, 2, 4]


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_a_column_of_labels_is_accepted():
    np.testing.assert_array_equal(SoftmaxRegression().fit(X, y[:, None]).coef_, fitted().coef_)


BAD_WEIGHTS = {
    "negative": (-np.eye(N)[5], ValueError, r"expected 0 or more, got -1\.0 (at index|in row) 5"),
    "NaN": (np.where(y == 1, np.nan, 1), ValueError, "expected finite numbers, got NaN"),
    "infinite": (np.full(N, np.inf), ValueError, "expected finite numbers, got NaN or infinity"),
    "zeros": (np.zeros(N), ValueError, "expected a positive weight, got zeros only"),
    "zero": (0, ValueError, "expected a positive weight, got zeros only"),
    "too short": (np.ones(N - 1), ValueError, r"expected shape \(30,\).* got \(29,\)"),
    "2-d": (np.ones((N, 1)), ValueError, r"expected shape \(30,\).* got \(30, 1\)"),
    "strings": (["1"] * N, ValueError, "expected numbers, got dtype <U1"),
    "complex": (np.ones(N) + 0j, ValueError, "expected real numbers, got complex128"),
    "sparse": (sparse.csr_matrix(np.ones(N)), TypeError, "got a sparse csr_matrix"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_sample_weight(case):
    given, error, message = BAD_WEIGHTS[case]
    assert_refused(error, f"sample_weight: .*{message}", sample_weight=given)


BAD_PARAMETERS = [
    *(("C", value, ValueError, f"> 0, got {value}") for value in (0, -1, np.nan, -np.inf)),
    *(("C", value, TypeError, f"> 0, got {value!r}") for value in ("1", True, None)),
    *(("tol", value, ValueError, f">= 0, got {value}") for value in (-1, -1e-300, np.nan)),
    ("tol", "small", TypeError, ">= 0, got 'small'"),
    ("max_iter", 0, ValueError, "an integer >= 1, got 0"),
    *(("max_iter", value, TypeError, "an integer >= 1") for value in (1.5, True, "9", None)),
    *(("n_threads", value, ValueError, "an integer >= 1") for value in (0, -1)),
    *(("n_threads", value, TypeError, "an integer >= 1") for value in (2.5, "2", True)),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), BAD_PARAMETERS)
def test_parameters(name, value, error, message):
    assert_refused(error, f"^{name}: expected .*{message}", **{name: value})


def test_n_threads_of_predict():
    model = fitted().set_params(n_threads=0)
    with pytest.raises(ValueError, match="n_threads: expected an integer >= 1, got 0"):
        model.predict(X)


def test_parameters_of_numpy_are_numbers():
    params = {"C": np.float32(1), "tol": np.float64(1e-6), "max_iter": np.int16(1000)}
    model = fitted(**params, n_threads=np.uint8(1))
    np.testing.assert_array_equal(model.coef_, fitted().coef_)


@pytest.mark.parametrize(
    ("ndim", "value", "indices"),
    [
        (1, -1, (0,)),
        (3, np.int8(1), (1,)),
        (3, (2, -3), (0, 2)),
        (3, (), ()),
        (2, None, (0, 1)),
        (0, -1, ()),
    ],
)
def test_axes(ndim, value, indices):
    assert check.axes(value, ndim) == indices


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (2, ValueError, r"axis: expected -2\.\.1, got 2"),
        (-3, ValueError, r"axis: expected -2\.\.1, got -3"),
        ((0, -2), ValueError, r"axis: expected each axis once, got \(0, -2\)"),
        (1.0, TypeError, r"axis: expected an integer, a tuple of them or None, got 1\.0"),
        (True, TypeError, "axis: expected an integer, .* got True"),
    ],
)
def test_axes_out_of_range(value, error, message):
    with pytest.raises(error, match=message):
        check.axes(value, 2)


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_keep_their_dtype_and_integers_become_float64(order):
    for given, computed, result in (
        ("f2", np.float32, np.float16),
        ("f4", np.float32, np.float32),
        ("f8", np.float64, np.float64),
        ("i2", np.float64, np.float64),
        ("u1", np.float64, np.float64),
        ("?", np.float64, np.float64),
    ):
        x, dtype = check.floating(np.ones(3, given).astype(order + given), "x")
        assert (x.dtype, dtype) == (computed, result)


def test_class_indices():
    np.testing.assert_array_equal(check.class_indices([2, 0], 2, 3), [2, 0])
    for target, error, message in (
        ([0.0, 1.0], TypeError, "target: expected integer class indices, got dtype float64"),
        ([0], ValueError, r"target: expected shape \(2,\), got \(1,\)"),
        ([0, 3], ValueError, r"target: expected indices 0\.\.2, got 3 in row 1"),
        ([-1, 0], ValueError, r"target: expected indices 0\.\.2, got -1 in row 0"),
    ):
        with pytest.raises(error, match=message):
            check.class_indices(target, 2, 3)
