"""Covariances, effects, ratios and tests against statsmodels and plain NumPy."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse, stats
from support import logit_oracle as oracle

import fastsoftmax
from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression, inference
from fastsoftmax._linear.inference.hypotheses import not_spanned
from fastsoftmax._linear.inference.marginal_effects import Points
from fastsoftmax.inference import compare, results

KINDS = "nonrobust", "HC0", "HC1", "cluster"
FORMS = {
    "dense": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "fortran": np.asfortranarray,
    "sparse": sparse.csr_array,
}


def problem(k=3, n=300, d=3, seed=0):
    """Features, of which the last is 0 or 1, labels and whole weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32).astype(float)
    X[:, -1] = rng.integers(0, 2, n)
    y = np.argmax(X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k)), axis=1)
    return X, y, rng.integers(1, 4, n).astype(float)


def fitted(*rows, of=SoftmaxRegression, data=None, fit=None, **asked):
    """Results of a fit."""
    model = of(C=np.inf, **(fit or {})).fit(*rows)
    return results(model, *rows, **asked)


def terms(X):
    return np.column_stack([np.ones(len(X)), X])


def groups_of(n):
    return np.random.default_rng(5).integers(0, 40, n)


# --------------------------------------------------------------------------------- covariances


@pytest.mark.parametrize("cov_type", KINDS)
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("form", FORMS)
def test_covariances(form, k, cov_type):
    X, y, weights = problem(k)
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    found = fitted(FORMS[form](X), y, weights, cov_type=cov_type, groups=groups)
    expected = oracle.covariance(
        found.params, terms(X), np.eye(k)[y], weights, 0.0, cov_type, groups
    )
    np.testing.assert_allclose(found.cov_params(), expected, rtol=1e-7, atol=1e-12)
    errors = np.sqrt(np.diag(expected)).reshape(found.params.shape)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-7)


@pytest.mark.parametrize("cov_type", KINDS)
@pytest.mark.parametrize("of", [SoftmaxRegression, LogisticRegression])
def test_any_class_may_be_the_reference(of, cov_type):
    """The order of the labels is of no account."""
    X, y, weights = problem(3)
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    asked = {"cov_type": cov_type, "groups": groups}
    found = fitted(X, y, weights, of=of, reference_class=1, **asked)
    other = fitted(X, np.array([1, 0, 2])[y], weights, of=of, **asked)
    assert found.compared == [0, 2]
    np.testing.assert_allclose(found.params, other.params, atol=1e-9)
    np.testing.assert_allclose(found.cov_params(), other.cov_params(), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(
        found.marginal_effects().standard_errors,
        other.marginal_effects().standard_errors[:, [1, 0, 2]],
        rtol=1e-7,
    )


@pytest.mark.parametrize("cov_type", KINDS)
def test_two_classes_against_either(cov_type):
    X, y, weights = problem(2)
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    asked = {"cov_type": cov_type, "groups": groups}
    one = fitted(X, y, weights, of=LogisticRegression, **asked)
    other = fitted(X, y, weights, of=LogisticRegression, reference_class=1, **asked)
    np.testing.assert_allclose(one.params, -other.params)
    np.testing.assert_allclose(one.cov_params(), other.cov_params())
    effects = [found.marginal_effects() for found in (one, other)]
    np.testing.assert_allclose(effects[0].effects, effects[1].effects)
    np.testing.assert_allclose(effects[0].standard_errors, effects[1].standard_errors)
    assert "0 against 1" in other.summary()


@pytest.mark.parametrize("cov_type", KINDS)
@pytest.mark.parametrize("k", [2, 3])
def test_rows_of_weight_three_are_three_rows(k, cov_type):
    X, y, weights = problem(k)
    times, groups = weights.astype(int), groups_of(len(y))
    asked = {"cov_type": cov_type}
    repeated = np.repeat(X, times, axis=0), np.repeat(y, times)
    one = fitted(X, y, weights, **asked, groups=groups if cov_type == "cluster" else None)
    all_groups = np.repeat(groups, times) if cov_type == "cluster" else None
    other = fitted(*repeated, **asked, groups=all_groups)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-8, atol=1e-12)
    for at in ("overall", "mean"):
        ours, theirs = (found.marginal_effects(at) for found in (one, other))
        np.testing.assert_allclose(ours.effects, theirs.effects, atol=1e-10)
        np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors, rtol=1e-8)
    np.testing.assert_allclose(one.pred_table(), other.pred_table())
    assert one.pseudo_r2s == pytest.approx(other.pseudo_r2s)


