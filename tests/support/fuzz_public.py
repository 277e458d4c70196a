"""Public functions and fits on random input: what plain NumPy says, or an error that is expected.

    PYTHONPATH=tests python tests/support/fuzz_public.py calls FIRST LAST
    PYTHONPATH=tests python tests/support/fuzz_public.py fits FIRST LAST

runs the cases of these seeds, the last excluded. To be run with kernels that a sanitizer was built
into (`.ci/long`); each case depends on its seed alone, so that ranges may be split and resumed.
"""

import signal
import sys
import warnings
from collections import Counter

import numpy as np
from scipy import sparse, special
from support.layouts import DTYPES, FLOATS, LAYOUTS, LENGTHS, computed_eps, layouts, numbers, terms
from support.optimum import mean_gradient, sum_objective
from support.reference import assert_near, linear_bounds, one_hot, soft_linear

import fastsoftmax
from fastsoftmax import Blocks, LogisticRegression, MLPClassifier, SoftmaxRegression
from fastsoftmax._runtime import threads

SECONDS = 120  # after which a case hangs
SPECIAL = (-1e4, 1e4, -np.inf, np.inf, np.nan)


def pick(rng, values):
    return values[rng.integers(len(values))]


def array(rng, dtypes=DTYPES, special=SPECIAL):
    """One of any shape, dtype, layout and size, and an axis of it."""
    shape = [int(n) for n in rng.integers(1, 4, rng.integers(3))]
    shape.insert(rng.integers(len(shape) + 1), pick(rng, (*LENGTHS, 5000)))
    some = [v for v in special if rng.random() < 0.1]
    x = numbers(rng, shape, pick(rng, dtypes), pick(rng, (0.0, 1.0, 30.0, 1e4)), some)
    return layouts(x)[pick(rng, LAYOUTS)], int(rng.integers(-len(shape), len(shape)))


# ---- calls


def of_rows(rng):
    """softmax, log_softmax, logsumexp."""
    name = pick(rng, ("softmax", "log_softmax", "logsumexp"))
    x, axis = array(rng)
    actual = getattr(fastsoftmax, name)(x, axis, n_threads=int(rng.integers(1, 4)))
    with np.errstate(all="ignore"):
        wide = x.astype(np.longdouble)
        exact = getattr(special, name)(wide, axis=axis)
        away = np.minimum(wide.max(axis=axis, keepdims=True) - wide, 750)
        scale = (16 + 2 * away) * exact if name == "softmax" else 16 + 2 * abs(exact)
        bound = (terms(x.shape[axis]) * np.maximum(1, abs(exact)) + scale) * computed_eps(x.dtype)
        bound = bound + 1e-36
        if actual.dtype == np.float16:
            bound = bound + abs(exact) * 2.0**-11 + 2.0**-24
            exact = np.where(abs(exact) >= 65520, np.copysign(np.inf, exact), exact)
    assert_near(actual, exact, bound)


def of_numbers(rng):
    """sigmoid and log_sigmoid."""
    name, exact = pick(rng, (("sigmoid", special.expit), ("log_sigmoid", special.log_expit)))
    x, _ = array(rng, FLOATS)
    with np.errstate(all="ignore"):
        wide = exact(x.astype(float))
        bound = 8 * computed_eps(x.dtype) * abs(wide) + 1e-37
    assert_near(getattr(fastsoftmax, name)(x), wide, bound)


def of_linear(rng):
    """Loss and gradients of the linear model, dense and sparse, weighted or not."""
    n, d, k = (int(v) for v in rng.integers(1, (300, 120, 60)))
    dtype = pick(rng, FLOATS)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < pick(rng, (0.1, 1.0)))
    X, W = X.astype(dtype), rng.normal(size=(k, d)).astype(dtype)
    b = pick(rng, (None, rng.normal(size=k).astype(dtype)))
    y = rng.integers(max(k, 2), size=n)
    s = pick(rng, (None, rng.random(n) + 0.1))
    given = pick(rng, (X, np.asfortranarray(X), sparse.csr_array(X), sparse.csc_matrix(X)))
    actual = fastsoftmax.linear_cross_entropy_value_and_grad(
        given, W, b, y, sample_weight=s, n_threads=int(rng.integers(1, 4))
    )
    Y, total = one_hot(y, max(k, 2)), n if s is None else s.sum()
    exact = soft_linear(X, W, b, Y, s)[:3]
    bounds = linear_bounds(X, W, b, Y, s, eps=np.finfo(dtype).eps)
    values = actual[0], actual[1].W, actual[1].b if b is not None else exact[2] / total
    for value, right, bound in zip(values, exact, bounds, strict=False):
        scale = abs(np.asarray(right)).max() * 64 * np.finfo(dtype).eps
        assert_near(np.asarray(value), np.asarray(right) / total, 8 * (bound + scale) / total)


