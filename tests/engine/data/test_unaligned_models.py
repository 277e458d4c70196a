"""Models whose arrays begin between two elements, as in bytes that came over a wire."""

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax import SoftmaxRegression


def unaligned(array):
    """A copy, a byte behind a place for its elements."""
    memory = np.empty(array.nbytes + 1, np.uint8)[1:]
    copy = memory.view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert not copy.flags.aligned
    return copy


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions(kind, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 8)).astype(dtype)
    model = SoftmaxRegression().fit(X, X[:, :8].argmax(axis=1))
    X = kind(X)
    expected = model.predict_proba(X)
    model.coef_, model.intercept_ = unaligned(model.coef_), unaligned(model.intercept_)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