@pytest.mark.parametrize("cov_type", KINDS)
@pytest.mark.parametrize("k", [2, 3])
def test_counts_are_events_of_their_own(k, cov_type):
    X, _, weights = problem(k, 80)
    counts = np.random.default_rng(1).integers(0, 4, (len(X), k))
    counts[:, 0] += 1
    each = counts.sum(axis=1)
    labels = np.repeat([np.arange(k)] * len(X), counts.ravel())
    groups = np.arange(len(X)) % 25
    by_group = cov_type == "cluster"
    one = fitted(X, counts, weights, cov_type=cov_type, groups=groups if by_group else None)
    other = fitted(
        np.repeat(X, each, axis=0), labels, np.repeat(weights, each), cov_type=cov_type,
        groups=np.repeat(groups, each) if by_group else None,
    )  # fmt: skip
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(one.pred_table(), other.pred_table())


@pytest.mark.parametrize("k", [2, 3])
def test_probabilities_are_one_observation_per_row(k):
    """The robust covariance of fractional responses."""
    X, _, _ = problem(k)
    Y = np.random.default_rng(0).dirichlet(np.full(k, 2.0), len(X))
    found = fitted(X, Y, cov_type="HC0")
    expected = oracle.covariance(found.params, terms(X), Y, cov_type="HC0")
    np.testing.assert_allclose(found.cov_params(), expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("cov_type", KINDS)
@pytest.mark.parametrize("k", [2, 3])
def test_offset(k, cov_type):
    X, y, weights = problem(k)
    known = np.random.default_rng(1).normal(size=(len(X), k))
    known[:, 0] = 0
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    offset = known[:, 1] if k == 2 else known
    model = SoftmaxRegression(C=np.inf).fit(X, y, weights, offset=offset)
    found = results(model, X, y, weights, offset=offset, cov_type=cov_type, groups=groups)
    sample = terms(X), np.eye(k)[y], weights, known, cov_type, groups
    expected = oracle.covariance(found.params, *sample)
    np.testing.assert_allclose(found.cov_params(), expected, rtol=1e-7, atol=1e-12)
    effects = found.marginal_effects(discrete=None)
    ours = oracle.delta_method(derivatives(X, weights, known), found.params, expected)
    np.testing.assert_allclose(effects.effects, ours[0], atol=1e-9)
    np.testing.assert_allclose(effects.standard_errors, ours[1], rtol=1e-6)


@pytest.mark.parametrize("cov_type", KINDS)
def test_without_intercept(cov_type):
    X, y, _ = problem()
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    found = fitted(X, y, fit={"fit_intercept": False}, cov_type=cov_type, groups=groups)
    assert found.terms == ["x0", "x1", "x2"]
    expected = oracle.covariance(found.params, X, np.eye(3)[y], None, 0.0, cov_type, groups)
    np.testing.assert_allclose(found.cov_params(), expected, rtol=1e-7, atol=1e-12)
    effects = found.marginal_effects()
    assert effects.features == ["x0", "x1", "x2"]
    np.testing.assert_allclose(effects.effects.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("cov_type", KINDS)
def test_features_of_any_scale(cov_type):
    X, y, _ = problem()
    scales, shift = np.array([1e-6, 1e4, 1.0]), np.array([0, 1e7, 0.0])
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    asked = {"cov_type": cov_type, "groups": groups}
    plain, scaled = fitted(X, y, **asked), fitted(X * scales + shift, y, **asked)
    np.testing.assert_allclose(
        scaled.standard_errors[:, 1:] * scales, plain.standard_errors[:, 1:], rtol=1e-6
    )


def test_many_rows_in_pieces():
    X, y, weights = problem(4, 90_000, 8)
    groups = np.arange(len(y)) % 977
    for cov_type in KINDS:
        known = groups if cov_type == "cluster" else None
        found = fitted(X, y, weights, cov_type=cov_type, groups=known)
        expected = oracle_sums(found.params, X, y, weights, cov_type, known)
        np.testing.assert_allclose(found.cov_params(), expected, rtol=1e-6, atol=1e-13)


def oracle_sums(B, X, y, weights, cov_type, groups):
    """As the oracle, without a loop over rows."""
    U, Y = terms(X), np.eye(len(B) + 1)[y]
    inverse = oracle.covariance(B, U, Y, weights)
    S, n, p = oracle.scores(B, U, Y), weights.sum(), B.size
    if cov_type == "nonrobust":
        return inverse
    if cov_type == "cluster":
        totals = np.zeros((groups.max() + 1, p))
        np.add.at(totals, groups, S * weights[:, None])
        G = len(totals)
        return inverse @ (totals.T @ totals) @ inverse * G / (G - 1) * (n - 1) / (n - p)
    meat = (S * weights[:, None]).T @ S
    return inverse @ meat @ inverse * (n / (n - p) if cov_type == "HC1" else 1)


def test_blocks_of_rows():
    X, y, weights = problem()
    parts = [(X[i : i + 45], y[i : i + 45], weights[i : i + 45]) for i in range(0, len(X), 45)]
    model = SoftmaxRegression(C=np.inf).fit(X, y, weights)
    one, other = (results(model, *given, cov_type="HC1") for given in
                  ((Blocks(parts),), (X, y, weights)))  # fmt: skip
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-9, atol=1e-13)
    ours, theirs = one.marginal_effects(), other.marginal_effects()
    np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors, rtol=1e-9)


