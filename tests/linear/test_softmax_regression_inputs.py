"""SoftmaxRegression on data in every form and of every ugliness."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from support.optimum import sum_objective
from threadpoolctl import threadpool_limits

from fastsoftmax import SoftmaxRegression

N, D = 211, 5


@pytest.fixture
def X():
    """Whole numbers 0..40, which every dtype below holds."""
    return np.random.default_rng(0).integers(0, 41, (N, D)).astype(float)


@pytest.fixture
def y(X):
    noise = np.random.default_rng(1).normal(scale=20, size=(N, 3))
    return (X[:, :3] + noise).argmax(axis=1)


def strided(X):
    wide = np.full((3 * N, 2 * D + 1), np.nan)
    wide[::3, 1::2] = X
    return wide[::3, 1::2]


def reverse(X):
    return X[::-1, ::-1].copy()[::-1, ::-1]


def in_a_record(X):
    """Columns of a structured array, whose row step is no multiple of the element."""
    records = np.zeros(len(X), np.dtype([("flag", "u1"), ("x", "f8", (D,))]))
    records["x"] = X
    return records["x"]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def data_frame(X):
    return pytest.importorskip("pandas").DataFrame(X, columns=list("abcde"))


FORMS = {
    "Fortran": np.asfortranarray,
    "strided": strided,
    "reversed": reverse,
    "one column of many": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "record": in_a_record,
    "read-only": read_only,
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "DataFrame": data_frame,
    "matrix of float32": lambda X: np.asfortranarray(X, np.float32),
    **{
        dtype: lambda X, dtype=dtype: X.astype(dtype)
        for dtype in ("float16", "float32", "uint8", "int8", "int16", "uint16", "int32", "int64")
    },
}
IN_FLOAT32 = {"matrix of float32", "float16", "float32", "uint8", "int8", "int16", "uint16"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_form_of_X_does_not_matter(X, y, n_classes, form):
    y = np.minimum(y, n_classes - 1)
    X -= X.mean(axis=0).round() if form == "int8" else 0
    dtype = np.float32 if form in IN_FLOAT32 else np.float64
    plain = X.astype(dtype)
    given = FORMS[form](X)
    expected = SoftmaxRegression(tol=1e-8).fit(plain, y)
    model = SoftmaxRegression(tol=1e-8).fit(given, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    np.testing.assert_array_equal(model.intercept_, expected.intercept_)
    for method in ("decision_function", "predict", "predict_proba", "predict_log_proba"):
        got, right = getattr(model, method)(given), getattr(expected, method)(plain)
        if form in IN_FLOAT32 and "float32" not in form and "proba" in method:
            assert got.dtype == np.float64  # of logits in float32
            np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-6)
            if method == "predict_proba":
                np.testing.assert_allclose(got.sum(axis=1), 1, rtol=1e-15)
            continue
        np.testing.assert_array_equal(got, right)
        if method != "predict":
            assert got.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_of_the_users_is_modified(X, y, dtype, order):
    X, weights = np.array(X, dtype, order=order), np.linspace(0, 2, N, dtype=dtype)
    given = X, y, weights
    copies = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    model = SoftmaxRegression(warm_start=True).fit(X, y, sample_weight=weights)
    first = model.coef_
    first_values = first.copy()
    model.set_params(C=0.01).fit(X, y, sample_weight=weights)
    model.predict_log_proba(X)
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(first, first_values)  # not overwritten by the second fit


def test_labels_and_weights_of_any_form(X, y):
    weights = np.arange(N) % 3 + 1
    expected = SoftmaxRegression().fit(X, y, sample_weight=weights)
    for labels in (y.tolist(), np.repeat(y, 2)[::2], y.astype(">i2"), y.astype(float)):
        for form in (weights.tolist(), np.repeat(weights, 2)[::2], weights.astype(np.uint8)):
            model = SoftmaxRegression().fit(X, labels, sample_weight=form)
            np.testing.assert_array_equal(model.coef_, expected.coef_)
    unweighted = SoftmaxRegression().fit(X, y)
    ones = SoftmaxRegression().fit(X, y, sample_weight=1)
    np.testing.assert_array_equal(ones.coef_, unweighted.coef_)


UGLY = {
    "constant columns": lambda X: np.column_stack([X, np.full((N, 2), [7, -1e3])]),
    "zero columns": lambda X: np.column_stack([np.zeros(N), X, np.zeros(N)]),
    "nothing but zeros": np.zeros_like,
    "nothing but a constant": lambda X: np.full_like(X, 3),
    "columns twice": lambda X: np.column_stack([X, X]),
    "columns opposed": lambda X: np.column_stack([X, -X]),
    "mixed scales": lambda X: X * [1e6, 1e-6, 1, 1e6, 1e-6],
    "far from the origin": lambda X: X + 1e4,
    "more columns than rows": lambda X: np.random.default_rng(0).normal(size=(N, 2 * N)),
    "tiny": lambda X: X * 1e-30,
    "huge": lambda X: X * 1e15,
    "one column": lambda X: X[:, :1],
}


def fitted(X, y, sample_weight=None, **params):
    """The model, its coefficients finite; ConvergenceWarning is the only one a fit may give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SoftmaxRegression(**params).fit(X, y, sample_weight=sample_weight)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert np.isfinite(model.predict_proba(X)).all()
    assert np.isfinite(model.objective_) and np.isfinite(model.grad_norm_)
    return model


