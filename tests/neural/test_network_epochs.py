"""Whole epochs by every rule, against the oracle and PyTorch's optimizers."""

import itertools

import numpy as np
import pytest
from support import networks
from support import reference_networks as oracle
from support.layouts import strided

from fastsoftmax._neural import Rule

RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}
SIZES = (6, 9, 4)


def trained(rule, dtype=np.float64, *, n=40, batch_size=8, epochs=1, alpha=0.0, order=None, **how):
    """(network, its losses, the oracle's parameters and losses) after some epochs."""
    X, Y = networks.rows(n, SIZES[0], SIZES[-1], dtype=dtype)
    coefs, intercepts = networks.parameters(SIZES, dtype)
    network = networks.network(coefs, intercepts, "tanh")
    exact = networks.wide(coefs), networks.wide(intercepts)
    own = Rule(rule, network, alpha=alpha)
    state = oracle.Rule(rule, decay=alpha)
    losses, expected = [], []
    for _ in range(epochs):
        done = networks.epoch(
            network, X, Y, rule=own, batch_size=batch_size, order=order, rate=0.02, **how
        )
        assert done.complete
        losses.append(done.loss)
        expected.append(
            oracle.epoch(
                *networks.wide([X, Y]), *exact, "tanh", "cross_entropy", rule=state, rate=0.02,
                order=np.arange(n) if order is None else order, batch_size=batch_size, alpha=alpha,
                weights=how.get("sample_weight"),
            )
        )  # fmt: skip
    return network, losses, exact, expected


def assert_trained_alike(network, losses, exact, expected, tolerance):
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    networks.assert_arrays_near(network.coefs, exact[0], tolerance)
    networks.assert_arrays_near(network.intercepts, exact[1], tolerance)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("rule", RULES)
def test_first_five_steps(rule, alpha, dtype):
    assert_trained_alike(*trained(rule, dtype, alpha=alpha), TOLERANCE[dtype])


@pytest.mark.kernel
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("n", "batch_size"),
    [(40, 1), (41, 8), (9, 8), (40, 40), (37, 36), (1, 1), (700, 300), (530, 530)],
)
def test_epochs_with_a_short_last_batch(rule, n, batch_size):
    result = trained(rule, n=n, batch_size=batch_size, epochs=3, alpha=0.1)
    assert_trained_alike(*result, 1e-10)


@pytest.mark.kernel
def test_order_of_the_rows():
    order = np.random.default_rng(0).permutation(40)
    assert_trained_alike(*trained("sgd", order=order), 1e-11)
    assert_trained_alike(*trained("sgd", order=order[::2]), 1e-11)  # any part of them
    assert_trained_alike(*trained("sgd", order=np.zeros(7, int)), 1e-11)


@pytest.mark.kernel
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_weights_of_rows(rule):
    weights = np.random.default_rng(0).exponential(size=40)
    assert_trained_alike(*trained(rule, sample_weight=weights, alpha=0.1), 1e-11)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_threads_change_no_bit(rule, dtype, whole_teams):
    X, Y = networks.rows(300, 70, 9, dtype=dtype)
    start = networks.parameters((70, 90, 9), dtype)
    results = []
    for threads in (1, 2, 3, 8):
        network = networks.network(*start, n_threads=threads)
        own = Rule(rule, network, alpha=0.1)
        loss = [networks.epoch(network, X, Y, rule=own, batch_size=128).loss for _ in range(2)]
        results.append((loss, [a.tobytes() for a in [*network.coefs, *network.intercepts]]))
    assert results == results[:1] * 4


@pytest.mark.kernel
@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["F", "every other", "backwards", "unaligned"])
def test_strides_of_stored_rows(stored, layout):
    X = np.random.default_rng(0).integers(9, size=(40, 6)).astype(stored)
    _, Y = networks.rows(40, 6, 4)
    kept = []
    for given in (X, strided(X)[layout], X.astype(np.float64)):
        network = networks.network(*networks.parameters(SIZES), feature_scale=0.25)
        networks.epoch(network, given, Y)
        kept.append([a.tobytes() for a in [*network.coefs, *network.intercepts]])
    assert kept[0] == kept[1] == kept[2]


