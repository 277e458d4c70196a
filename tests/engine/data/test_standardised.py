"""Between θ of centred and scaled features and the model, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsoftmax._engine.data import Standardisation

pytestmark = pytest.mark.kernel


class Plain:
    """The same by array operations."""

    def __init__(self, shape, scales, shift, unit, constant):
        self.shape, self.scales, self.shift, self.unit, self.constant = (
            *(shape, scales, shift, unit, constant),
        )
        self.d = len(scales)

    def model(self, theta):
        table = theta.reshape(self.shape)
        W = table[:, : self.d] / self.scales
        return W, table[:, self.d :] / self.unit - (W @ self.shift)[:, None]

    def gradient(self, theta, by_W, by_b, ridge):
        W = theta.reshape(self.shape)[:, : self.d] / self.scales
        out = np.empty(self.shape)
        intercepts = self.shape[1] > self.d
        by_V = by_W + ridge * W - intercepts * np.outer(by_b, self.shift)
        out[:, : self.d] = np.where(self.constant, 0, by_V / self.scales)
        if intercepts:
            out[:, -1] = by_b / self.unit
        return 0.5 * ridge * np.sum(W**2), out.ravel()

    def norms(self, gradient):
        table = gradient.reshape(self.shape)
        by_b = table[:, self.d :] * self.unit
        centred = table[:, : self.d] * self.scales
        by_W = centred + by_b @ np.ones((by_b.shape[1], 1)) * self.shift
        return np.abs(np.column_stack([by_W, by_b])).max(), np.sum(centred**2)


@st.composite
def coordinates(draw):
    k, d, intercepts = draw(st.integers(1, 9)), draw(st.integers(1, 40)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    scales, shift = np.exp(rng.normal(size=d)), rng.normal(size=d)
    parts = (k, d + intercepts), scales, shift, 0.3, rng.random(d) < 0.2
    return parts, rng


@given(coordinates(), st.sampled_from((np.float32, np.float64)))
@settings(deadline=None, max_examples=100, database=None)
def test_as_array_operations(case, dtype):
    parts, rng = case
    plain, ours = Plain(*parts), Standardisation(*parts, n_threads=1)
    (k, size), d = parts[0], len(parts[1])
    theta, step = rng.normal(size=(2, k * size))
    W, b = plain.model(theta)
    got_W, got_b = ours.model(theta, np.dtype(dtype))
    tol = {"rtol": 30 * np.finfo(dtype).eps, "atol": 300 * np.finfo(dtype).eps}
    assert got_W.dtype == dtype
    np.testing.assert_allclose(got_W, W, **tol)
    if size > d:
        np.testing.assert_allclose(got_b, b[:, 0], **tol)
    else:
        assert got_b is None

    by_W, by_b = rng.normal(size=(k, d)).astype(dtype), rng.normal(size=k)
    value, gradient = plain.gradient(theta, by_W, by_b, 0.7)
    got = ours.gradient(theta, by_W, by_b, 0.7)
    np.testing.assert_allclose(got[0], value, rtol=1e-13)
    np.testing.assert_allclose(got[1], gradient, rtol=1e-12, atol=1e-12)

    V = plain.model(step)[0]
    expected = np.sum(W * W), np.sum(W * V), np.sum(V * V)
    np.testing.assert_allclose(ours.products(theta, step), expected, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(ours.norms(theta), plain.norms(theta), rtol=1e-12)
    table = theta.reshape(k, size)
    np.testing.assert_allclose(
        ours.project(theta).reshape(k, size), table - table.mean(axis=0), atol=1e-12
    )


@pytest.mark.parametrize("at", [0, 5, 11])  # a weight, an intercept, the last of all
def test_what_is_not_a_number_shows(at):
    gradient = np.ones(12)
    gradient[at] = np.nan
    largest, square = Standardisation(
        (2, 6), np.ones(5), np.ones(5), 1.0, np.zeros(5, bool), 1
    ).norms(gradient)
    assert np.isnan(largest)
    assert np.isnan(square)


@pytest.mark.usefixtures("whole_teams")
def test_threads_change_no_bit():
    rng = np.random.default_rng(0)
    k, d = 60, 9000
    parts = (k, d + 1), np.exp(rng.normal(size=d)), rng.normal(size=d), 0.3, rng.random(d) < 0.2
    theta, step = rng.normal(size=(2, k * (d + 1)))
    by_W, by_b = rng.normal(size=(k, d)), rng.normal(size=k)
    results = set()
    for threads in (1, 2, 4):
        ours = Standardisation(*parts, threads)
        assert ours._team() == threads
        W, b = ours.model(theta, np.dtype(np.float32))
        value, gradient = ours.gradient(theta, by_W, by_b, 0.7)
        found = *ours.norms(theta), *ours.products(theta, step), value
        arrays = W, b, gradient, ours.project(theta), np.array(found)
        results.add(b"".join(a.tobytes() for a in arrays))
    assert len(results) == 1
