"""Firth's penalty against firthmodels and brglm2 as they ran, and the penalty's definition."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, sparse, stats
from support import logit_oracle as oracle
from support.problems import softmax_rows

from fastsoftmax import SoftmaxRegression
from fastsoftmax.inference import compare, firth, results

HERE = Path(__file__).parent / "references"
BY_FIRTHMODELS = json.loads((HERE / "firthmodels.json").read_text())["problems"]
BY_BRGLM2 = json.loads((HERE / "brglm2.json").read_text())


def terms(X):
    return np.column_stack([np.ones(len(X)), X])


def information(B, U, Y, weights):
    return -oracle.by_complex_steps(lambda C: weights @ oracle.scores(C, U, Y), B)


def penalised(B, U, Y, weights):
    """log L + ½ log |I|."""
    z = np.column_stack([np.zeros(len(U)), U @ B.T])
    loglike = weights @ np.sum(Y * (z - np.logaddexp.reduce(z, axis=1)[:, None]), axis=1)
    return loglike + np.linalg.slogdet(information(B, U, Y, weights))[1] / 2


@pytest.mark.parametrize("name", BY_FIRTHMODELS)
def test_firthmodels(name):
    known = BY_FIRTHMODELS[name]
    X, y = np.array(known["X"]), np.array(known["y"])
    found = firth(X, y)
    np.testing.assert_allclose(found.params[0], known["params"], atol=1e-8)
    assert found.loglike == pytest.approx(known["penalised_loglike"], rel=1e-12)
    np.testing.assert_allclose(found.conf_int()[0], known["profile_intervals"], rtol=3e-6)
    for term, p in zip(found.terms, known["likelihood_ratio_p_values"], strict=True):
        test = found.likelihood_ratio_test(term)
        assert (test.df, test.p_value) == (1, pytest.approx(p, rel=1e-6))


@pytest.mark.parametrize("name", BY_FIRTHMODELS)
def test_wald_errors_are_of_the_information(name):
    """Those of firthmodels are of rows that are weighted by 1 + their leverage."""
    known = BY_FIRTHMODELS[name]
    X, y = np.array(known["X"]), np.array(known["y"])
    found, U = firth(X, y), terms(X)
    p = oracle.probabilities(found.params, U)[:, 1]
    plain = U.T @ (U * (p * (1 - p))[:, None])
    leverages = np.einsum("na,ab,nb->n", U, np.linalg.inv(plain), U) * p * (1 - p)
    np.testing.assert_allclose(found.cov_params(), np.linalg.inv(plain), rtol=1e-6)
    theirs = U.T @ (U * (p * (1 - p) * (1 + leverages))[:, None])
    errors = np.sqrt(np.diag(np.linalg.inv(theirs)))
    np.testing.assert_allclose(errors, known["wald_errors"], rtol=1e-6)


def housing(data_folder):
    columns = np.genfromtxt(
        data_folder / "stat-reference" / "MASS_housing.csv", delimiter=",", dtype=str
    )
    names = [name.strip('"') for name in columns[0]]
    given = dict(zip(names, np.char.strip(columns[1:], '"').T, strict=True))
    levels = [("Infl", ("Medium", "High")), ("Type", ("Apartment", "Atrium", "Terrace"))]
    levels.append(("Cont", ("High",)))
    X = np.column_stack([given[name] == level for name, some in levels for level in some])
    return X.astype(float), given["Sat"], given["Freq"].astype(int)


@pytest.mark.parametrize("name", ["housing", "housing of a tenth", "separated"])
def test_brglm2(name, data_folder):
    known = BY_BRGLM2[name]
    if name == "separated":
        rows = np.genfromtxt(HERE / "separated.csv", delimiter=",", skip_header=1)
        found = firth(rows[:, :2], rows[:, 2].astype(int))
        with pytest.warns(UserWarning, match="separable"):
            SoftmaxRegression(C=np.inf).fit(rows[:, :2], rows[:, 2].astype(int))
    else:
        X, y, times = housing(data_folder)
        times = (times + 9) // 10 if name.endswith("tenth") else times
        found = firth(X, y, times.astype(float), reference_class="Low")
    order = [[str(label) for label in found.compared].index(k) for k in known["classes"]]
    np.testing.assert_allclose(found.params[order], known["params"], atol=1e-8)
    np.testing.assert_allclose(found.standard_errors[order], known["errors"], rtol=1e-6)


def sample(k, n=60, d=2, seed=0):
    rng = np.random.default_rng(seed)
    X, y = softmax_rows(n, d, k, rng)
    X = X * [1, 50] + [0, 200]
    return X, y, rng.integers(1, 4, n).astype(float)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_it_is_the_maximum_of_the_penalised_likelihood(k, fit_intercept):
    X, y, weights = sample(k)
    found = firth(X, y, weights, fit_intercept=fit_intercept)
    U, Y = terms(X) if fit_intercept else X, np.eye(k)[y]
    there = penalised(found.params, U, Y, weights)
    assert found.loglike == pytest.approx(there, rel=1e-9)
    for row in np.eye(found.params.size):  # steps of a tenth of a standard error, up and down
        step = 0.1 * row.reshape(found.params.shape) * found.standard_errors
        around = [penalised(found.params + s * step, U, Y, weights) for s in (-1, 1)]
        slope, curvature = (around[1] - around[0]) / 2, sum(around) - 2 * there
        assert curvature < 0
        assert abs(slope) < 0.05 * -curvature
    np.testing.assert_allclose(
        found.cov_params(), np.linalg.inv(information(found.params, U, Y, weights)), rtol=1e-6
    )


@pytest.mark.parametrize("k", [2, 3])
def test_the_gradient_vanishes(k):
    """To all digits: by differences of the penalised likelihood of fourth order."""
    X, y, weights = sample(k)
    X = (X - [0, 200]) / [1, 50]
    found, U, Y = firth(X, y, weights), terms(X), np.eye(k)[y]
    h = 1e-3
    for row in np.eye(found.params.size):
        e = row.reshape(found.params.shape)
        f = {s: penalised(found.params + s * h * e, U, Y, weights) for s in (-2, -1, 1, 2)}
        assert abs(f[-2] - 8 * f[-1] + 8 * f[1] - f[2]) / (12 * h) < 1e-8 * weights.sum()


@pytest.mark.parametrize("k", [2, 3])
def test_rows_of_weight_three_are_three_rows(k):
    X, y, weights = sample(k)
    one, times = firth(X, y, weights), weights.astype(int)
    other = firth(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(one.params, other.params, rtol=1e-7)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-7)
    assert one.loglike == pytest.approx(other.loglike)


def test_any_reference_and_form_of_x():
    X, y, weights = sample(3)
    one = firth(X, y, weights)
    other = firth(sparse.csr_array(X), np.array([2, 1, 0])[y], weights, reference_class=2)
    np.testing.assert_allclose(one.params, other.params[::-1], rtol=1e-7)
    X, y, weights = sample(2)
    one, other = (firth(X, y, weights, reference_class=r) for r in (0, 1))
    np.testing.assert_allclose(one.params, -other.params)
    np.testing.assert_allclose(one.conf_int(), -other.conf_int()[..., ::-1], rtol=1e-6)
    P = oracle.probabilities(one.params, terms(X))
    np.testing.assert_allclose(one.model.predict_proba(X), P, rtol=1e-9)
    np.testing.assert_allclose(other.model.predict_proba(X), P, rtol=1e-9)


def test_features_of_any_scale():
    X, y, weights = sample(2)
    scales, shift = np.array([1e-4, 1e5]), np.array([1e3, -1e6])
    plain, scaled = firth(X, y, weights), firth(X * scales + shift, y, weights)
    np.testing.assert_allclose(scaled.params[0, 1:] * scales, plain.params[0, 1:], rtol=1e-5)
    ours, theirs = scaled.conf_int()[0, 1:], plain.conf_int()[0, 1:]
    np.testing.assert_allclose(ours * scales[:, None], theirs, rtol=1e-4)


def test_intervals():
    """Ends of a profile are where the deviance is the quantile; by another optimiser."""
    X, y, _ = sample(2, 30)
    X = (X - [0, 200]) / [1, 50]
    found, U, Y, ones = firth(X, y), terms(X), np.eye(2)[y], np.ones(30)

    def deviance(value):
        def rest(c):
            return -penalised(np.array([[c[0], value, c[1]]]), U, Y, ones)

        exact = {"xatol": 1e-7, "fatol": 1e-10, "maxiter": 2000}
        start = found.params[0, [0, 2]]
        best = optimize.minimize(rest, start, method="Nelder-Mead", options=exact)
        return 2 * (found.loglike + best.fun)

    for end in found.conf_int(0.1)[0, 1]:
        assert deviance(end) == pytest.approx(stats.chi2.isf(0.1, 1), rel=1e-5)
    wald = found.conf_int(0.1, method="wald")
    half = stats.norm.isf(0.05) * found.standard_errors
    np.testing.assert_allclose(wald[..., 0], found.params - half)
    X, y, _ = sample(3, 40)
    many = firth(X, y)
    np.testing.assert_array_equal(many.conf_int(), many.conf_int(method="wald"))
    assert (many.conf_int(method="profile")[..., 0] < many.params).all()


def test_summary_and_effects():
    X, y, weights = sample(2)
    found = firth(X, y, weights)
    assert found.summary().startswith("Binary logistic regression, Firth's penalised likelihood")
    frame = found.summary().to_frame()
    np.testing.assert_allclose(frame[["[0.025", "0.975]"]], found.conf_int()[0])
    effects = found.marginal_effects(discrete=None)
    p = oracle.probabilities(found.params, terms(X))
    slopes = weights @ (p[:, 1] * p[:, 0]) / weights.sum() * found.params[0, 1:]
    np.testing.assert_allclose(effects.effects[:, 1], slopes, rtol=1e-9)


def test_refusals():
    X, y, _ = sample(2)
    with pytest.raises(ValueError, match="leave out x2, which follows"):
        firth(np.column_stack([X, X[:, 0] + X[:, 1]]), y)
    with pytest.raises(ValueError, match="got x2 constant"):
        firth(np.column_stack([X, np.ones(len(X))]), y)
    found = firth(X, y)
    with pytest.raises(ValueError, match="method: expected one of profile, wald, got 'exact'"):
        found.conf_int(method="exact")
    with pytest.raises(ValueError, match="cov_type: expected the covariance as it is"):
        found.robust("HC0")
    plain = results(SoftmaxRegression(C=np.inf).fit(X[:, :1], y), X[:, :1], y)
    with pytest.raises(ValueError, match="compare: expected fits by the likelihood"):
        compare(plain, found)
    with pytest.raises(ValueError, match="expected a model as fit leaves it"):
        found.model.summary()
