"""The worked example of the loss and the identities of the lecture notes, recomputed."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear import LogisticRegression
from fastsoftmax._neural import Adaline, Network
from fastsoftmax.functional import (
    linear_cross_entropy_value_and_grad,
    nll_loss,
    one_hot,
    sigmoid,
    softmax,
)

# Four examples, three classes: outputs of a softmax, labels, and what the notes find, to as many
# digits as they give
PROBABILITIES = (
    (0.3792, 0.3104, 0.3104),
    (0.3072, 0.4147, 0.2780),
    (0.4263, 0.2248, 0.3490),
    (0.2668, 0.2978, 0.4354),
)
LABELS = (0, 1, 2, 2)
NOTED = ("0.969692", "0.880200", "1.05268", "0.831490")
NOTED_MEAN = "0.9335"

N, D, K = 23, 6, 4
EXACT, BY_DIFFERENCES = 1e-13, 1e-7  # largest difference to allow, float64


@dataclass(frozen=True)
class Example:
    """The losses of the four examples, and their mean."""

    losses: list[float]
    mean: float


def worked_example() -> Example:
    logarithms = np.log(PROBABILITIES)
    losses = nll_loss(logarithms, LABELS, reduction="none").tolist()
    return Example(losses, nll_loss(logarithms, LABELS))


def agrees(value: float, noted: str) -> bool:
    """Whether a value begins with the digits that the notes give, or rounds to them."""
    last = 10.0 ** -len(noted.partition(".")[2])
    return abs(value - float(noted)) <= last


@dataclass(frozen=True)
class Identity:
    """What should be equal, and the largest difference found."""

    name: str
    formula: str
    difference: float
    allowed: float = EXACT

    @property
    def holds(self) -> bool:
        return self.difference <= self.allowed


def _network(W: NDArray, b: NDArray, loss: str) -> Network:
    network = Network((len(W), len(b)), (), loss, dtype=np.float64)
    network.coefs, network.intercepts = [W], [b]
    return network


def _difference(one: NDArray | float, other: NDArray | float) -> float:
    return float(np.abs(np.asarray(one) - other).max())


def identities() -> list[Identity]:
    """Each computed two ways on a small random problem in float64."""
    random = np.random.default_rng(0)
    X, y = random.standard_normal((N, D)), random.integers(K, size=N)
    W, b = random.standard_normal((D, K)), random.standard_normal(K)
    Y = one_hot(y, n_classes=K)
    return [
        *_deltas(X, y, W, b),
        *_gradients(X, y, Y, W, b),
        *_forms(X, y, Y, W, b),
        _backpropagation(X, Y, random),
        *_rules(X, y),
    ]


def _deltas(X: NDArray, y: NDArray, W: NDArray, b: NDArray) -> list[Identity]:
    """∂L/∂b of one example is ∂L/∂z."""
    found = []
    for name, loss, activation, target in (
        ("logistic regression", "binary_cross_entropy", sigmoid, float(y[0] % 2)),
        ("ADALINE", "mse", lambda z: z, float(y[0] % 2)),
        ("softmax regression", "cross_entropy", softmax, None),
    ):
        units = slice(None) if target is None else slice(1)
        Y = one_hot(y[:1], n_classes=K) if target is None else np.array([[target]])
        _, _, (delta,) = _network(W[:, units], b[units], loss).value_and_grad(X[:1], Y)
        a = activation(X[0] @ W[:, units] + b[units])
        found.append(
            Identity(f"{name}: δ of the output", "∂L/∂z = a − y", _difference(delta, a - Y))
        )
    return found


def _gradients(X: NDArray, y: NDArray, Y: NDArray, W: NDArray, b: NDArray) -> list[Identity]:
    network = _network(W, b, "cross_entropy")
    loss, (by_W,), (by_b,) = network.value_and_grad(X, Y)
    each = [network.value_and_grad(X[i : i + 1], Y[i : i + 1]) for i in range(N)]
    H = softmax(X @ W + b)
    by_class = [
        _difference(one[1][0][:, k], (h[k] - (label == k)) * x)
        for one, h, label, x in zip(each, H, y, X, strict=True)
        for k in range(K)
    ]
    total = sum(one[1][0] for one in each)
    return [
        Identity("gradient of one example", "∂L/∂wₖ = (pₖ − 1{y = k}) x", max(by_class)),
        Identity(
            "gradient of a batch",
            "∂L/∂W = Xᵀ(H − Y) / N",
            max(_difference(by_W, X.T @ (H - Y) / N), _difference(by_b, (H - Y).mean(axis=0))),
        ),
        Identity("sums and means differ by N", "Σᵢ ∂Lᵢ = N ∂L", _difference(total, N * by_W)),
        Identity(
            "cross-entropy is the negative log-likelihood",
            "L = −log Πᵢ p(yᵢ | xᵢ) / N",
            _difference(loss, -np.log(H[np.arange(N), y].prod()) / N),
        ),
    ]


def _forms(X: NDArray, y: NDArray, Y: NDArray, W: NDArray, b: NDArray) -> list[Identity]:
    loss, (by_W,), (by_b,) = _network(W, b, "cross_entropy").value_and_grad(X, Y)
    plain, grads = linear_cross_entropy_value_and_grad(X, W.T, b, y)
    augmented = _network(np.vstack([W, b]), np.zeros(K), "cross_entropy")
    _, (by_theta,), _ = augmented.value_and_grad(np.column_stack([X, np.ones(N)]), Y)
    first = (y == 0).astype(float)
    one = _network(W[:, :1], b[:1], "binary_cross_entropy").value_and_grad(X, first[:, None])
    pair = _network(
        np.column_stack([W[:, 0], np.zeros(D)]), np.array([b[0], 0.0]), "cross_entropy"
    ).value_and_grad(X, np.column_stack([first, 1 - first]))
    return [
        Identity(
            "two-class softmax with θ₂ = 0 is logistic regression",
            "e^z / (e^z + 1) = 1 / (1 + e^−z)",
            max(_difference(pair[0], one[0]), _difference(pair[1][0][:, :1], one[1][0])),
        ),
        Identity(
            "intercepts are weights of a feature 1",
            "x̃ = [x, 1], w̃ = [w, b]",
            _difference(by_theta, np.vstack([by_W, by_b])),
        ),
        Identity(
            "a network without hidden layers is softmax regression",
            "f(x) = softmax(Wx + b)",
            max(_difference(loss, plain), _difference(by_W, grads.W.T), _difference(by_b, grads.b)),
        ),
    ]


def _backpropagation(X: NDArray, Y: NDArray, random: np.random.Generator) -> Identity:
    """The gradient of three layers against slopes of the loss, in the direction of each weight."""
    sizes = (D, 5, 5, K)
    network = Network(sizes, ("tanh", "logistic"), "cross_entropy", dtype=np.float64)
    network.coefs = coefs = [random.standard_normal(pair) for pair in pairwise(sizes)]
    _, gradients, _ = network.value_and_grad(X, Y)
    gradients = [g.copy() for g in gradients]
    step, worst = 1e-5, 0.0
    for W, gradient in zip(coefs, gradients, strict=True):
        for place in np.ndindex(W.shape):
            values = []
            for sign in (1, -1):
                W[place] += sign * step
                network.coefs = coefs
                values.append(network.value_and_grad(X, Y)[0])
                W[place] -= sign * step
            slope = (values[0] - values[1]) / (2 * step)
            worst = max(worst, abs(slope - gradient[place]))
    return Identity(
        "backpropagation through three layers",
        "∂L/∂w = (L(w + h) − L(w − h)) / 2h",
        worst,
        BY_DIFFERENCES,
    )


def _rules(X: NDArray, y: NDArray) -> list[Identity]:
    """Five epochs of the compiled rule and of the loop in the notes, one example at a time."""
    y, rate, found = (y % 2).astype(float), 0.05, []
    for name, kind, activation in (
        ("ADALINE", Adaline, lambda z: z),
        ("logistic regression", partial(LogisticRegression, solver="sgd"), sigmoid),
    ):
        w, b = np.zeros(D), 0.0
        for _ in range(5):
            for x, label in zip(X, y, strict=True):
                error = label - activation(x @ w + b)
                w, b = w + rate * error * x, b + rate * error
        model = kind(learning_rate_init=rate, max_iter=5, shuffle=False).fit(X, y)
        difference = max(_difference(model.coef_[0], w), _difference(model.intercept_, b))
        found.append(Identity(f"learning rule of {name}", "w ← w + η (y − a) x", difference))
    return found
