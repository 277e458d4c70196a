"""What either loss says of itself, against the derivatives of its definition."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from support.logits import stored

from fastsoftmax._engine.data import DenseData
from fastsoftmax._engine.objective import loss_of
from fastsoftmax._engine.objective.loss import LogisticPerLogit, ShareRules, Softmax

K = 4
rng = np.random.default_rng(0)
CODES = rng.integers(K, size=60).astype(np.int32)
INDICATORS = rng.integers(3, size=(60, K)).astype(np.uint8)  # 2: missing
WEIGHTS = rng.exponential(size=60)


def losses(loss, z, targets):
    """Those of rows of logits, by definition."""
    if loss.per_logit:
        known = targets < 2
        return np.sum(known * (np.logaddexp(0, z) - (targets == 1) * z), axis=1)
    return logsumexp(z, axis=1) - z[np.arange(len(z)), targets]


@pytest.mark.parametrize("targets", [CODES, INDICATORS], ids=["softmax", "logistic"])
def test_intercept_only_model(targets):
    """Its gradient by the intercepts is 0, and its loss the entropy."""
    known = targets if targets.ndim == 1 else np.where(targets == 2, 1, targets)
    loss = loss_of(targets, K)
    shares = loss.shares(known, WEIGHTS)
    b = loss.intercepts(shares)

    def mean_loss(b):
        return WEIGHTS @ losses(loss, np.tile(b, (60, 1)), known) / WEIGHTS.sum()

    assert mean_loss(b) == pytest.approx(loss.null_loss(shares), rel=1e-12)
    for direction in np.eye(K):
        assert mean_loss(b + 1e-3 * direction) > mean_loss(b) < mean_loss(b - 1e-3 * direction)


@pytest.mark.parametrize("kind", [Softmax, LogisticPerLogit])
def test_classes_without_weight(kind):
    """Their intercepts and variances are those of the least share and variance."""
    shares = np.array([0.0, 0.25, 0.75])
    loss = kind(3, ShareRules(least=1e-9, variance=0.01))
    b = loss.intercepts(shares)
    assert b[1] - b[0] == pytest.approx(
        np.log(0.25e9) if loss.shift_invariant else np.log(1 / 3) - np.log(1e-9), rel=1e-9
    )
    typical = 1 / 3 if loss.shift_invariant else 1 / 2
    np.testing.assert_allclose(loss.variances(shares), [0.01 * typical, 3 / 16, 3 / 16])


@pytest.mark.parametrize("targets", [CODES, INDICATORS], ids=["softmax", "logistic"])
def test_hessians(targets):
    loss, z = loss_of(targets, K), rng.normal(size=(60, K))
    logits = loss.logits_of(DenseData(np.ones((60, 1)), 1))
    logits.put(z)
    P, Q = loss.probabilities(logits)
    expected = softmax(z, axis=1) if loss.shift_invariant else 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(P, expected, rtol=1e-14)
    np.testing.assert_allclose(P + Q, 1)
    each = [np.diag(p * (1 - p)) if loss.per_logit else np.diag(p) - np.outer(p, p) for p in P]
    assert max(np.linalg.eigvalsh(each)[:, -1]) <= loss.largest_curvature
    total = np.einsum("n,nkl->kl", WEIGHTS, each)
    np.testing.assert_allclose(loss.hessian_by_intercepts(logits, WEIGHTS), total, rtol=1e-12)
    np.testing.assert_allclose(loss.hessian_of_shares(P[0]), each[0], rtol=1e-12)

    X = rng.normal(size=(60, 3))
    grams = []

    def gram(drawn):
        nothing = np.zeros(3)
        out = DenseData(X, 1).gram(drawn, nothing, np.ones(3), 1.0, nothing)
        grams.extend(out)
        return out

    H = loss.hessian(P, Q, WEIGHTS, 3, gram)
    expected = np.einsum("n,nkl,ni,nj->kilj", WEIGHTS, each, X, X)
    np.testing.assert_allclose(H, expected, rtol=1e-10, atol=1e-12)
    assert len(grams) == loss.n_grams


@pytest.mark.parametrize("targets", [CODES, INDICATORS], ids=["softmax", "logistic"])
def test_relative_changes(targets):
    """To first order that of the probabilities, relatively."""
    loss, (z, change) = loss_of(targets, K), rng.normal(size=(2, 60, K))

    def probabilities(z):
        return loss.probabilities(stored(z, np.float64, logistic=loss.per_logit))

    (P, Q), (P1, Q1) = probabilities(z), probabilities(z + 1e-7 * change)
    expected = np.min([(P1 - P) / P] + [(Q1 - Q) / Q] * loss.per_logit, axis=0)
    changes = loss.relative_changes(P, Q, 1e-7 * change)
    np.testing.assert_allclose(changes, expected, rtol=1e-4, atol=1e-11)


def test_two_classes_have_one_logistic_function():
    assert loss_of(CODES, 1).per_logit and not loss_of(CODES, 1).shift_invariant
    assert loss_of(CODES, 2).shift_invariant


@pytest.mark.parametrize("targets", [CODES, INDICATORS], ids=["softmax", "logistic"])
def test_the_loss_without_a_model(targets):
    """Where all logits are 0."""
    loss = loss_of(targets, K)
    zero = losses(loss, np.zeros((60, K)), np.where(targets == 2, 1, targets))
    assert loss.uniform_loss == pytest.approx(zero[0], rel=1e-15)
