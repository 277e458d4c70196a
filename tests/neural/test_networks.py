"""Gradients and epochs of the compiled networks, against the oracle and complex step."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import networks
from support import reference_networks as oracle
from support.layouts import STRIDED, strided

pytestmark = pytest.mark.kernel
TOLERANCE = {np.float32: 3e-5, np.float64: 1e-12}  # of an array's largest element


def oracle_gradients(X, Y, coefs, intercepts, activation, loss, **options):
    arrays = networks.wide([X, Y]), networks.wide(coefs), networks.wide(intercepts)
    return oracle.value_and_grad(*arrays[0], *arrays[1:], activation, loss, **options)


def assert_gradients(got, expected, tolerance):
    assert got[0] == pytest.approx(expected[0], rel=tolerance, abs=tolerance)
    for arrays, wanted in zip(got[1:], expected[1:], strict=True):
        assert len(arrays) == len(wanted)
        networks.assert_arrays_near(arrays, wanted, tolerance)


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("loss", networks.LOSSES)
@pytest.mark.parametrize("activation", networks.ACTIVATIONS)
def test_gradients_are_those_of_complex_step(activation, loss, depth):
    sizes = [3, *[17, 1, 5][:depth], 4]
    X, Y = networks.rows(7, 3, 4, loss)
    coefs, intercepts = networks.parameters(sizes)
    n = len(coefs)

    def value(parameters):
        return oracle.penalised_loss(X, Y, parameters[:n], parameters[n:], activation, loss)

    exact = oracle.complex_step(value, [*coefs, *intercepts])
    expected = value([*coefs, *intercepts]), exact[:n], exact[n:]
    assert_gradients(
        oracle.value_and_grad(X, Y, coefs, intercepts, activation, loss), expected, 1e-13
    )
    for dtype, tolerance in TOLERANCE.items():
        arrays = [[a.astype(dtype) for a in list_] for list_ in (coefs, intercepts)]
        network = networks.network(*arrays, activation, loss)
        got = network.value_and_grad(X.astype(dtype), Y.astype(dtype))
        assert got[1][0].dtype == got[2][0].dtype == dtype
        assert_gradients(got, expected, tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sizes_around_vectors_and_tiles(dtype):
    sizes = (1, 3, 17)
    for n, d, h, k in itertools.product(sizes, repeat=4):
        check(dtype, n, (d, h, k), "logistic", "cross_entropy" if k > 1 else "mse")
    for n, d, k in [(2, 15, 11), (5, 16, 12), (33, 31, 13), (64, 32, 24), (129, 8, 7), (300, 7, 8)]:
        check(dtype, n, (d, k), "relu", "cross_entropy")
        check(dtype, n, (d, 2 * k, k), "tanh", "binary_cross_entropy")


@pytest.mark.parametrize("sizes", [(784, 256, 10), (100, 130, 120, 110), (2, 1000), (1000, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wide_layers(sizes, dtype):
    check(dtype, 150, sizes, "relu", "cross_entropy")


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    n=st.integers(1, 70),
    activation=st.sampled_from(networks.ACTIVATIONS),
    loss=st.sampled_from(networks.LOSSES),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_any_shape(sizes, n, activation, loss, dtype, seed):
    check(dtype, n, sizes, activation, loss, seed)


def check(dtype, n, sizes, activation, loss, seed=0):
    X, Y = networks.rows(n, sizes[0], sizes[-1], loss, dtype, seed)
    coefs, intercepts = networks.parameters(sizes, dtype, seed)
    got = networks.network(coefs, intercepts, activation, loss).value_and_grad(X, Y)
    expected = oracle_gradients(X, Y, coefs, intercepts, activation, loss)
    assert_gradients(got, expected, 3 * TOLERANCE[dtype])


def test_activations_a_layer_and_slopes():
    X, Y = networks.rows(9, 5, 3)
    coefs, intercepts = networks.parameters((5, 6, 7, 8, 3))
    names = ["leaky_relu", "tanh", "relu"]
    for slope in (0.1, 0.0, 0.5, 1.0):
        network = networks.network(coefs, intercepts, names, negative_slope=slope)
        expected = oracle_gradients(X, Y, coefs, intercepts, names, "cross_entropy", slope=slope)
        assert_gradients(network.value_and_grad(X, Y), expected, 1e-12)


@pytest.mark.parametrize("loss", networks.LOSSES)
def test_sample_weights(loss):
    X, Y = networks.rows(40, 5, 3, loss)
    coefs, intercepts = networks.parameters((5, 6, 3))
    weights = np.random.default_rng(0).exponential(size=40)
    weights[::3] = 0
    got = networks.network(coefs, intercepts, "tanh", loss).value_and_grad(X, Y, weights)
    expected = oracle_gradients(X, Y, coefs, intercepts, "tanh", loss, weights=weights)
    assert_gradients(got, expected, 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", networks.LOSSES)
def test_labels_mean_their_one_hot_rows(loss, dtype):
    rng = np.random.default_rng(0)
    for k, n in itertools.product((1, 2, 3, 7, 9, 10, 16, 17, 96, 97), (1, 3, 4, 5, 16, 18, 33)):
        X, _ = networks.rows(n, 6, k, dtype=dtype)
        labels = rng.integers(k, size=n).astype(np.int32)
        coefs, intercepts = networks.parameters((6, k), dtype)
        network = networks.network(coefs, intercepts, loss=loss)
        weights = rng.exponential(size=n).astype(dtype)
        weights[1::3] = 0
        for sample_weight in (None, weights):
            got = network.value_and_grad(X, labels, sample_weight)
            expected = oracle_gradients(
                X, np.eye(k)[labels], coefs, intercepts, "relu", loss, weights=sample_weight
            )
            assert_gradients(got, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("kind", ["labels", "one-hot"])
@pytest.mark.parametrize("loss", networks.LOSSES)
@pytest.mark.parametrize("k", [3, 60])
def test_rows_of_no_weight_cost_nothing_whatever_their_outputs(k, loss, kind):
    X, _ = networks.rows(9, 6, k)
    labels = (np.arange(9) % k).astype(np.int32)
    targets = labels if kind == "labels" else np.eye(k)[labels]
    weights = np.arange(9) % 2.0
    network = networks.network(*networks.parameters((6, k)), loss=loss)
    expected = network.value_and_grad(X[1::2], targets[1::2])
    X[::4] = 1e308  # outputs overflow, and may differ in sign
    got = network.value_and_grad(X, targets, weights)
    assert_gradients(got, expected, 1e-13)


def test_soft_targets():
    X, _ = networks.rows(20, 5, 3)
    Y = np.random.default_rng(0).dirichlet([0.5] * 3, size=20)
    coefs, intercepts = networks.parameters((5, 6, 3))
    for loss in ("cross_entropy", "binary_cross_entropy"):
        got = networks.network(coefs, intercepts, "tanh", loss).value_and_grad(X, Y)
        expected = oracle_gradients(X, Y, coefs, intercepts, "tanh", loss)
        assert_gradients(got, expected, 1e-12)


def test_absolute_error_has_no_slope_at_zero():
    network = networks.network([np.ones((1, 2))], [np.zeros(2)], loss="mae")
    value, _, (by_b,) = network.value_and_grad(np.array([[2.0]]), np.array([[2.0, 1.0]]))
    assert value == 1 and by_b.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_confident_outputs_lose_no_digits(loss, dtype):
    for z in (40.0, 80.0, -40.0, -600.0, 1e4):
        coefs = [np.array([[0.0, z]], dtype)]
        network = networks.network(coefs, [np.zeros(2, dtype)], loss=loss)
        X, Y = np.ones((1, 1), dtype), np.array([[0, 1]], dtype)
        value, _, (by_b,) = network.value_and_grad(X, Y)
        small = np.exp(-abs(z))  # too small for float32 beyond 87
        near = pytest.approx(max(-z, 0) + np.log1p(small) + (loss[0] == "b") * np.log(2), rel=1e-6)
        assert value == near
        slope = -small / (1 + small) if z > 0 else -1 / (1 + small)
        tiny = float(np.finfo(dtype).tiny)
        assert by_b[1] == pytest.approx(slope, rel=1e-6, abs=tiny)


@pytest.mark.parametrize("activation", networks.ACTIVATIONS)
@pytest.mark.parametrize("where", ["first", "last"])
def test_nan_stays_nan(activation, where):
    X, Y = networks.rows(5, 3, 2)
    X[2 if where == "first" else 4, 1] = np.nan
    network = networks.network(*networks.parameters((3, 4, 2)), activation)
    assert np.isnan(network.value_and_grad(X, Y)[0])


@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stored_types_and_scale(stored, dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(256, size=(33, 19)).astype(stored)
    _, Y = networks.rows(33, 19, 4, dtype=dtype)
    coefs, intercepts = networks.parameters((19, 6, 4), dtype)
    network = networks.network(coefs, intercepts, "tanh", feature_scale=1 / 255)
    expected = oracle_gradients(
        X.astype(float) / 255, Y, coefs, intercepts, "tanh", "cross_entropy"
    )
    assert_gradients(network.value_and_grad(X, Y), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("layout", STRIDED)
@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
def test_strides(layout, stored):
    X = np.random.default_rng(0).integers(9, size=(33, 19)).astype(stored)
    _, Y = networks.rows(33, 19, 4)
    network = networks.network(*networks.parameters((19, 6, 4)))
    expected = network.value_and_grad(X, Y)
    got = network.value_and_grad(strided(X)[layout], Y)
    assert_same_bits(got, expected)


def assert_same_bits(one, other):
    assert one[0] == other[0]
    for a, b in zip(networks.arrays_of(one), networks.arrays_of(other), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("sizes", [(17, 3), (33, 17, 5), (784, 256, 10)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(sizes, dtype, whole_teams):
    X, Y = networks.rows(300, sizes[0], sizes[-1], dtype=dtype)
    start = networks.parameters(sizes, dtype)
    expected = networks.network(*start, n_threads=1).value_and_grad(X, Y)
    for threads in (2, 3, 8):
        got = networks.network(*start, n_threads=threads).value_and_grad(X, Y)
        assert_same_bits(got, expected)