# ------------------------------------------------------------------------------------ statsmodels


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "cluster"])
def test_statsmodels(k, cov_type):
    """Whose "HC1" of discrete models is HC0."""
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = problem(k)
    groups = groups_of(len(y))
    by_group = cov_type == "cluster"
    kind = api.Logit if k == 2 else api.MNLogit
    asked = {"cov_kwds": {"groups": groups}} if by_group else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its own keywords
        theirs = kind(y, terms(X)).fit(
            disp=0, method="newton", tol=1e-12, cov_type=cov_type, **asked
        )
    found = fitted(X, y, cov_type=cov_type, groups=groups if by_group else None)
    np.testing.assert_allclose(found.cov_params(), theirs.cov_params(), rtol=1e-5, atol=1e-9)
    for at in ("overall", "mean"):
        for dummy in (True, False):
            effects = theirs.get_margeff(at=at, dummy=dummy)
            ours = found.marginal_effects(at, discrete="auto" if dummy else None)
            columns = [1] if k == 2 else slice(None)
            shape = ours.effects[:, columns].shape
            np.testing.assert_allclose(
                ours.effects[:, columns], effects.margeff.reshape(shape), atol=1e-9
            )
            np.testing.assert_allclose(
                ours.standard_errors[:, columns], effects.margeff_se.reshape(shape), rtol=1e-6
            )
    np.testing.assert_array_equal(found.pred_table(), theirs.pred_table())
    R = np.eye(found.params.size)[[1, 2]]
    test = theirs.wald_test(R, scalar=True, use_f=False)
    ours = found.wald_test(R)
    assert ours.statistic == pytest.approx(float(test.statistic), rel=1e-6)
    assert ours.p_value == pytest.approx(float(test.pvalue), rel=1e-6)


# ------------------------------------------------------------------------------- marginal effects


