"""`partial_fit` in unusual orders and amounts: what weights, single rows and fits between do."""

import numpy as np
import pytest
from support.problems import softmax_rows

from fastsoftmax import LogisticRegression, MLPClassifier, SoftmaxRegression

rng = np.random.default_rng(0)
X, Y = softmax_rows(60, 4, 3, rng, mean=1)
CLASSES = range(3)


def same(a, b):
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=1e-10, atol=1e-12)


def test_weights_of_3_are_a_strength_3_times_as_large():
    weighted, stronger = SoftmaxRegression(C=0.1), SoftmaxRegression(C=0.3)
    for rows in np.split(np.arange(60), 4):
        weighted.partial_fit(X[rows], Y[rows], CLASSES, np.full(15, 3.0))
        stronger.partial_fit(X[rows], Y[rows], CLASSES)
    same(weighted, stronger)


@pytest.mark.parametrize("kind", [SoftmaxRegression, LogisticRegression])
def test_a_fit_begins_a_new_stream(kind):
    used = kind().partial_fit(X[:30], Y[:30], CLASSES).fit(X, Y).partial_fit(X[30:], Y[30:])
    same(used, kind().fit(X, Y).partial_fit(X[30:], Y[30:]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [X, np.ones((60, 4)), 0 * X])
def test_single_rows(rows):
    """Of features that vary, and of constants, of which only the shares of classes are learnt."""
    model = SoftmaxRegression()
    for x, y in zip(rows, Y, strict=True):
        model.partial_fit(x[None], [y], CLASSES)
    assert np.isfinite(model.coef_).all()
    if rows is not X:
        assert not model.coef_.any()
        return
    assert model.score(X, Y) > 0.5


@pytest.mark.parametrize("order", [(np.float32, np.float64), (np.float64, np.float32)])
def test_networks_go_on_in_their_precision(order):
    """Numbers that both precisions hold, so that only the precision of the arithmetic is left."""
    exact = np.round(X * 16) / 16
    first, other = (
        MLPClassifier(4, random_state=0).partial_fit(exact.astype(order[0]), Y, CLASSES)
        for _ in range(2)
    )
    first.partial_fit(exact.astype(order[1]), Y)
    other.partial_fit(exact.astype(order[0]), Y)
    for a, b in zip(first.coefs_, other.coefs_, strict=True):
        assert a.dtype == order[0]
        assert np.array_equal(a, b)
