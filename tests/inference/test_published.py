"""Against tables of Stata 11 that statsmodels' tests hold, and Newton's method with 40 digits.

Stata stops its iterations at seven or so digits, and takes derivatives numerically: where our
numbers are those of the exact maximum, its last printed digits need not be.
"""

import numpy as np
import pytest
from support import logit_oracle as oracle

from fastsoftmax import LogisticRegression, SoftmaxRegression, inference

datasets = pytest.importorskip("statsmodels.datasets")
tables = pytest.importorskip("statsmodels.discrete.tests.results.results_discrete")


def last_digit(value):
    """The unit of the last digit of a printed number, zeros at its end aside."""
    digits, _, power = repr(float(value)).partition("e")
    decimals = len(digits.partition(".")[2]) if not digits.endswith(".0") else 0
    return 10.0 ** (int(power or 0) - decimals)


def compare(found, printed, rtol):
    """Equal to all printed digits, or within rtol; how many are equal to all."""
    printed = np.ravel(printed).astype(float)
    off, units = np.abs(np.ravel(found) - printed), [last_digit(v) for v in printed]
    exact = off <= 0.5000001 * np.array(units)
    np.testing.assert_array_less(off[~exact], rtol * np.abs(printed[~exact]))
    return int(exact.sum())


def constant_last(found):
    """In Stata's order."""
    return np.roll(found, -1, axis=-1)


@pytest.fixture(scope="module")
def spector():
    data = datasets.spector.load_pandas()
    X, y = data.exog, data.endog.astype(int)
    return inference.results(LogisticRegression(C=np.inf).fit(X, y), X, y), X, y


@pytest.fixture(scope="module")
def anes():
    data = datasets.anes96.load_pandas()
    X, y = data.exog, data.endog.astype(int)
    return inference.results(SoftmaxRegression(C=np.inf).fit(X, y), X, y), X, y


@pytest.mark.parametrize("tol", [1e-2, 1e-6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("scale", "distance", "rtol"),
    [(1.0, 1.0, 1e-13), ([1e5, 1e-3, 1.0], 1.0, 1e-13), (1.0, 1e-5, 1e-9)],
)
def test_digits_of_coefficients(scale, distance, rtol, dtype, tol):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3))
    X[:, 1] = X[:, 0] + distance * X[:, 1]
    y = (X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(200, 3))).argmax(axis=1)
    X = (X * scale).astype(dtype)
    model = SoftmaxRegression(C=np.inf, reference_class=0, tol=tol).fit(X, y)
    found = np.column_stack([model.intercept_, model.coef_])[1:]
    exact, _ = oracle.exact_maximum(found, np.column_stack([np.ones(200), X.astype(float)]), y)
    np.testing.assert_allclose(found, exact, rtol=rtol)


@pytest.mark.parametrize("name", ["spector", "anes"])
def test_against_forty_digits(request, name):
    found, X, y = request.getfixturevalue(name)
    U = np.column_stack([np.ones(len(X)), X])
    params, errors = oracle.exact_maximum(found.params, U, y.to_numpy())
    np.testing.assert_array_less(np.abs(found.params - params), 1e-9 * errors)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-9)


def test_logit(spector):
    found, printed = spector[0], tables.Spector.logit
    frame = found.summary().to_frame()
    compare(constant_last(found.params), printed.params, 3e-7)
    compare(constant_last(found.standard_errors), printed.bse, 3e-7)
    compare(constant_last(frame["z"]), printed.z, 3e-7)
    compare(constant_last(frame["P>|z|"]), printed.pvalues, 1e-6)
    assert compare(np.roll(found.conf_int()[0], -1, axis=0), printed.conf_int, 1e-6) == 6
    cov = np.roll(found.cov_params(), (-1, -1), axis=(0, 1))
    compare(cov, printed.cov_params, 1e-6)
    assert found.loglike == pytest.approx(printed.llf, rel=1e-7)
    assert found.aic == pytest.approx(printed.aic, rel=1e-7)
    assert found.bic == pytest.approx(printed.bic, rel=1e-7)
    assert found.pseudo_r2s.mcfadden == pytest.approx(printed.prsquared, rel=2e-7)
    np.testing.assert_array_equal(found.pred_table(), printed.pred_table)


EFFECTS = {
    "nodummy_dydx": {"discrete": None},
    "nodummy_dydxmean": {"at": "mean", "discrete": None},
    "dummy_dydx": {},
    "dummy_dydxmean": {"at": "mean"},
}


@pytest.mark.parametrize("name", EFFECTS)
def test_marginal_effects_of_logit(spector, name):
    found = spector[0].marginal_effects(**EFFECTS[name])
    compare(found.effects[:, 1], getattr(tables.Spector.logit, f"margeff_{name}"), 1e-7)
    errors = getattr(tables.Spector.logit, f"margeff_{name}_se")
    assert compare(found.standard_errors[:, 1], errors, 1e-7) == 3
    np.testing.assert_allclose(found.effects[:, 0], -found.effects[:, 1], rtol=1e-12)


def test_mnlogit(anes):
    found, printed = anes[0], tables.Anes.mnlogit_basezero
    assert compare(constant_last(found.params), printed.params.T, 1e-6) >= 34
    assert compare(constant_last(found.standard_errors), printed.bse.T, 1e-8) >= 28
    assert compare(np.roll(found.conf_int(), -1, axis=1), printed.conf_int, 1e-6) == 72
    frame = found.summary().to_frame()
    compare(constant_last(frame["z"].to_numpy().reshape(6, 6)), printed.z.T, 1e-7)
    compare(constant_last(frame["P>|z|"].to_numpy().reshape(6, 6)), printed.pvalues.T, 3e-6)
    assert found.loglike == pytest.approx(printed.llf, rel=1e-10)
    assert found.aic == pytest.approx(printed.aic, rel=1e-10)
    assert found.bic == pytest.approx(printed.bic, rel=1e-10)
    assert found.pseudo_r2s.mcfadden == pytest.approx(printed.prsquared, rel=1e-9)


def test_marginal_effects_of_mnlogit(anes):
    found, X, y = anes
    printed = tables.Anes.mnlogit_basezero
    for at in ("overall", "mean"):
        effects = found.marginal_effects(at, discrete=None)
        compare(effects.effects, getattr(printed, f"margeff_dydx_{at}"), 1e-5)
        compare(effects.standard_errors, getattr(printed, f"margeff_dydx_{at}_se"), 3e-7)
    both = np.column_stack([X, datasets.anes96.load_pandas().data["vote"]])
    wider = inference.results(SoftmaxRegression(C=np.inf).fit(both, y), both, y)
    effects = wider.marginal_effects()  # vote is 0 or 1
    np.testing.assert_allclose(effects.effects, printed.margeff_dydx_dummy_overall, 0, 3e-7)
    model = SoftmaxRegression(C=np.inf, tol=1e-13).fit(both, y)
    on, off = (model.predict_proba(np.column_stack([X, np.full(len(X), v)])) for v in (1, 0))
    np.testing.assert_allclose(effects.effects[-1], (on - off).mean(axis=0), 0, 1e-7)
    compare(effects.standard_errors, printed.margeff_dydx_dummy_overall_se, 1e-6)


def test_likelihood_ratio_of_mnlogit(anes):
    """Of all slopes."""
    found, printed = anes[0], tables.Anes.mnlogit_basezero
    null = found.loglike / (1 - found.pseudo_r2s.mcfadden)
    assert 2 * (found.loglike - null) == pytest.approx(printed.llr, rel=1e-9)
