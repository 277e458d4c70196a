"""The kernel of networks: gradients against differences, bits across threads, activations."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest

from fastsoftmax._neural import Network, Rule

pytestmark = pytest.mark.kernel

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu")
LOSSES = ("cross_entropy", "binary_cross_entropy", "mse", "mae")
RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")


def random_network(sizes, activation="tanh", loss="cross_entropy", dtype=np.float64, seed=0, **how):
    rng = np.random.default_rng(seed)
    network = Network(sizes, [activation] * (len(sizes) - 2), loss, dtype=dtype, **how)
    network.coefs = [rng.normal(size=s) / s[0] ** 0.5 for s in pairwise(sizes)]
    network.intercepts = [rng.normal(size=n) for n in sizes[1:]]
    return network


def random_rows(n, sizes, seed=1):
    rng = np.random.default_rng(seed)
    Y = rng.uniform(size=(n, sizes[-1]))
    return rng.normal(size=(n, sizes[0])), Y, rng.uniform(0.5, 2, n)


@pytest.mark.parametrize("sizes", [(3, 2), (4, 3, 2), (4, 17, 3, 2)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_differences_of_the_loss(sizes, activation, loss):
    network = random_network(sizes, activation, loss)
    X, Y, weights = random_rows(5, sizes)
    if loss == "cross_entropy":
        Y /= Y.sum(axis=1, keepdims=True)
    _, *gradients = network.value_and_grad(X, Y, weights, alpha=0.1)
    for name, gradient in zip(("coefs", "intercepts"), gradients, strict=True):
        parameters = getattr(network, name)
        for layer, g in enumerate(gradient):
            for index in np.ndindex(g.shape):
                values = []
                for step in (1e-6, -1e-6):
                    moved = [p.copy() for p in parameters]
                    moved[layer][index] += step
                    setattr(network, name, moved)
                    values.append(network.value_and_grad(X, Y, weights, alpha=0.1)[0])
                setattr(network, name, parameters)
                assert (values[0] - values[1]) / 2e-6 == pytest.approx(g[index], rel=1e-5, abs=1e-8)


@pytest.mark.usefixtures("whole_teams")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch", [1, 7, 64, 300, 600])
@pytest.mark.parametrize("sizes", [(37, 5), (37, 33, 18, 5)], ids=str)
def test_bits_do_not_depend_on_the_threads(rule, batch, sizes):
    X, _, weights = random_rows(600, sizes)
    labels = np.random.default_rng(2).integers(5, size=600).astype(np.int32)
    order = np.random.default_rng(3).permutation(600)
    results = []
    for n_threads in (1, 2, 3, 8):
        network = random_network(sizes, dtype=np.float32, n_threads=n_threads)
        network.narrow_units = 0
        done = network.epoch(
            X, labels, order, batch, Rule(rule, network, alpha=0.01), 0.01,
            sample_weight=weights, measure="argmax",
        )  # fmt: skip
        assert done.complete
        results.append([done.loss, done.hits, *network.coefs, *network.intercepts])
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(dtype, activation):
    network = Network([1, 1, 1], [activation], "mse", dtype=dtype, negative_slope=0.25)
    one = np.ones((1, 1))
    network.coefs = [one, one]
    sizes = np.geomspace(1e-30, 80, 2000)
    x = np.concatenate([-sizes, [0.0], sizes]).astype(dtype)
    got = network.outputs(x[:, None])[:, 0]
    exact = {
        "identity": lambda x: x,
        "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
        "tanh": mpmath.tanh,
        "relu": lambda x: max(x, 0),
        "leaky_relu": lambda x: x if x > 0 else x / 4,
    }[activation]
    with mpmath.workprec(200):
        wanted = [exact(mpmath.mpf(float(v))) for v in x]
        errors = [
            abs((mpmath.mpf(float(g)) - w) / float(np.spacing(dtype(abs(float(w))))))
            for g, w in zip(got, wanted, strict=True)
        ]
    assert max(errors) <= 2.5
    assert np.isnan(network.outputs(np.full((1, 1), np.nan, dtype))).all()


def test_a_loss_that_is_not_finite_ends_the_epoch_before_its_step():
    network = random_network((3, 2), loss="mse")
    X, Y, _ = random_rows(10, (3, 2))
    alike = random_network((3, 2), loss="mse")
    alike.epoch(X[:4], Y[:4], None, 2, Rule("sgd", alike), 0.1)
    X[5, 1] = np.inf
    done = network.epoch(X, Y, None, 2, Rule("sgd", network), 0.1)
    assert (done.n_steps, done.complete) == (2, False)
    np.testing.assert_array_equal(network.coefs[0], alike.coefs[0])


@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "reversed"])
def test_rows_of_any_type_and_strides(stored, layout):
    X = np.random.default_rng(0).integers(0, 255, size=(40, 21))
    views = {
        "C": X.astype(stored),
        "F": np.asfortranarray(X, dtype=stored),
        "strided": np.repeat(np.repeat(X, 2, axis=0), 3, axis=1).astype(stored)[::2, ::3],
        "reversed": X[::-1, ::-1].astype(stored)[::-1, ::-1],
    }
    network = random_network((21, 6, 3), feature_scale=1 / 255)
    plain = random_network((21, 6, 3))
    np.testing.assert_allclose(network.outputs(views[layout]), plain.outputs(X / 255), rtol=1e-12)