@pytest.mark.kernel
def test_training_accuracy_is_counted_on_the_way():
    for k, n in itertools.product((2, 4, 11, 70), (1, 3, 50)):
        X, Y = networks.rows(n, 6, k)
        coefs, intercepts = networks.parameters((6, 9, k))
        z = oracle.forward(X, coefs, intercepts, "relu")[-1]
        labels, weights = Y.argmax(axis=1).astype(np.int32), np.arange(1.0, n + 1)
        expected = weights[z.argmax(axis=1) == labels].sum()
        for targets in (Y, labels):
            network = networks.network(coefs, intercepts)
            done = networks.epoch(
                network, X, targets, batch_size=50, measure="argmax", sample_weight=weights
            )
            assert done.hits == pytest.approx(expected)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_that_is_not_finite_ends_the_epoch_before_the_update(dtype):
    X, Y = networks.rows(40, 6, 4, dtype=dtype)
    X[17, 3] = np.nan
    coefs, intercepts = networks.parameters(SIZES, dtype)
    network = networks.network(coefs, intercepts, "tanh")
    done = networks.epoch(network, X, Y, batch_size=5)
    assert (done.n_steps, done.complete) == (3, False)  # the fourth has rows 15 to 19
    expected = networks.network(coefs, intercepts, "tanh")
    networks.epoch(expected, X[:15], Y[:15], batch_size=5)
    for a, b in zip(network.coefs, expected.coefs, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- against PyTorch


OPTIMIZERS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {"alpha": 0.999}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_first_five_steps_against_torch(rule, alpha):
    torch = pytest.importorskip("torch")
    X, Y = networks.rows(40, SIZES[0], SIZES[-1])
    coefs, intercepts = networks.parameters(SIZES)
    network = networks.network(coefs, intercepts, "tanh")
    own = Rule(rule, network, alpha=alpha, epsilon=1e-20)  # Adam's has another place there
    networks.epoch(network, X, Y, rule=own, batch_size=8, rate=0.02)

    weights = [torch.tensor(W, requires_grad=True) for W in coefs]
    biases = [torch.tensor(b, requires_grad=True) for b in intercepts]
    name, options = OPTIMIZERS[rule]
    decay = alpha if rule == "adamw" else alpha / 8  # the penalty is divided by the batch's rows
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    if name != "SGD":
        options = options | {"eps": 1e-20}
    optimizer = getattr(torch.optim, name)(groups, lr=0.02, **options)
    for start in range(0, 40, 8):
        x, y = (torch.tensor(a[start : start + 8]) for a in (X, Y))
        hidden = torch.tanh(x @ weights[0] + biases[0])
        loss = torch.nn.functional.cross_entropy(hidden @ weights[1] + biases[1], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    networks.assert_arrays_near(network.coefs, [W.detach().numpy() for W in weights], 1e-11)
    networks.assert_arrays_near(network.intercepts, [b.detach().numpy() for b in biases], 1e-11)


@pytest.mark.parametrize("loss", networks.LOSSES)
@pytest.mark.parametrize("activation", networks.ACTIVATIONS)
def test_the_oracle_against_torch(activation, loss):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    X, Y = networks.rows(11, 5, 3, loss)
    coefs, intercepts = networks.parameters((5, 7, 6, 3))
    leaves = [torch.tensor(a, requires_grad=True) for a in [*coefs, *intercepts]]
    a, targets = torch.tensor(X), torch.tensor(Y)
    act = {
        "identity": lambda z: z, "logistic": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
        "leaky_relu": lambda z: functional.leaky_relu(z, 0.1),
    }[activation]  # fmt: skip
    for i in range(3):
        a = a @ leaves[i] + leaves[3 + i]
        a = act(a) if i < 2 else a
    value = {
        "cross_entropy": lambda: functional.cross_entropy(a, targets),
        "binary_cross_entropy": lambda: functional.binary_cross_entropy_with_logits(a, targets) * 3,
        "mse": lambda: functional.mse_loss(a, targets) * 3 / 2,
        "mae": lambda: functional.l1_loss(a, targets) * 3,
    }[loss]()
    value.backward()
    expected = oracle.value_and_grad(X, Y, coefs, intercepts, activation, loss)
    assert value.item() == pytest.approx(expected[0], rel=1e-13)
    networks.assert_arrays_near(
        [t.grad.numpy() for t in leaves], networks.arrays_of(expected), 1e-13
    )
