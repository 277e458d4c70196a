"""Gradients of W are summed in float64, unless it would hold no more than the precision of X."""

import numpy as np
import pytest

from fastsoftmax._engine.data import Batch, DenseData, Point

SHORT, LONG = 150, 1400  # rows: one sum in float32, and several


def summed(n, monkeypatch, few_bytes):
    rng = np.random.default_rng(n)
    d, k = 700, 300
    X = rng.standard_normal((n, d)).astype(np.float32)
    W = 0.1 * rng.standard_normal((k, d))
    monkeypatch.setattr(DenseData, "few_bytes", few_bytes)
    return DenseData(X, 2).value_and_grad(
        Point(W, np.zeros(k)), Batch(rng.integers(k, size=n).astype(np.int32), None, 1 / n)
    )


@pytest.mark.kernel
@pytest.mark.parametrize(("n", "dtype"), [(SHORT, np.float32), (LONG, np.float64)])
def test_one_sum_in_float32_needs_no_float64(n, dtype, monkeypatch):
    loss, grads = summed(n, monkeypatch, DenseData.few_bytes)
    always = summed(n, monkeypatch, 1 << 40)
    assert grads.W.dtype == dtype and always[1].W.dtype == np.float64
    assert loss == always[0]
    np.testing.assert_array_equal(grads.W, always[1].W)
    np.testing.assert_array_equal(grads.b, always[1].b)