def derivatives(X, weights, offset=0.0, fit_intercept=True):
    """Of B, for complex steps: means of the changes of the probabilities per unit of X."""

    def effects(B):
        h, found = 1e-5, []
        for j in range(X.shape[1]):
            # of fourth order, as a complex step is taken by B
            ends = []
            for step in (-2, -1, 1, 2):
                moved = X.copy()
                moved[:, j] += step * h
                U = terms(moved) if fit_intercept else moved
                ends.append(weights @ oracle.probabilities(B, U, offset) / weights.sum())
            found.append((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h))
        return np.array(found)

    return effects


def differences(X, weights, columns):
    """Of B: means of the differences between a feature's being 1 and 0, or x + 1 and x."""

    def effects(B):
        found = []
        for j, binary in columns.items():
            high, low = X.copy(), X.copy()
            high[:, j] = 1 if binary else X[:, j] + 1
            low[:, j] = 0 if binary else X[:, j]
            P = oracle.probabilities(B, terms(high)) - oracle.probabilities(B, terms(low))
            found.append(weights @ P / weights.sum())
        return np.array(found)

    return effects


@pytest.mark.parametrize("cov_type", ["nonrobust", "cluster"])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("form", FORMS)
def test_average_effects(form, k, cov_type):
    X, y, weights = problem(k)
    groups = groups_of(len(y)) if cov_type == "cluster" else None
    found = fitted(FORMS[form](X), y, weights, cov_type=cov_type, groups=groups)
    V = found.cov_params()
    effects = found.marginal_effects(discrete=None)
    expected = oracle.delta_method(derivatives(X, weights), found.params, V)
    np.testing.assert_allclose(effects.effects, expected[0], atol=1e-9)
    np.testing.assert_allclose(effects.standard_errors, expected[1], rtol=1e-6)
    effects = found.marginal_effects(discrete=["x1", "x2"])
    expected = oracle.delta_method(differences(X, weights, {1: False, 2: True}), found.params, V)
    np.testing.assert_allclose(effects.effects[1:], expected[0], atol=1e-12)
    np.testing.assert_allclose(effects.standard_errors[1:], expected[1], rtol=1e-9)


@pytest.mark.parametrize("k", [2, 3])
def test_effects_at_means(k):
    X, y, weights = problem(k)
    found = fitted(X, y, weights)
    mean = np.average(X, axis=0, weights=weights)[None]
    effects, one = found.marginal_effects("mean"), np.ones(1)
    expected = oracle.delta_method(derivatives(mean, one), found.params, found.cov_params())
    np.testing.assert_allclose(effects.effects[:2], expected[0][:2], atol=1e-9)
    np.testing.assert_allclose(effects.standard_errors[:2], expected[1][:2], rtol=1e-6)
    expected = oracle.delta_method(
        differences(mean, one, {2: True}), found.params, found.cov_params()
    )
    np.testing.assert_allclose(effects.effects[2:], expected[0], atol=1e-12)
    np.testing.assert_allclose(effects.standard_errors[2:], expected[1], rtol=1e-9)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("form", [*FORMS, "blocks"])
