"""Every error about input names the argument, what was expected and what came."""

import copy
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastsoftmax import (
    Blocks,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    SoftmaxRegression,
    SoftmaxRegressionCV,
)
from fastsoftmax._runtime.collections import is_collection
from fastsoftmax._runtime.dtypes import BFLOAT16, as_numpy
from fastsoftmax._validation import check

N = 30
HUGE = 10**400
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
    "continuous": (y + 0.5, ValueError, r"y: .* class labels, got .* values such as 0\.5 in row 0"),
    "NaN": (np.where(y == 1, np.nan, y), ValueError, r"y: expected labels, got nan in row \d+ "),
    "infinity": (
        np.where(y == 1, np.inf, y),
        ValueError,
        r"y: expected labels, got inf in row \d+ ",
    ),
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


BEYOND_FLOAT64 = {
    "C": lambda huge: SoftmaxRegression(C=huge).fit(X, y),
    "X": lambda huge: SoftmaxRegression().fit([[huge] * 4] * N, y),
    "X of predict": lambda huge: fitted().predict([[huge] * 4]),
    "sample_weight": lambda huge: SoftmaxRegression().fit(X, y, [huge] * N),
    "offset": lambda huge: SoftmaxRegression().fit(X, y, offset=[[huge] * 3] * N),
    "y": lambda huge: SoftmaxRegression().fit(X, [[huge, 1, 2]] * N),
    r"class_weight\[0\]": lambda huge: SoftmaxRegression(class_weight={0: huge}).fit(X, y),
    "Cs": lambda huge: SoftmaxRegressionCV([huge]).fit(X, y),
    "fold_tol": lambda huge: SoftmaxRegressionCV(fold_tol=huge).fit(X, y),
}


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("case", BEYOND_FLOAT64)
def test_integers_beyond_float64(case, digits):
    """Those of more digits than Python prints, too."""
    name = case.partition(" ")[0]
    with pytest.raises(
        ValueError, match=f"^{name}: expected .* that float64 can hold, got .{{1,90}}$"
    ):
        BEYOND_FLOAT64[case](10**digits)


def test_numbers_of_other_kinds():
    model = SoftmaxRegression(C=Fraction(1, 2), tol=Fraction(1, 10**6)).fit(X, y)
    np.testing.assert_array_equal(model.coef_, fitted(C=0.5).coef_)


MASKED = np.ma.masked_array(X, np.arange(4 * N).reshape(N, 4) == 9)


def test_masked_elements():
    """What is below a mask is no data: it is not read silently."""
    message = "got a masked element in row 2, column 1"
    assert_refused(ValueError, f"X: expected numbers, {message}", X=MASKED)
    with pytest.raises(ValueError, match=message):
        fitted().predict(MASKED)
    weights = np.ma.masked_array(np.ones(N), np.arange(N) == 7)
    message = "sample_weight: expected numbers, got a masked element at index 7"
    assert_refused(ValueError, message, sample_weight=weights)
    unmasked = np.ma.masked_array(X, np.zeros_like(X, bool))
    np.testing.assert_array_equal(SoftmaxRegression().fit(unmasked, y).coef_, fitted().coef_)


def test_missing_numbers_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X).astype("Float64")
    frame.iloc[3, 1] = pandas.NA
    with pytest.raises(ValueError, match="X: expected finite numbers, got <NA> in row 3, column 1"):
        SoftmaxRegression().fit(frame.to_numpy(), y)


@pytest.mark.parametrize("given", [{1, 2}, (x for x in X)], ids=["set", "generator"])
def test_what_is_no_array(given):
    for call in (fitted().predict, lambda X: MLPClassifier(3).fit(X, y)):
        with pytest.raises(TypeError, match="X: expected an array of numbers, got a "):
            call(given)
    with pytest.raises(TypeError, match="X: expected an array of numbers, got a Blocks"):
        MLPClassifier(3).fit(Blocks([(X, y)]), y)


def test_offsets_that_make_no_numbers():
    for dtype, size in ((np.float32, 1e35), (np.float64, 1e305)):
        with pytest.raises(ValueError, match=r"offset: expected numbers of -1e\+30.*, got 1e\+3"):
            SoftmaxRegression().fit(X.astype(dtype), y > 0, offset=np.full(N, size))


def test_callback():
    with pytest.raises(
        TypeError, match="callback: expected a function of the state or None, got 3"
    ):
        SoftmaxRegression().fit(X, y, callback=3)


