"""linear_cross_entropy_value_and_grad as called: threads, untouched arguments, options, errors."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax import linear_cross_entropy
from fastsoftmax import linear_cross_entropy_value_and_grad as value_and_grad
from fastsoftmax._engine.data import DenseData
from fastsoftmax._runtime.threads import team

FLOATS = (np.float32, np.float64)
THREADS = (1, 2, 3, 8)


def problem(n, d, k, dtype=np.float64):
    rng = np.random.default_rng(k)
    X, W, b = (rng.standard_normal(shape).astype(dtype) for shape in ((n, d), (k, d), k))
    return X, W, b, rng.integers(max(k, 2), size=n)


def as_bytes(result):
    loss, grads = result
    return loss.hex(), *(None if g is None else g.tobytes() for g in grads)


@pytest.mark.usefixtures("whole_teams")
@pytest.mark.kernel
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("n", "k", "wrt"),
    [(5000, 10, ("W", "b")), (5000, 10, ("W", "X")), (1500, 100, ("W",)), (1500, 100, ("b", "X"))],
)
def test_threads_and_repetition_change_no_bit(n, k, wrt, dtype):
    X, W, b, y = problem(n, 70, k, dtype)
    assert team(8, X.size * k) > 6
    soft = np.random.default_rng(0).random((len(X), k))
    for target, weights in ((y, None), (soft, np.arange(len(X)) % 5)):
        results = {
            as_bytes(value_and_grad(X, W, b, target, wrt=wrt, sample_weight=weights, n_threads=t))
            for t in (*THREADS, 2)
        }
        assert len(results) == 1


@pytest.mark.usefixtures("whole_teams")
@pytest.mark.kernel
@pytest.mark.parametrize("dtype", FLOATS)
def test_threads_change_no_bit_of_one_logit_logits_and_means(dtype):
    X, W, b, y = problem(30_000, 70, 1, dtype)
    assert team(8, X.size) > 3
    assert len({as_bytes(value_and_grad(X, W, b, y, n_threads=t)) for t in THREADS}) == 1
    assert len({DenseData(X, t).logits(W, b).tobytes() for t in THREADS}) == 1
    weights = (np.arange(len(X)) % 3).astype(dtype)
    assert len({np.stack(DenseData(X, t).moments(weights)).tobytes() for t in THREADS}) == 1


def test_arguments_are_left_alone_and_may_be_read_only():
    X, W, b, y = problem(5, 3, 4)
    named = {"target": y, "sample_weight": np.arange(5.0), "class_weight": np.arange(4.0)}
    before = [array.tobytes() for array in (X, W, b, *named.values())]
    for array in (X, W, b, *named.values()):
        array.flags.writeable = False
    value_and_grad(X, W, b, wrt=("W", "b", "X"), **named)
    soft = np.eye(4)[y]
    soft.flags.writeable = False
    value_and_grad(X, W, b, soft)
    assert before == [array.tobytes() for array in (X, W, b, *named.values())]
    assert (soft == np.eye(4)[y]).all()


def test_lists_and_mixed_dtypes_take_the_precision_of_x():
    _, grads = value_and_grad([[1, 0], [0, 1]], [[1, 2], [3, 4]], [0, 1], [0, 1])
    assert grads.W.dtype == grads.b.dtype == np.float64
    X, W, b, y = problem(5, 3, 4)
    narrow, grads = value_and_grad(X.astype(np.float32), W, b, y, wrt="W")
    assert grads.W.dtype == np.float32 and grads.b is None and grads.X is None
    assert narrow == pytest.approx(linear_cross_entropy(X, W, b, y), rel=1e-5)


def test_one_hot_rows_are_class_indices():
    X, W, b, y = problem(9, 3, 4)
    loss, grads = value_and_grad(X, W, b, y)
    soft_loss, soft_grads = value_and_grad(X, W, b, np.eye(4)[y])
    assert soft_loss == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(soft_grads.W, grads.W, rtol=1e-12, atol=1e-16)


def test_class_weights_are_those_of_the_labels():
    X, W, b, y = problem(9, 3, 4)
    class_weight, s = np.array([1.0, 0, 2, 0.5]), np.arange(1.0, 10)
    actual = value_and_grad(X, W, b, y, sample_weight=s, class_weight=class_weight)
    expected = value_and_grad(X, W, b, y, sample_weight=s * class_weight[y])
    assert actual[0] == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(actual[1].W, expected[1].W, rtol=1e-13)
    soft, _ = value_and_grad(X, W, b, np.eye(4)[y], sample_weight=s, class_weight=class_weight)
    total, weighted = s.sum(), (s * class_weight[y]).sum()
    assert soft * total == pytest.approx(expected[0] * weighted, rel=1e-13)


X, W = np.zeros((2, 3)), np.zeros((4, 3))
SOFT = np.full((2, 4), 0.25)


def of(X=X, W=W, b=None, target=(0, 1), **options):
    return lambda: value_and_grad(X, W, b, target, **options)


ERRORS = {
    "X text": (of([["a"]]), ValueError, "X: expected numbers, got dtype <U1"),
    "W sparse": (of(W=sparse.eye_array(3)), TypeError, "W: expected a dense array, got a sparse"),
    "X 1-d": (of([1.0, 2.0]), ValueError, "X: expected a 2-d array .* Reshape your data"),
    "no rows": (of(X[:0]), ValueError, r"X: found array with 0 sample\(s\)"),
    "no features": (of(X[:, :0]), ValueError, r"X: found array with 0 feature\(s\)"),
    "W columns": (of(W=W[:, :2]), ValueError, "W: expected 3 features as X has, got 2"),
    "W 1-d": (of(W=W[0]), ValueError, "W: expected a 2-d array"),
    "W empty": (of(W=W[:0]), ValueError, "W: found array with 0"),
    "b shape": (of(b=[0.0]), ValueError, r"b: expected shape \(4,\), one intercept per row of W"),
    "label kind": (of(target=[0.0, 1.0]), TypeError, "target: expected integer class indices"),
    "labels": (of(target=[0]), ValueError, r"target: expected shape \(2,\), got \(1,\)"),
    "label high": (of(target=[0, 4]), ValueError, r"indices 0\.\.3, got 4 in row 1"),
    "one logit": (of(W=W[:1], target=[0, 2]), ValueError, r"indices 0\.\.1, got 2 in row 1"),
    "soft logit": (of(W=W[:1], target=[[1], [0]]), ValueError, "target: .* got a 2-d array"),
    "soft shape": (
        of(target=SOFT[:, :3]),
        ValueError,
        r"target: expected shape \(2,\) or \(2, 4\)",
    ),
    "soft low": (
        of(target=-SOFT),
        ValueError,
        r"target: .* of 0\.\..*, got -0\.25 at",
    ),
    "soft NaN": (
        of(target=SOFT * np.nan),
        ValueError,
        r"target: .* of 0\.\..*, got nan",
    ),
    "soft infinite": (of(target=SOFT * np.inf), ValueError, r"target: expected .*, got (nan|inf)"),
    "wrt": (of(wrt=["W", "y"]), ValueError, "wrt: expected some of W, b, X, got 'y'"),
    "weights": (of(sample_weight=[1]), ValueError, r"sample_weight: expected shape \(2,\)"),
    "weight low": (of(sample_weight=[1, -1]), ValueError, "sample_weight: .* 0 or more, got -1"),
    "weight NaN": (of(sample_weight=[1, np.nan]), ValueError, "sample_weight: .* finite numbers"),
    "weightless": (of(sample_weight=[0, 0]), ValueError, "sample_weight: .* positive weight"),
    "class weight": (of(class_weight=[1]), ValueError, r"class_weight: expected shape \(4,\)"),
    "threads": (of(n_threads=0), ValueError, "n_threads: expected an integer >= 1, got 0"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        call()


def test_no_weight_left_is_a_mean_over_nothing():
    loss, _ = value_and_grad(X, W, None, [0, 0], class_weight=[0, 1, 1, 1])
    assert np.isnan(loss)


class Stop(Exception):
    """Ends a call where it asks for memory."""


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("wrt", ["W", "X"])
@pytest.mark.parametrize(
    ("n", "d", "k"),
    [(10**6, 1024, 32000), (10**6, 784, 100), (10**6, 64, 5), (10**5, 20000, 10), (1, 1, 2)],
)
def test_scratch_is_bounded_whatever_the_size(n, d, k, wrt, dtype):
    asked = []

    def workspace(size):
        asked.append(size)
        raise Stop

    def unread(rows):  # contiguous as far as its strides say
        one = np.zeros(1, dtype)
        return np.lib.stride_tricks.as_strided(one, (rows, d), (d * one.itemsize, one.itemsize))

    data, W = DenseData(unread(n), 16), unread(k)
    kernel = data._kernel.value_and_grad
    y, grad_b = np.zeros(n, np.int32), np.zeros(k)
    with pytest.raises(Stop):
        kernel(
            data.X, W, None, y, None, 1.0, W, grad_b, data.X if wrt == "X" else None, workspace, 16
        )
    assert asked[0] <= 64 << 20


def test_counts_are_rows_seen_so_often():
    rng = np.random.default_rng(0)
    X, W, b = rng.standard_normal((6, 4)), rng.standard_normal((3, 4)), rng.standard_normal(3)
    counts = rng.integers(0, 4, (6, 3))
    s, w = rng.random(6), rng.random(3)
    row, label = (np.repeat(a, counts.ravel()) for a in np.indices(counts.shape).reshape(2, -1))
    loss, grads = value_and_grad(X, W, b, counts, sample_weight=s, class_weight=w)
    expected, by = value_and_grad(X[row], W, b, label, sample_weight=s[row], class_weight=w)
    assert loss == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(grads.W, by.W, rtol=1e-12)
    probabilities = value_and_grad(X, W, b, counts.astype(float))[0]
    assert probabilities != pytest.approx(loss)
