"""What the lecture notes on softmax regression and networks state, shown by the compiled networks.

Notation as there: N rows x, labels y, K classes, outputs z of the last layer, a after its
activation, δ = ∂L/∂z of one example, θ or (W, b) the parameters, η the learning rate.
"""

from functools import partial

import numpy as np
import pytest
from support import networks
from support import reference_networks as oracle

from fastsoftmax import (
    Adaline,
    LogisticRegression,
    MLPClassifier,
    linear_cross_entropy_value_and_grad,
)
from fastsoftmax.datasets import load_digits

N, D, K = 23, 6, 4


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def gradient(X, Y, W, b, loss, **options):
    return networks.network([W], [b], loss=loss, **options).value_and_grad(X, Y)


@pytest.fixture
def linear():
    """(X, labels, one-hot targets, W, b)."""
    X, Y = networks.rows(N, D, K)
    (W,), (b,) = networks.parameters((D, K))
    return X, Y.argmax(axis=1), Y, W, b


# ---- δ of the output layer


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("loss", "activation", "k"),
    [
        ("binary_cross_entropy", logistic, 1),  # logistic regression
        ("cross_entropy", softmax, K),  # softmax regression
        ("mse", lambda z: z, 1),  # ADALINE
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_delta_of_the_output_is_a_minus_y(loss, activation, k, depth):
    X, Y = networks.rows(1, D, k, loss)
    coefs, intercepts = networks.parameters((D, *[5] * depth, k))
    z = oracle.forward(X, coefs, intercepts, "tanh")[-1]
    network = networks.network(coefs, intercepts, "tanh", loss)
    delta = network.value_and_grad(X, Y)[2][-1]  # of one example, ∂L/∂b is δ
    np.testing.assert_allclose(delta, (activation(z) - Y)[0], atol=1e-14)


@pytest.mark.kernel
def test_gradient_of_one_example_is_the_notes(linear):
    X, y, _, W, b = linear
    for x, label in zip(X, y, strict=True):
        p = softmax(x @ W + b)
        _, (by_W,), (by_b,) = gradient(x[None], np.eye(K)[[label]], W, b, "cross_entropy")
        for k in range(K):
            np.testing.assert_allclose(by_W[:, k], (p[k] - (label == k)) * x, atol=1e-14)
            np.testing.assert_allclose(by_b[k], p[k] - (label == k), atol=1e-14)
        # ascent on the likelihood: its gradient is (1{y=k} - p_k) x; the label's own row is
        # -(Σ_{j≠y} p_j) x
        np.testing.assert_allclose(by_W[:, label], -np.delete(p, label).sum() * x, atol=1e-14)


@pytest.mark.kernel
def test_the_batch_gradient_is_a_product_of_matrices(linear):
    X, _, Y, W, b = linear
    H = softmax(X @ W + b)
    _, (by_W,), (by_b,) = gradient(X, Y, W, b, "cross_entropy")
    np.testing.assert_allclose(by_W, X.T @ (H - Y) / N, atol=1e-14)
    np.testing.assert_allclose(by_b, (H - Y).mean(axis=0), atol=1e-14)


@pytest.mark.kernel
@pytest.mark.parametrize("loss", networks.LOSSES)
def test_sums_and_means_differ_by_n(loss):
    X, Y = networks.rows(N, D, K, loss)
    coefs, intercepts = networks.parameters((D, 5, K))
    network = networks.network(coefs, intercepts, "logistic", loss)
    value, by_coefs, by_intercepts = network.value_and_grad(X, Y)
    each = [network.value_and_grad(X[i : i + 1], Y[i : i + 1]) for i in range(N)]
    assert sum(one[0] for one in each) == pytest.approx(N * value, rel=1e-13)
    for layer in range(2):
        for mean, part in ((by_coefs, 1), (by_intercepts, 2)):
            total = sum(one[part][layer] for one in each)
            np.testing.assert_allclose(total, N * mean[layer], atol=1e-13)


# ---- forms of one model


@pytest.mark.kernel
def test_two_class_softmax_with_the_second_theta_0_is_logistic_regression():
    X, _ = networks.rows(N, D, 1)
    y = np.arange(N) % 2  # 1: the first class, whose θ is free
    (w,), (b,) = networks.parameters((D, 1))
    one_logit = gradient(X, y[:, None] * 1.0, w, b, "binary_cross_entropy")
    W, c = np.column_stack([w, 0 * w]), np.array([b[0], 0])
    two = gradient(X, np.column_stack([y, 1 - y]) * 1.0, W, c, "cross_entropy")
    assert two[0] == pytest.approx(one_logit[0], rel=1e-14)
    np.testing.assert_allclose(two[1][0][:, :1], one_logit[1][0], atol=1e-15)
    np.testing.assert_allclose(two[2][0][0], one_logit[2][0][0], atol=1e-15)
    # and θ₂ stays where the first class's gradient has its mirror image
    np.testing.assert_allclose(two[1][0][:, 1], -two[1][0][:, 0], atol=1e-15)
    np.testing.assert_allclose(softmax(X @ W + c)[:, :1], logistic(X @ w + b), atol=1e-15)


@pytest.mark.kernel
@pytest.mark.parametrize("ones", ["last", "first"])
def test_augmented_rows_give_the_gradients_of_weights_and_intercepts(ones, linear):
    X, _, Y, W, b = linear
    _, (by_W,), (by_b,) = gradient(X, Y, W, b, "cross_entropy")
    if ones == "last":  # x̃ = [x, 1], w̃ = [w, b]
        augmented, theta = np.column_stack([X, np.ones(N)]), np.vstack([W, b])
        expected = np.vstack([by_W, by_b])
    else:  # x̃ = [1, x]
        augmented, theta = np.column_stack([np.ones(N), X]), np.vstack([b, W])
        expected = np.vstack([by_b, by_W])
    _, (by_theta,), _ = gradient(augmented, Y, theta, np.zeros(K), "cross_entropy")
    np.testing.assert_allclose(by_theta, expected, atol=1e-14)


@pytest.mark.kernel
def test_a_network_without_hidden_layers_is_softmax_regression(linear):
    X, y, Y, W, b = linear
    value, (by_W,), (by_b,) = gradient(X, Y, W, b, "cross_entropy")
    loss, grads = linear_cross_entropy_value_and_grad(X, W.T, b, y)
    assert value == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(by_W, grads.W.T, atol=1e-14)
    np.testing.assert_allclose(by_b, grads.b, atol=1e-14)


@pytest.mark.kernel
def test_cross_entropy_is_the_negative_log_likelihood(linear):
    X, y, Y, W, b = linear
    likelihood = softmax(X @ W + b)[np.arange(N), y].prod()
    assert gradient(X, Y, W, b, "cross_entropy")[0] == pytest.approx(-np.log(likelihood) / N)


# ---- batches


def digits():
    X, y = load_digits()
    return X[:200] / 16, y[:200]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_mini_batch_of_all_rows_is_batch_gradient_descent():
    X, y = digits()
    params = {"hidden_layer_sizes": (7,), "activation": "tanh", "solver": "sgd", "momentum": 0}
    params |= {"learning_rate_init": 0.5, "max_iter": 4, "shuffle": False, "random_state": 0}
    params |= {"alpha": 0}
    full, mini = (MLPClassifier(batch_size=b, **params).fit(X, y) for b in ("full", len(X)))
    start = MLPClassifier(**params | {"learning_rate_init": 1e-30, "max_iter": 1}).fit(X, y)
    theta = [*start.coefs_, *start.intercepts_]
    for _ in range(4):  # θ ← θ - η ∇J
        done = oracle.value_and_grad(
            X, np.eye(10)[y], theta[:2], theta[2:], "tanh", "cross_entropy"
        )
        theta = [t - 0.5 * g for t, g in zip(theta, networks.arrays_of(done), strict=True)]
    for got, other, wanted in zip(
        [*full.coefs_, *full.intercepts_], [*mini.coefs_, *mini.intercepts_], theta, strict=True
    ):
        np.testing.assert_array_equal(got, other)
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_full_batches_do_not_depend_on_the_order():
    X, y = digits()
    network = networks.network(*networks.parameters((64, 7, 10)))
    mixed = np.random.default_rng(0).permutation(len(X))
    one = network.value_and_grad(X, np.eye(10)[y])
    other = network.value_and_grad(X[mixed], np.eye(10)[y[mixed]])
    for a, b in zip(networks.arrays_of(one), networks.arrays_of(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)


# ---- the online rules


def online(X, y, activation, rate, epochs):
    """w := 0, b := 0; for every example in order: w += η (y - a) x, b += η (y - a)."""
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        for x, label in zip(X, y, strict=True):
            error = label - activation(x @ w + b)
            w, b = w + rate * error * x, b + rate * error
    return w, b


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "activation", "rate"),
    [(LogisticRegression, logistic, 0.1), (Adaline, lambda z: z, 0.01)],
)
def test_online_rules(model, activation, rate):
    X, y = digits()
    y = (y > 4).astype(int)
    params = {"learning_rate_init": rate, "max_iter": 3, "shuffle": False}
    if model is LogisticRegression:
        params["solver"] = "sgd"
    fitted = model(**params).fit(X, y)
    w, b = online(X, y, activation, rate, epochs=3)
    np.testing.assert_allclose(np.ravel(fitted.coef_), w, atol=1e-12)
    np.testing.assert_allclose(np.ravel(fitted.intercept_), b, atol=1e-12)
    # ŷ = 1 where the activation is past the middle of 0 and 1
    np.testing.assert_array_equal(fitted.predict(X), activation(X @ w + b) > 0.5)
    assert fitted.score(X, y) > 0.8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [partial(LogisticRegression, solver="sgd"), Adaline])
def test_binary_models_take_any_two_labels(model):
    X, y = digits()
    names = np.array(["large", "small"])[(y < 5).astype(int)]
    params = {"learning_rate_init": 0.01, "max_iter": 20, "random_state": 0}
    one, other = (model(**params).fit(X, labels) for labels in (names, y < 5))
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert list(one.classes_) == ["large", "small"]
    np.testing.assert_array_equal(one.predict(X) == "small", other.predict(X))
    shuffled = model(**params | {"random_state": 1}).fit(X, names)
    assert not np.array_equal(shuffled.coef_, one.coef_)