def test_effects_are_of_x_as_it_was_passed(form, fit_intercept, k):
    rng, n = np.random.default_rng(0), 6000 if form == "sparse" else 3000  # a small one is dense
    X = rng.normal(size=(n, 12)).astype(np.float32) * (rng.random((n, 12)) < 0.05)
    X[:, 6:] = X[:, 6:] != 0
    y, scale = rng.integers(k, size=n), rng.uniform(0.1, 3, 12)
    some = FORMS["sparse" if form == "blocks" else form](X.astype(np.float32))
    blocks = Blocks([(some[i : i + 450], y[i : i + 450]) for i in range(0, n, 450)])
    given = (blocks,) if form == "blocks" else (some, y)
    plain = {"fit_intercept": fit_intercept}
    ours = fitted(*given, fit=plain | {"feature_scale": scale})
    theirs = fitted(X.astype(float), y, fit=plain)
    first = int(fit_intercept)
    np.testing.assert_allclose(ours.params[:, first:] * scale, theirs.params[:, first:], rtol=1e-9)
    errors = ours.standard_errors[:, first:] * scale  # they belong to the coefficients
    np.testing.assert_allclose(errors, theirs.standard_errors[:, first:], rtol=1e-9)
    for asked in ({}, {"discrete": None}, {"discrete": ["x0", "x7"]}, {"at": "mean"}):
        effects, expected = ours.marginal_effects(**asked), theirs.marginal_effects(**asked)
        np.testing.assert_allclose(effects.effects, expected.effects, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(effects.standard_errors, expected.standard_errors, rtol=1e-8)
    np.testing.assert_array_equal(ours.pred_table(), theirs.pred_table())


def test_intervals_and_table_of_effects():
    X, y, _ = problem()
    effects = fitted(X, y).marginal_effects()
    half = stats.norm.isf(0.05) * effects.standard_errors
    np.testing.assert_allclose(effects.conf_int(0.1)[..., 0], effects.effects - half)
    frame = effects.summary(0.1).to_frame()
    assert list(frame.columns) == ["effect", "std err", "z", "P>|z|", "[0.05", "0.95]"]
    np.testing.assert_allclose(frame.loc[1, "effect"], effects.effects[:, 1])
    np.testing.assert_allclose(frame.loc[(2, "x1"), "0.95]"], (effects.effects + half)[1, 2])
    assert "probability of 2" in effects.summary()


# ------------------------------------------------------------------------- ratios, tests, measures


def test_ratios():
    """Of a table of two by two: the odds ratio ad / bc, its logarithm's variance Σ 1 / count."""
    X, y = np.repeat([[0.0], [1.0]], [30, 25], axis=0), np.repeat([0, 1, 0, 1], [20, 10, 7, 18])
    found = fitted(X, y, of=LogisticRegression)
    ratio, error = 20 * 18 / (10 * 7), np.sqrt(1 / 20 + 1 / 10 + 1 / 7 + 1 / 18)
    ratios = found.ratios(0.1)
    assert ratios.ratios[0, 1] == pytest.approx(ratio, rel=1e-10)
    half = np.exp(stats.norm.isf(0.05) * error)
    np.testing.assert_allclose(ratios.intervals[0, 1], [ratio / half, ratio * half], rtol=1e-9)
    frame = found.summary(0.1, ratios=True).to_frame()
    row = frame.loc[(1, "x0")]
    z = np.log(ratio) / error
    expected = [ratio, ratio * error, z, 2 * stats.norm.sf(z), ratio / half, ratio * half]
    np.testing.assert_allclose(row, expected, rtol=1e-8)


def test_wald_tests():
    X, y, _ = problem(4)
    found = fitted(X, y, cov_type="HC0")
    V = found.cov_params().reshape(3, 4, 3, 4)[:, [1, 3]][:, :, :, [1, 3]].reshape(6, 6)
    c = found.params[:, [1, 3]].ravel() - 0.5
    test = found.wald_test(["x0", "x2"], 0.5)
    statistic = c @ np.linalg.solve(V, c)
    assert test.statistic == pytest.approx(statistic, rel=1e-9)
    assert test.df == 6
    assert test.p_value == pytest.approx(stats.chi2.sf(statistic, 6), rel=1e-9)
    one, at = found.wald_test("x1"), found.params[:, 2]
    of_one = found.cov_params().reshape(3, 4, 3, 4)[:, 2, :, 2]
    assert one.df == 3
    assert one.statistic == pytest.approx(at @ np.linalg.solve(of_one, at), rel=1e-9)
    assert found.wald_test(np.eye(12)[2]).df == 1


def test_likelihood_ratio_tests():
    X, y, weights = problem(3)
    large, small = fitted(X, y, weights), fitted(X[:, :1], y, weights)
    test = compare(small, large)
    assert test.statistic == pytest.approx(2 * (large.loglike - small.loglike))
    assert test.df == 4
    assert test.p_value == pytest.approx(stats.chi2.sf(test.statistic, 4), rel=1e-9)
    known = {"C": np.inf, "reference_class": 0}
    models = [SoftmaxRegression(**known).fit(some, y, weights) for some in (X[:, :1], X)]
    assert compare(*models) == pytest.approx(test)
    assert compare(models[0], large) == pytest.approx(test)


def test_pseudo_r2s():
    X, y, _ = problem()
    found = fitted(X, y)
    shares = np.bincount(y) / len(y)
    null, n = len(y) * shares @ np.log(shares), len(y)
    r2 = found.pseudo_r2s
    assert r2.mcfadden == pytest.approx(1 - found.loglike / null)
    cox_snell = 1 - np.exp(null - found.loglike) ** (2 / n)
    assert r2.cox_snell == pytest.approx(cox_snell)
    assert r2.nagelkerke == pytest.approx(cox_snell / (1 - np.exp(null) ** (2 / n)))
    assert found.aic == pytest.approx(2 * 8 - 2 * found.loglike)
    assert found.bic == pytest.approx(8 * np.log(n) - 2 * found.loglike)


def test_table_of_predictions():
    X, y, weights = problem(3)
    model = SoftmaxRegression(C=np.inf).fit(X, y, weights)
    expected = np.zeros((3, 3))
    np.add.at(expected, (y, model.predict(X)), weights)
    np.testing.assert_array_equal(results(model, X, y, weights).pred_table(), expected)


def test_summary():
    pandas = pytest.importorskip("pandas")
    X, y, _ = problem()
    frame = pandas.DataFrame(X, columns=["age", "height", "car"])
    labels = np.array(["low", "middle", "high"])[y]
    found = fitted(frame, labels, reference_class="low", cov_type="HC1")
    assert found.terms == ["(Intercept)", "age", "height", "car"]
    text = found.summary(0.1)
    assert f"{'Covariance':24}{'HC1':>16}" in text.splitlines()
    table = text.to_frame()
    assert table.index.names == ["class", "term"]
    assert table.index[0] == ("high", "(Intercept)")
    np.testing.assert_allclose(table["coef"], found.params.ravel())
    np.testing.assert_allclose(table["std err"], found.standard_errors.ravel())
    np.testing.assert_allclose(table[["[0.05", "0.95]"]], found.conf_int(0.1).reshape(-1, 2))
    z = found.params / found.standard_errors
    np.testing.assert_allclose(table["P>|z|"], 2 * stats.norm.sf(np.abs(z.ravel())), rtol=1e-9)
    again = pickle.loads(pickle.dumps(text))
    assert again == text
    assert again.to_frame().equals(table)
    model = SoftmaxRegression(C=np.inf, reference_class="low").fit(frame, labels)
    plain = model.summary().to_frame()
    np.testing.assert_allclose(plain["coef"], found.params.ravel(), rtol=1e-9)


def test_robust_leaves_the_rest():
    X, y, _ = problem()
    plain = fitted(X, y)
    other = plain.robust("HC0")
    assert (plain.cov_type, other.cov_type) == ("nonrobust", "HC0")
    assert other.params is plain.params
    np.testing.assert_allclose(other.robust("nonrobust").cov_params(), plain.cov_params())
    again = fitted(X, y, cov_type="HC0")
    np.testing.assert_array_equal(again.cov_params(), other.cov_params())


# ---------------------------------------------------------------------------- dependent features


def test_what_to_leave_out_of_dependent_features():
    """Two factors with a column for each level: one of each, not one alone."""
    rng = np.random.default_rng(0)
    first, second, y = rng.integers(0, 3, 400), rng.integers(0, 4, 400), rng.integers(0, 3, 400)
    X = np.column_stack([np.eye(3)[first], np.eye(4)[second], rng.normal(size=400)])
    model = SoftmaxRegression(C=np.inf, reference_class=0).fit(X, y)
    with pytest.raises(ValueError, match="leave out x2 and x6, which follow from those before"):
        model.summary()
    kept = np.delete(X, [2, 6], axis=1)
    assert SoftmaxRegression(C=np.inf, reference_class=0).fit(kept, y).summary()
    with pytest.raises(ValueError, match=r"inference: .* leave out x2 and x6, which"):
        results(model, X, y)
    bare = SoftmaxRegression(C=np.inf, reference_class=0, fit_intercept=False).fit(X, y)
    with pytest.raises(ValueError, match="leave out x6, which follows from those before"):
        bare.summary()


# -------------------------------------------------------------------------------------- refusals


def test_refusals():
    X, y, _ = problem()
    good = SoftmaxRegression(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match=r"without penalty \(C=np.inf\), got C=1"):
        results(SoftmaxRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="one that was fitted to these rows"):
        results(good, X, np.roll(y, 1))
    with pytest.raises(ValueError, match="one that was fitted to these rows"):
        results(good, X, y, np.where(y == 0, 9.0, 1.0))
    with pytest.raises(TypeError, match="model: expected a SoftmaxRegression or a Logistic"):
        results(fastsoftmax.MLPClassifier(), X, y)
    with pytest.raises(TypeError, match=r"model: expected a .*, got SoftmaxRegressionCV"):
        results(fastsoftmax.SoftmaxRegressionCV([1.0, np.inf], cv=2).fit(X, y), X, y)
    with pytest.raises(ValueError, match="not fitted"):
        results(SoftmaxRegression(C=np.inf), X, y)
    with pytest.raises(ValueError, match="reference_class: expected"):
        results(good, X, y, reference_class=7)
    several = LogisticRegression(C=np.inf).fit(X, np.column_stack([y == 0, y == 1]).astype(int))
    with pytest.raises(ValueError, match="one label per row, got several"):
        results(several, X, np.column_stack([y == 0, y == 1]).astype(int))
    weighted = SoftmaxRegression(C=np.inf, class_weight="balanced").fit(X, y)
    with pytest.raises(ValueError, match="without class_weight"):
        results(weighted, X, y)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cov_type": "HC4"}, "cov_type: expected one of nonrobust, HC0, HC1, cluster, got 'HC4'"),
        ({"cov_type": "cluster"}, "groups: expected the group of each row for cov_type='cluster'"),
        ({"cov_type": "HC0", "groups": [1]}, "groups: expected None for cov_type='HC0'"),
        ({"cov_type": "cluster", "groups": [1, 2]}, r"groups: expected shape \(300,\), got \(2,"),
        ({"cov_type": "cluster", "groups": np.ones(300)}, "at least two groups, got one"),
        ({"cov_type": "cluster", "groups": np.full(300, np.nan)}, "got missing values"),
    ],
)
def test_covariances_that_are_not_there(asked, said):
    X, y, _ = problem()
    model = SoftmaxRegression(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match=said):
        results(model, X, y, **asked)


