"""`SoftmaxRegression.partial_fit`: a pass comes close to the optimum, whatever scale X has."""

import contextlib
import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from support.problems import softmax_rows

from fastsoftmax import LogisticRegression, SoftmaxRegression
from fastsoftmax._runtime.dtypes import BFLOAT16
from fastsoftmax.datasets import load_mnist


def blobs(n=3000, d=8, k=4, seed=0):
    return softmax_rows(n, d, k, seed, mean=1.0)


def stream(X, y, model=None, block=500, classes=None, weights=None):
    model = SoftmaxRegression() if model is None else model
    for start in range(0, X.shape[0], block):
        rows = slice(start, start + block)
        model.partial_fit(
            X[rows],
            y[rows],
            classes=np.unique(y) if classes is None else classes,
            sample_weight=None if weights is None else weights[rows],
        )
    return model


def test_a_pass_over_mnist(data_folder):
    X, y, X_test, y_test = load_mnist(data_folder / "mnist")
    model = stream(X.reshape(len(X), -1), y, block=1000)
    assert model.score(X_test.reshape(len(X_test), -1), y_test) >= 0.91


@pytest.mark.parametrize("k", [2, 4])
def test_comes_close_to_the_optimum(k):
    X, y = blobs(k=k)
    best = SoftmaxRegression().fit(X, y).score(X, y)
    assert stream(X, y).score(X, y) >= best - 0.01


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_scale_of_features_does_not_matter_without_a_penalty(scale):
    X, y = blobs()
    scales = np.where(np.arange(X.shape[1]) % 2, scale, 1.0)
    one = stream(X, y, SoftmaxRegression(C=np.inf))
    other = stream(X * scales, y, SoftmaxRegression(C=np.inf))
    np.testing.assert_allclose(other.coef_ * scales, one.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(other.intercept_, one.intercept_, rtol=1e-5, atol=1e-7)


def test_sparse_rows_are_learnt_as_dense_ones_without_centring():
    """Dense features without an intercept are not centred either; all are non-zero here."""
    X, y = blobs()
    dense = stream(X, y, SoftmaxRegression(fit_intercept=False))
    other = stream(sparse.csr_array(X), y, SoftmaxRegression(fit_intercept=False))
    np.testing.assert_allclose(other.coef_, dense.coef_, rtol=1e-9)


def test_zero_weights_are_no_rows():
    X, y = blobs(480)
    weights = (np.arange(480) // 16 % 2).astype(float)
    kept = weights > 0
    one, other = stream(X, y, block=480, weights=weights), stream(X[kept], y[kept], block=480)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-9)


def test_goes_on_after_fit_and_fit_begins_anew():
    X, y = blobs()
    model = SoftmaxRegression().fit(X, y)
    coef = model.coef_.copy()
    model.partial_fit(X[:16], y[:16])
    assert 0 < np.abs(model.coef_ - coef).max() < 1
    np.testing.assert_array_equal(model.fit(X, y).coef_, coef)


def test_pickled_in_between():
    X, y = blobs()
    one = stream(X[:1000], y[:1000], classes=range(4))
    other = pickle.loads(pickle.dumps(one))
    for model in (one, other):
        stream(X[1000:], y[1000:], model)
    np.testing.assert_array_equal(one.coef_, other.coef_)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, BFLOAT16])
