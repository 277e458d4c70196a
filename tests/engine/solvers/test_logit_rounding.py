"""Rounding of logits is part of a bound, and large offsets are no obstacle to a fit."""

import warnings
from fractions import Fraction
from operator import mul

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from support.newton import Problem

import fastsoftmax
from fastsoftmax import LogisticRegression, SoftmaxRegression
from fastsoftmax._engine.data import data_of
from fastsoftmax._engine.objective import Objective, Observations, Penalty
from fastsoftmax._engine.objective.rounding import raised

N = 60


def two_classes(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 2))
    return rng, X, (X[:, 0] + rng.logistic(size=N) > 0).astype(int)


def exact_objective(model, X, y, offset):
    """F of the coefficients as they are, from logits without rounding."""
    w, b = [Fraction(v) for v in model.coef_[0].tolist()], Fraction(float(model.intercept_[0]))
    given = zip(X.tolist(), offset.tolist(), strict=True)
    logits = [float(sum(map(mul, map(Fraction, row), w)) + b + Fraction(o)) for row, o in given]
    return (np.logaddexp(0, np.where(y, -1, 1) * logits).sum() + 0.5 * np.sum(model.coef_**2)) / N


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("far", [0, 1e6, 1e9, 1e11, 1e12, 1e13, 1e14])
def test_bounds_allow_for_the_rounding_of_offsets(far, seed):
    """At 1e12 the bound was below the gap, at 1e13 a model was certified that nothing had shown; a
    fit began at logits of 1e6 and ended there."""
    rng, X, y = two_classes(seed)
    offset = 0.3 * rng.normal(size=N) + far
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression().fit(X, y, offset=offset)
    near = Problem(X, y[:, None], np.full(2, 1 / N), offset=(offset - far)[:, None], logistic=True)
    gap = exact_objective(model, X, y, offset) - near.minimum()[0]
    proof = fastsoftmax.certify(model.coef_, model.intercept_, X, y, offset=offset)
    assert gap <= min(model.gap_bound_, proof.gap_bound) * (1 + 1e-6) + 1e-14
    assert model.converged_ == model.certified_
    assert proof.certified == (far < 1e12)


def test_a_fit_begins_beside_the_offsets():
    rng, X, y = two_classes(0)
    offset = np.column_stack([rng.normal(size=N), np.full(N, 1e6), np.full(N, -1e7)])
    offset[3] = 1e9  # one row, far off
    labels = y + (rng.random(N) < 0.3)
    model = SoftmaxRegression().fit(X, labels, offset=offset)
    plain = SoftmaxRegression().fit(X, labels, offset=offset - [0, 1e6, -1e7])
    assert model.certified_
    np.testing.assert_allclose(model.objective_, plain.objective_, rtol=2e-6)


def test_a_bound_is_raised_by_no_less_than_a_change_of_logits_raises_divergence():
    """For any probabilities a, logits z and errors e: KL(a ‖ p(z + e)) <= (√KL(a ‖ p(z)) + √r)²."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        k, scale = int(rng.integers(2, 6)), 10.0 ** rng.uniform(-6, 1)
        a, z = rng.dirichlet(np.ones(k)), 3 * rng.normal(size=k)
        e = scale * rng.normal(size=k)

        def divergence(z, a=a):
            shifted = z - z.max()
            return float(a @ (np.log(a) - shifted + np.log(np.exp(shifted).sum())))

        r = 0.25 * float(e @ e)
        assert divergence(z + e) <= raised(divergence(z), r) * (1 + 1e-12) + 1e-15


def test_logits_are_sums_of_no_larger_numbers():
    """Root mean squares of Σ |w x| + |b| of sparse rows are at most what rounding is counted by."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * (rng.random((60, 5)) < 0.5)
    y = rng.integers(0, 3, 60).astype(np.int32)
    rows = Observations(data_of(sparse.csr_array(X), 1), y, 3)
    o = Objective(rows, Penalty(1.0), fit_intercept=True)
    theta = rng.normal(size=o.size)
    W, b = o.parameters.user(theta, np.dtype(np.float64))
    terms = np.abs(X) @ np.abs(W).T + np.abs(b)
    assert (o.parameters.logit_sizes(theta) >= np.sqrt(np.mean(terms**2, axis=0))).all()