BAD_WEIGHTS = {
    "negative": (-np.eye(N)[5], ValueError, r"expected 0 or more, got -1\.0 in row 5"),
    "NaN": (np.where(y == 1, np.nan, 1), ValueError, "expected finite numbers, got nan in row"),
    "infinite": (np.full(N, np.inf), ValueError, "expected finite numbers, got inf in row 0"),
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


NETWORK = MLPClassifier(3, max_iter=1).partial_fit(X, y, range(3))


@pytest.mark.parametrize("size", [1e-315, 5e-324, 1e308])
def test_weights_whose_mean_or_sum_is_beyond_float64(size):
    """By rows or by classes, in whatever estimator: the argument is named, not the features."""
    given, of = np.full(N, size), "weights of rows whose (mean is at least 2.2e-308|sum is finite)"
    for name, call in {
        "sample_weight": lambda: SoftmaxRegression().fit(X, y, given),
        "sample_weight ": lambda: SoftmaxRegression(C=np.inf).fit(Blocks([(X, y, given)])),
        "sample_weight  ": lambda: SoftmaxRegression().partial_fit(X, y, range(3), given),
        "sample_weight   ": lambda: MLPRegressor(hidden_layer_sizes=3).fit(X, y, given),
        "sample_weight    ": lambda: NETWORK.score(X, y, given),
        "class_weight": lambda: LogisticRegression(class_weight=dict.fromkeys(y, size)).fit(X, y),
        "class_weight ": lambda: SoftmaxRegressionCV(class_weight=dict.fromkeys(y, size)).fit(X, y),
        "class_weight  ": lambda: SoftmaxRegression(
            class_weight=dict.fromkeys(y, size)
        ).partial_fit(X, y, range(3)),
        "y": lambda: SoftmaxRegression().fit(X, np.eye(3)[y] * size, target="counts"),
    }.items():
        with pytest.raises(ValueError, match=f"^{name.strip()}: expected {of}"):
            call()


def test_one_class_of_too_much_weight():
    assert_refused(ValueError, "class_weight: .* a sum > 1.8e\\+308", class_weight={0: 1e308})


def test_weights_that_float32_cannot_hold():
    for size in (1e-60, 1e60):
        with pytest.raises(ValueError, match="sample_weight: expected weights of rows whose"):
            MLPClassifier(3).fit(X.astype(np.float32), y, np.full(N, size))


def test_strength_of_which_the_penalty_is_no_number():
    for model in (
        SoftmaxRegression(C=1e-310),
        LogisticRegression(C=1e-310, l1_ratio=0.5),
        SoftmaxRegressionCV([1e-310, 1]),
    ):
        with pytest.raises(ValueError, match=r"C: expected a number of which 1 / \(C \* sum"):
            model.fit(X, y)
    with pytest.raises(ValueError, match=r"C: .* got 1e-300 and a sum of 3e-19"):
        SoftmaxRegression(C=1e-300).fit(X, y, np.full(N, 1e-20))
    with pytest.raises(ValueError, match=r"C: .* got 1e-310 and a sum of 30"):
        SoftmaxRegression(C=1e-310).partial_fit(X, y, range(3))


BAD_PARAMETERS = [
    *(("C", value, ValueError, f"> 0, got {value}") for value in (0, -1, np.nan, -np.inf)),
    *(("C", value, TypeError, f"> 0, got {value!r}") for value in ("1", True, None)),
    *(("tol", value, ValueError, f">= 0, got {value}") for value in (-1, -1e-300, np.nan)),
    ("tol", "small", TypeError, ">= 0, got 'small'"),
    ("max_iter", -1, ValueError, "an integer >= 0, got -1"),
    *(("max_iter", value, TypeError, "an integer >= 0") for value in (1.5, True, "9", None)),
    *(("n_threads", value, ValueError, "an integer >= 1") for value in (0, -1)),
    *(("n_threads", value, TypeError, "an integer >= 1") for value in (2.5, "2", True)),
]


FLAGS = ("fit_intercept", "standardize", "warm_start", "verbose")
BAD_PARAMETERS += [
    *(
        (name, value, TypeError, "True or False, got ")
        for name in FLAGS
        for value in ("no", None, [True, False])
    ),
    ("max_memory", 2**63, ValueError, "an integer <= 9223372036854775807, got"),
    ("n_threads", 10**6, ValueError, "an integer <= 4096, got 1000000"),
    *(
        (name, HUGE, ValueError, "a number .* that float64 can hold, got 1000000000000000.*…0+$")
        for name in ("C", "tol", "l1_ratio")
    ),
    ("C", -HUGE, ValueError, "a number .* that float64 can hold, got -1000000000000000.*…0+$"),
    ("feature_scale", HUGE, ValueError, "numbers that float64 can hold, got 100"),
    ("penalty_factor", [1, HUGE, 1, 1], ValueError, "numbers that .*, got 10+…0+ at index 1$"),
    ("label_smoothing", HUGE, ValueError, "a number >= 0 and < 1, got 10+…0+$"),
    ("reference_class", np.arange(3), ValueError, r"one of the classes .* got array\(\[0"),
    ("reference_class", [0], ValueError, r"one of the classes .* got \[0\]"),
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


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16])
def test_of_16_bits_every_number_is_known_to_be_finite_or_not(dtype):
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    finite = np.isfinite(as_numpy(every))
    for X in (every[finite][:, None], every[finite].reshape(2, -1).T[::-3]):
        assert check.is_finite(X)
        check.require_finite(X)
    for number in every[~finite]:
        X = np.zeros((2, 3), dtype)
        X[1, 2] = number
        assert not check.is_finite(X)
        with pytest.raises(ValueError, match=r"X: expected finite numbers, .* row 1, column 2"):
            check.require_finite(X)


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


def test_a_sum_that_overflows_is_no_number_that_does():
    with np.errstate(over="ignore"):
        check.finite_model(np.full(4, 3e38, np.float32), np.array([1.0]))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="numbers so large that its sums overflow"):
            check.finite_model(np.ones(3), np.array([1.0, bad]))


def test_what_is_computed_later_is_no_array():
    """An object with a graph, as Dask's are; without one it is here, and a class is none."""

    class Later:
        graph = ()

        def __dask_graph__(self):
            return self.graph

    with pytest.raises(TypeError, match="X: expected an array, got a collection of Dask's"):
        MLPClassifier().fit(Later(), y)
    assert not is_collection(Later)
    Later.graph = None
    assert not is_collection(Later())