def test_groups_may_be_strings():
    X, y, _ = problem()
    numbers = groups_of(len(y))
    names = np.array([f"school {g}" for g in numbers])
    one = fitted(X, y, cov_type="cluster", groups=names)
    other = fitted(X, y, cov_type="cluster", groups=numbers)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-12)


def test_names_that_are_not_there():
    X, y, _ = problem()
    found = fitted(X, y)
    for ask in (
        lambda: found.wald_test("x7"),
        lambda: found.wald_test(["x0", "x7"]),
        lambda: found.marginal_effects(discrete=["x7"]),
    ):
        with pytest.raises(
            ValueError, match=r"(terms|discrete): expected some of .*x1.*, got 'x7'"
        ):
            ask()
    with pytest.raises(ValueError, match="at: expected one of overall, mean, got 'median'"):
        found.marginal_effects("median")
    with pytest.raises(ValueError, match="none follows from others, got 1 such"):
        found.wald_test(np.eye(8)[[1, 1]])
    with pytest.raises(ValueError, match="matrix of 8 finite columns"):
        found.wald_test(np.eye(3))
    with pytest.raises(ValueError, match="values: expected a finite number or 2"):
        found.wald_test("x0", [1, 2, 3])
    few = found.robust("cluster", np.arange(300) % 3)
    with pytest.raises(ValueError, match="a covariance by cluster has fewer than"):
        few.wald_test(["x0", "x1", "x2"])