def of_anything(rng):
    """Arguments that do not go together: an error that says so, or a result."""
    names = ("cross_entropy", "cross_entropy_value_and_grad", "nll_loss", "binary_cross_entropy")
    names += ("softmax_vjp", "mse", "mae", "one_hot", "logit", "linear_cross_entropy", "logsumexp")
    arrays = [array(rng)[0] for _ in range(4)]
    arrays[1] = pick(rng, (arrays[1], arrays[0], rng.integers(-2, 9, arrays[0].shape[:1])))
    getattr(fastsoftmax, pick(rng, names))(*arrays[: rng.integers(1, 5)])


# ---- fits


def of_fit(rng):
    """A linear model: where it has converged, its slope is as its tol allows; and predictions."""
    n, d, k = (int(v) for v in rng.integers((5, 1, 2), (200, 40, 12)))
    dtype = pick(rng, FLOATS)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-1, 2)
    X = (X * (rng.random((n, d)) < pick(rng, (0.2, 1.0)))).astype(dtype)
    y = np.arange(n) % k
    rng.shuffle(y)
    s = pick(rng, (None, rng.random(n) + 0.1))
    C = float(10.0 ** rng.integers(-3, 3))
    half = n // 2
    forms = X, np.asfortranarray(X), sparse.csr_array(X), sparse.coo_matrix(X)
    given = pick(rng, (*forms, "blocks"))
    model = pick(rng, (SoftmaxRegression, LogisticRegression))(
        C=C, l1_ratio=pick(rng, (0.0, 0.0, 0.5)), max_iter=300, n_threads=int(rng.integers(1, 4))
    )
    if isinstance(given, str):
        weights = () if s is None else (s,)
        parts = [slice(0, half), slice(half, n)]
        given = Blocks([tuple(a[part] for a in (X, y, *weights)) for part in parts])
        model.fit(given)
    else:
        model.fit(given, y, sample_weight=s)
    p = model.predict_proba(X)
    assert_near(p.sum(axis=1), np.ones(n), 1e-5)
    assert np.isfinite(model.coef_).all()
    if model.l1_ratio == 0 and model.converged_:
        weights = np.ones(n) if s is None else s
        start = type(model)(C=C)
        start.classes_, start.coef_ = model.classes_, np.zeros_like(model.coef_)
        start.intercept_ = np.zeros_like(model.intercept_)
        F = [
            sum_objective(m, X.astype(float), y, C=C, sample_weight=weights) for m in (model, start)
        ]
        assert F[0] <= F[1] * (1 + 1e-6)
        slope = mean_gradient(model, X.astype(float), y, C=C, sample_weight=weights)[0]
        squares = np.average((X.astype(float) ** 2).sum(axis=1), weights=weights)
        curvature = 0.5 * squares + 1 / (C * weights.sum())  # at most: F - F* >= |slope|² / 2 / it
        gap = model.tol * model.objective_
        assert (slope**2).sum() <= 2 * curvature * gap * (1 + 1e-3)


def of_network(rng):
    """A network: finite, and probabilities."""
    n, d, k = (int(v) for v in rng.integers((5, 1, 2), (120, 30, 6)))
    X = rng.normal(size=(n, d)).astype(pick(rng, FLOATS))
    model = MLPClassifier(
        tuple(int(v) for v in rng.integers(1, 40, rng.integers(1, 3))),
        activation=pick(rng, ("relu", "tanh", "logistic", "identity")),
        solver=pick(rng, ("adam", "sgd", "lbfgs")),
        batch_size=int(rng.integers(1, n + 1)),
        max_iter=3,
        random_state=0,
    )
    p = model.fit(X, np.arange(n) % k).predict_proba(X)
    assert_near(p.sum(axis=1), np.ones(n), 1e-5)


CASES = {
    "calls": (of_rows, of_numbers, of_linear, of_anything),
    "fits": (of_fit, of_fit, of_network),
}
EXPECTED = (ValueError, TypeError)


def main(kind, first, last):
    threads.team_rules.set(threads.TeamRules(per_thread=1000, per_second=0))
    warnings.simplefilter("ignore")
    outcomes = Counter()
    for seed in range(first, last):
        rng = np.random.default_rng((seed, kind == "fits"))
        case = pick(rng, CASES[kind])
        signal.alarm(SECONDS)
        try:
            case(rng)
            outcomes["right"] += 1
        except EXPECTED as error:
            if case is not of_anything:
                sys.exit(f"seed {seed}, {case.__name__}: {type(error).__name__}: {error}")
            outcomes["refused"] += 1
        except AssertionError as error:
            sys.exit(f"seed {seed}, {case.__name__}: wrong: {error}")
        signal.alarm(0)
    print(f"{kind} {first} to {last}: {dict(outcomes)}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]))
