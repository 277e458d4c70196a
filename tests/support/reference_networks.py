"""Networks in plain NumPy: what the compiled ones are tested against and timed beside.

W of a layer is (in, out), as in scikit-learn. The oracle takes complex numbers too: complex step,
Im L(θ + ih) / h, then is the exact derivative of the loss. A loss is the mean over the rows of a
sum over the outputs, so that with its own output activation δ = a - y for all but "mae".
"""

import numpy as np

SLOPE = 0.1  # of leaky ReLU


def _positive(x):
    return np.real(x) > 0


# f(z, slope), and f' from the output a: each is increasing, so that a has the sign of z
ACTIVATIONS = {
    "identity": (lambda z, s: z, lambda a, s: np.ones_like(a)),
    "logistic": (lambda z, s: sigmoid(z), lambda a, s: a * (1 - a)),
    "tanh": (lambda z, s: np.tanh(z), lambda a, s: 1 - a * a),
    "relu": (
        lambda z, s: np.where(_positive(z) | np.isnan(z), z, 0),
        lambda a, s: _positive(a) * np.ones_like(a),
    ),
    "leaky_relu": (
        lambda z, s: np.where(_positive(z) | np.isnan(z), z, s * z),
        lambda a, s: np.where(_positive(a), np.ones_like(a), s),
    ),
}


def sigmoid(z):
    e = np.exp(np.where(_positive(z), -z, z))  # never overflows
    return np.where(_positive(z), 1, e) / (1 + e)


def log_softmax(z):
    z = z - np.real(z).max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def softplus(z):
    """log(1 + exp(z))"""
    e = np.exp(np.where(_positive(z), -z, z))
    return np.where(_positive(z), z, 0) + np.log(1 + e)


def _absolute(x):
    return np.where(_positive(x), x, -x)


# (losses of the rows, outputs after the last activation, δ) of the last layer's z
LOSSES = {
    "cross_entropy": lambda z, Y: (
        -(Y * log_softmax(z)).sum(axis=1),
        np.exp(log_softmax(z)),
        Y.sum(axis=1, keepdims=True) * np.exp(log_softmax(z)) - Y,
    ),
    "binary_cross_entropy": lambda z, Y: (
        (Y * softplus(-z) + (1 - Y) * softplus(z)).sum(axis=1),
        sigmoid(z),
        sigmoid(z) - Y,
    ),
    "mse": lambda z, Y: (((z - Y) ** 2).sum(axis=1) / 2, z, z - Y),
    "mae": lambda z, Y: (_absolute(z - Y).sum(axis=1), z, np.sign(np.real(z - Y))),
}


def each_layer(activation, n_hidden):
    return [activation] * n_hidden if isinstance(activation, str) else list(activation)


def forward(X, coefs, intercepts, activation, slope=SLOPE):
    """Outputs of the layers, X first and the last layer's z, before its activation, last."""
    outputs = [X]
    names = [*each_layer(activation, len(coefs) - 1), "identity"]
    for W, b, name in zip(coefs, intercepts, names, strict=True):
        outputs.append(ACTIVATIONS[name][0](outputs[-1] @ W + b, slope))
    return outputs


def penalised_loss(X, Y, coefs, intercepts, activation, loss, *, weights=None, alpha=0.0):
    """(Σ sᵢ Lᵢ + alpha/2 ‖W‖²) / Σ sᵢ"""
    weights = np.ones(len(X)) if weights is None else weights
    losses = LOSSES[loss](forward(X, coefs, intercepts, activation)[-1], Y)[0]
    squares = sum((W**2).sum() for W in coefs)
    return (weights @ losses + alpha / 2 * squares) / weights.sum()


def value_and_grad(
    X, Y, coefs, intercepts, activation, loss, *, weights=None, alpha=0.0, slope=SLOPE
):
    """That loss, and its gradients of the coefs and of the intercepts, by backpropagation."""
    weights = np.ones(len(X)) if weights is None else np.asarray(weights)
    total = weights.sum()
    outputs = forward(X, coefs, intercepts, activation, slope)
    losses, _, delta = LOSSES[loss](outputs.pop(), Y)
    delta = delta * (weights / total)[:, None]
    names = each_layer(activation, len(coefs) - 1)
    by_coefs, by_intercepts = [], []
    for W in reversed(coefs):
        a = outputs.pop()
        by_coefs.insert(0, a.T @ delta + alpha / total * W)
        by_intercepts.insert(0, delta.sum(axis=0))
        if outputs:
            delta = delta @ W.T * ACTIVATIONS[names.pop()][1](a, slope)
    value = (weights @ losses + alpha / 2 * sum((W**2).sum() for W in coefs)) / total
    return value, by_coefs, by_intercepts