def test_models_that_are_not_nested():
    X, y, weights = problem()
    large, small = fitted(X, y), fitted(X[:, :1], y)
    with pytest.raises(ValueError, match="a model within a larger one"):
        compare(large, small)
    with pytest.raises(ValueError, match="of the same rows, got 300 and 577"):
        compare(small, fitted(X, y, weights))
    with pytest.raises(ValueError, match="of the same classes"):
        compare(small, fitted(X, y + 1))
    with pytest.raises(TypeError, match="small: expected results of inference"):
        compare(3, large)
    with pytest.raises(ValueError, match="inference: expected a fit without penalty"):
        compare(SoftmaxRegression().fit(X, y), large)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_what_a_larger_model_spans_does_not_depend_on_units(unit):
    r = np.random.default_rng(0)
    large = np.column_stack([np.ones(50), r.normal(size=(50, 2))])
    within, beyond = large @ [1, 2, 3], r.normal(size=50)
    small = np.column_stack([np.ones(50), unit * within, unit * beyond])
    none, ones = np.zeros((50, 1)), np.ones(50)
    of_small, of_large = ([Points(slice(50), U, none, ones)] for U in (small, large))
    assert not_spanned(lambda: of_small, lambda: of_large) == [2]


def test_public_names():
    assert set(inference.__all__) >= {"Results", "compare", "results"}