@pytest.mark.parametrize("ugliness", UGLY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", [{}, {"C": np.inf}, {"fit_intercept": False}], ids=str)
def test_ugly_data_gives_a_finite_model(X, y, ugliness, dtype, params):
    X = UGLY[ugliness](X).astype(dtype)
    shares = np.bincount(y) / N
    null_model = np.log(3) if "fit_intercept" in params else -(shares * np.log(shares)).sum()
    for codes in (y, y > 0):
        model = fitted(X, codes, max_iter=200, **params)
        if codes is y:  # no worse than a model that does not look at X
            assert model.objective_ <= null_model * (1 + 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", [1e10, np.inf])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_data(n_classes, C, dtype):
    rng = np.random.default_rng(0)
    y = np.arange(150) % n_classes
    X = (rng.normal(size=(150, D)) + 20 * np.eye(n_classes, D)[y]).astype(dtype)
    model = fitted(X, y, C=C)
    assert model.score(X, y) == 1
    assert model.objective_ < 1e-4


@pytest.mark.parametrize(
    ("factor", "dtype"),
    [(1e25, np.float32), (5e36, np.float32), (1e200, np.float64), (1e298, np.float64)],
)
def test_overflowing_features_end_in_one_warning_at_most(X, y, factor, dtype):
    X = (X * factor).astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SoftmaxRegression().fit(X, y)
    assert [warning.category for warning in caught] in ([], [ConvergenceWarning])
    assert model.converged_ is not bool(caught)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_weights_of_any_scale_give_a_finite_model(X, y, scale, dtype):
    fitted(X.astype(dtype), y, sample_weight=np.full(N, scale))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_class_without_weight_is_never_likely(X, y, dtype):
    for codes in (y, y > 0):
        model = fitted(X.astype(dtype), codes, sample_weight=(codes > 0).astype(float))
        assert model.predict_proba(X)[:, 0].max() < 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_rows(X, y, dtype):
    X = X.astype(dtype)
    for labels in ([0, 1], [0, 1, 2], range(50), [0, 0, 1]):
        model = fitted(X[: len(labels)], list(labels))
        assert len(model.classes_) == len(set(labels))


@pytest.mark.parametrize("ugliness", UGLY)
def test_converged_means_close_to_the_optimum(X, y, ugliness):
    X = UGLY[ugliness](X)
    model = fitted(X, y)
    reference = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of singular Hessians
        reference.fit(X, y)
    best = sum_objective(reference, X, y, C=1)
    gap = sum_objective(model, X, y, C=1) / best - 1
    assert gap <= 10 * model.tol or not model.converged_