def complex_step(function, parameters, step=1e-30):
    """Gradients of a function of a list of arrays, exact to rounding."""
    gradients = []
    for i, theta in enumerate(parameters):
        gradient = np.empty(theta.shape)
        for j in np.ndindex(theta.shape):
            moved = [p.astype(complex) for p in parameters]
            moved[i][j] += step * 1j
            gradient[j] = function(moved).imag / step
        gradients.append(gradient)
    return gradients


# ---- rules: one step of one array θ with gradient g; state keeps what a rule remembers


class Rule:
    """θ ← step(θ, g), with scikit-learn's definitions where it has the rule, else PyTorch's."""

    def __init__(self, name, *, momentum=0.9, beta_1=0.9, beta_2=0.999, epsilon=1e-8, decay=0.0):
        self.name, self.momentum, self.betas = name, momentum, (beta_1, beta_2)
        self.epsilon, self.decay = epsilon, decay
        self.t, self.state = 0, {}

    def update(self, parameters, gradients, rate, decayed=()):
        """All parameters, in place; "adamw" first shrinks those whose index is in `decayed`."""
        self.t += 1
        for i, (theta, g) in enumerate(zip(parameters, gradients, strict=True)):
            m, v = self.state.setdefault(i, (np.zeros_like(theta), np.zeros_like(theta)))
            if self.name == "adamw" and i in decayed:
                theta *= 1 - rate * self.decay
            getattr(self, f"_{self.name}")(theta, g, rate, m, v)

    def _sgd(self, theta, g, rate, m, v):
        theta -= rate * g

    def _momentum(self, theta, g, rate, m, v):
        m[...] = self.momentum * m - rate * g
        theta += m

    def _nesterov(self, theta, g, rate, m, v):
        m[...] = self.momentum * m - rate * g
        theta += self.momentum * m - rate * g

    def _adagrad(self, theta, g, rate, m, v):
        v += g * g
        theta -= rate * g / (np.sqrt(v) + self.epsilon)

    def _rmsprop(self, theta, g, rate, m, v):
        v[...] = self.betas[1] * v + (1 - self.betas[1]) * g * g
        theta -= rate * g / (np.sqrt(v) + self.epsilon)

    def _adam(self, theta, g, rate, m, v):
        one, two = self.betas
        m[...] = one * m + (1 - one) * g
        v[...] = two * v + (1 - two) * g * g
        rate = rate * np.sqrt(1 - two**self.t) / (1 - one**self.t)
        theta -= rate * m / (np.sqrt(v) + self.epsilon)

    _adamw = _adam


def schedule(
    name, rate, epoch, *, n_rows, power_t=0.5, step_size=10, step_factor=0.1, max_iter=200
):
    """The learning rate of an epoch, counted from 0; "adaptive" depends on the losses instead."""
    return {
        "constant": rate,
        "invscaling": rate / (epoch * n_rows + 1) ** power_t,
        "step": rate * step_factor ** (epoch // step_size),
        "cosine": rate * (1 + np.cos(np.pi * epoch / max_iter)) / 2,
    }[name]


def epoch(
    X, Y, coefs, intercepts, activation, loss, *, order, batch_size, rule, rate, weights=None,
    alpha=0.0,
):  # fmt: skip
    """One pass over the rows in this order, parameters in place: the steps' mean loss, by rows."""
    total, weights = 0.0, np.ones(len(X)) if weights is None else weights
    parameters = [*coefs, *intercepts]
    coupled = 0.0 if rule.name == "adamw" else alpha
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        value, by_coefs, by_intercepts = value_and_grad(
            X[rows], Y[rows], coefs, intercepts, activation, loss,
            weights=weights[rows], alpha=coupled,
        )  # fmt: skip
        total += value * len(rows)
        rule.update(parameters, [*by_coefs, *by_intercepts], rate, decayed=range(len(coefs)))
    return total / len(order)