@pytest.mark.parametrize("scale", [None, np.linspace(0.5, 2.0, 64)])
def test_short_numbers_are_converted_a_few_rows_at_a_time(dtype, scale):
    """They teach what the same numbers in float64 do; X is not copied whole."""
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 100, (20_000, 64))
    y = (whole[:, 0] + rng.integers(0, 50, len(whole))) // 50
    X = whole.astype(dtype) if dtype != BFLOAT16 else upper_halves(whole)
    classes = np.unique(y)
    tracemalloc.start()
    model = SoftmaxRegression(feature_scale=scale).partial_fit(X, y, classes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    wide = SoftmaxRegression().partial_fit(whole * (1.0 if scale is None else scale), y, classes)
    np.testing.assert_allclose(model.coef_, wide.coef_, rtol=1e-9, atol=1e-12)
    assert peak < 4 * y.nbytes + X.nbytes / 2


def upper_halves(numbers):
    """Whole numbers below 256, as bfloat16."""
    return (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16)


def test_errors():
    X, y = blobs(100)
    model = SoftmaxRegression()
    with pytest.raises(ValueError, match="classes: expected all labels on the first call"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y: expected labels of \[0, 1\], got .*not there"):
        model.partial_fit(X, y, classes=[0, 1])
    assert not hasattr(model, "coef_")
    model.partial_fit(X, y, classes=range(4))
    with pytest.raises(ValueError, match=r"classes: expected \[0, 1, 2, 3\] as on the first call"):
        model.partial_fit(X, y, classes=range(5))
    with pytest.raises(ValueError, match="X has 7 features, but SoftmaxRegression is expecting 8"):
        model.partial_fit(X[:, :7], y)
    coef = model.coef_.copy()
    bad = X.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3, column 2"):
        model.partial_fit(bad, y)
    np.testing.assert_array_equal(model.coef_, coef)


def test_rows_without_any_entry():
    """More of them than a step takes: as dense zeros."""
    X, y = np.zeros((40, 5)), np.arange(40) % 3
    of_zeros, of_nothing = (
        SoftmaxRegression().partial_fit(given, y, classes=range(3))
        for given in (X, sparse.csr_array(X))
    )
    assert np.array_equal(of_zeros.coef_, of_nothing.coef_)
    assert np.array_equal(of_zeros.intercept_, of_nothing.intercept_)


@pytest.mark.filterwarnings("error")
def test_numbers_beyond_what_the_rule_can_square():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    model = SoftmaxRegression().partial_fit(X, y, classes=range(2))
    for scale in (1e150, 1e250, 1e290):
        with contextlib.suppress(ValueError):
            model.partial_fit(X * scale, y)
        assert np.isfinite(model.coef_).all()
    before = model.coef_.copy()
    with pytest.raises(ValueError, match="X: "):
        model.partial_fit(X * 1e305, y)
    assert np.array_equal(model.coef_, before)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"l1_ratio": 0.5}, r"l1_ratio: expected 0 for partial_fit.*, got 0\.5"),
        ({"l1_ratio": 1, "l1_group": "classes"}, r"l1_ratio: expected 0 for partial_fit"),
        ({"penalty_factor": np.ones(8)}, r"penalty_factor: expected None for partial_fit"),
        ({"standardize": True}, r"standardize: expected False for partial_fit.*, got True"),
        ({"calibrate": 3}, r"calibrate: expected None for partial_fit.*, got 3"),
        ({"class_weight": "balanced"}, r"class_weight: expected None or a dict for partial_fit"),
    ],
    ids=str,
)
def test_what_would_change_the_model_is_refused(params, message):
    X, y = blobs(100)
    model = SoftmaxRegression(**params)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, y, classes=range(4))
    assert not hasattr(model, "coef_")


def test_scikit_learns_spelling_of_l1_is_refused():
    X, y = blobs(100)
    with pytest.raises(ValueError, match=r"l1_ratio: expected 0 for partial_fit.*, got 1"):
        LogisticRegression(penalty="l1").partial_fit(X, y, classes=range(4))


def test_what_has_no_effect_by_the_docstring_has_none():
    X, y = blobs(200)
    plain = SoftmaxRegression().partial_fit(X, y, classes=range(4))
    params = {
        "tol": 1e-2, "max_iter": 1, "solver": "gd", "max_memory": 1, "n_threads": 1,
        "random_state": 5, "warm_start": True, "verbose": True, "l1_group": "classes",
        "standardize": np.False_, "l1_ratio": np.float32(0),
    }  # fmt: skip
    other = SoftmaxRegression(**params).partial_fit(X, y, classes=range(4))
    np.testing.assert_array_equal(other.coef_, plain.coef_)
    np.testing.assert_array_equal(other.intercept_, plain.intercept_)