def test_names_may_be_in_an_array():
    X, y, _ = problem()
    found = fitted(X, y)
    names = np.array(["x0", "x2"])
    for given in (names, names.astype(object), tuple(names)):
        assert found.wald_test(given) == found.wald_test(["x0", "x2"])
    discrete = found.marginal_effects(discrete=names).effects
    np.testing.assert_array_equal(discrete, found.marginal_effects(discrete=list(names)).effects)
    none = found.marginal_effects(discrete=[]).effects
    np.testing.assert_array_equal(none, found.marginal_effects(discrete=None).effects)
    for terms, values, said in (
        ([["x0", "x1"]], 0, r"terms: expected names, or a matrix of 8 finite columns.*\['x0'"),
        (np.full((1, 8), np.nan), 0, "terms: .* got NaN or infinity"),
        ("x0", "x", "values: expected a finite number or 2, got 'x'"),
    ):
        with pytest.raises(ValueError, match=said):
            found.wald_test(terms, values)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1"])
def test_errors_of_effects_of_features_with_means_of_1e9_deviations(cov_type):
    X, y, _ = problem()
    X = X[:, :2].round(3) + 1e9
    near = X - 1e9  # exactly
    ours, theirs = (fitted(features, y, cov_type=cov_type) for features in (X, near))
    for asked in ({}, {"at": "mean"}, {"discrete": ["x0"]}):
        far, of_near = ours.marginal_effects(**asked), theirs.marginal_effects(**asked)
        np.testing.assert_allclose(far.effects, of_near.effects, rtol=1e-4)
        np.testing.assert_allclose(far.standard_errors, of_near.standard_errors, rtol=1e-4)


def test_features_of_frames_tell_what_is_nested():
    pandas = pytest.importorskip("pandas")
    X, y, _ = problem()
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = {
        names: SoftmaxRegression(C=np.inf, reference_class=0).fit(frame[list(names)], y)
        for names in ("a", "bc", "ab")
    }
    assert compare(model["a"], model["ab"]).df == 2
    with pytest.raises(ValueError, match=r"compare: .* got a in the small one, not in the large"):
        compare(model["a"], model["bc"])
    rows = [results(model[names], frame[list(names)], y) for names in ("a", "ab", "bc")]
    assert compare(rows[0], rows[1]) == pytest.approx(compare(rows[0], model["ab"]))
    with pytest.raises(ValueError, match=r"compare: .* got a in the small one, which no combin"):
        compare(rows[0], rows[2])
