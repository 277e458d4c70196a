"""ADALINE's rate: chosen such that the rule cannot diverge, and named where a number does."""

import re

import numpy as np
import pytest

from fastsoftmax import Adaline, LogisticRegression
from fastsoftmax._neural.stable_rate import SHARE, curvature, stable_rate

rng = np.random.default_rng(0)
Z = rng.normal(size=(300, 20))
Y = (Z[:, 0] + Z[:, 1] + rng.normal(size=300) > 0).astype(int)
DATA = {
    "standardised": Z,
    "mean 100": Z + 100,
    "units": Z * 10.0 ** rng.integers(-4, 5, 20),
    "heavy tails": rng.standard_t(1.5, size=Z.shape),
    "float32": Z.astype(np.float32),
    "bytes": np.clip(100 + 40 * Z, 0, 255).astype(np.uint8),
    "one feature": Z[:, :1] * 1e6,
}


def with_ones(X):
    return np.column_stack([X.astype(float), np.ones(len(X))])


@pytest.mark.parametrize("batch_size", [1, 7, "auto", "full"])
@pytest.mark.parametrize("data", DATA)
def test_the_automatic_rate_never_diverges(data, batch_size):
    X = DATA[data]
    model = Adaline(batch_size=batch_size, random_state=0, max_iter=200).fit(X, Y)
    losses = [epoch.loss for epoch in model.history_]
    assert np.isfinite(losses).all() and np.isfinite(model.coef_).all()
    assert max(losses[1:]) <= max(losses[0], 0.5)


def test_the_rate_is_that_of_the_largest_eigenvalue():
    for X in DATA.values():
        A = with_ones(X)
        largest = np.linalg.eigvalsh(A.T @ A / len(A))[-1]
        assert 0.9 * largest <= curvature(X, len(X)) <= largest * (1 + 1e-9)
        assert stable_rate(X, len(X)) == 1 / curvature(X, len(X))
        rows = (A**2).sum(axis=1).max()
        np.testing.assert_allclose([curvature(X, 1), stable_rate(X, 7)], [rows, SHARE / rows])


@pytest.mark.parametrize("batch_size", [1, "full"])
def test_a_number_is_the_lectures_rule(batch_size):
    model = Adaline(learning_rate_init=0.01, batch_size=batch_size, shuffle=False, max_iter=3)
    model.fit(Z, Y)
    w = np.zeros(21)
    A = with_ones(Z)
    for _ in range(3):
        if batch_size == "full":
            w -= 0.01 * A.T @ (A @ w - Y) / len(A)
        else:
            for x, y in zip(A, Y, strict=True):
                w -= 0.01 * (x @ w - y) * x
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), w, rtol=1e-9)


@pytest.mark.parametrize("batch_size", [1, "full"])
def test_a_rate_that_diverges_is_told_the_largest_that_does_not(batch_size):
    X = DATA["mean 100"]
    model = Adaline(learning_rate_init=1.0, batch_size=batch_size, shuffle=False, max_iter=500)
    with pytest.raises(FloatingPointError, match=r"diverged.* up to \S+ it cannot.* got 1;") as e:
        model.fit(X, Y)
    most = float(re.search(r"up to (\S+) it", str(e.value))[1])
    assert np.isfinite(model.set_params(learning_rate_init=0.99 * most).fit(X, Y).coef_).all()
    with pytest.raises(FloatingPointError, match="diverged"):
        model.set_params(learning_rate_init=3 * most).fit(X, Y)


def test_what_is_no_rate():
    for value, error in (("adaptive", ValueError), (0.0, ValueError), (None, TypeError)):
        with pytest.raises(error, match="learning_rate_init: expected"):
            Adaline(learning_rate_init=value).fit(Z, Y)
    with pytest.raises(TypeError, match="learning_rate_init: expected a number > 0, got 'auto'"):
        LogisticRegression(solver="sgd", learning_rate_init="auto").fit(Z, Y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e30), (np.float64, 1e200)])
@pytest.mark.parametrize("batch_size", [1, "full"])
def test_features_too_large_for_any_rate(dtype, scale, batch_size):
    X = (np.random.default_rng(0).normal(size=(20, 3)) * scale).astype(dtype)
    with pytest.raises(ValueError, match=rf"X: .* {dtype.__name__} can hold, .*: scale them"):
        Adaline(batch_size=batch_size).fit(X, np.arange(20) % 2)
