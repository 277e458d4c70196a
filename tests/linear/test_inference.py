"""Standard errors and the like, against published tables, statsmodels and derivatives by NumPy."""

import csv
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.exceptions import ConvergenceWarning
from support.problems import softmax_rows

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression
from fastsoftmax._engine.data import DenseData


def table(data_folder, name, delimiter=",", quotechar='"'):
    """Columns of a file, by name."""
    with open(data_folder / "stat-reference" / name, newline="") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter, quotechar=quotechar))
    return {column: np.array([row[column] for row in rows]) for column in rows[0]}


def unpenalised(X, y, reference, *fitted, **params):
    model = SoftmaxRegression(C=np.inf, reference_class=reference, **params)
    return model.fit(X, y, *fitted)


def problem(k=3, n=300, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return *softmax_rows(n, d, k, rng), rng.integers(1, 4, n).astype(float)


def stacked(estimates, free):
    """Rows of intercept and coefficients."""
    return np.column_stack([estimates.intercept[free], estimates.coef[free]])


# ------------------------------------------------------------------------------ published tables


def test_anes96(data_folder):
    """Log-likelihoods of statsmodels' own results, which agree with Stata's."""
    columns = table(data_folder, "anes96.csv", "\t", "'")
    given = {name: columns[name].astype(float) for name in columns}
    X = np.column_stack(
        [np.log(given["popul"] + 0.1), *(given[c] for c in ("selfLR", "age", "educ", "income"))]
    )
    model = unpenalised(X, given["PID"].astype(int), 0)
    assert model.loglike == pytest.approx(-1461.922747312, rel=1e-10)
    null = model.loglike / (1 - model.pseudo_r2)
    assert null == pytest.approx(-1750.34670999, rel=1e-10)
    assert model.aic == pytest.approx(2 * 36 + 2 * 1461.922747312, rel=1e-9)
    assert model.bic == pytest.approx(36 * np.log(944) + 2 * 1461.922747312, rel=1e-9)


def test_hsbdemo(data_folder):
    """R: multinom(prog ~ ses + write)."""
    columns = table(data_folder, "hsbdemo.csv", ";")
    ses = columns["ses"]
    X = np.column_stack([ses == "middle", ses == "high", columns["write"].astype(float)])
    model = unpenalised(X.astype(float), columns["prog"], "academic")
    assert model.classes_.tolist() == ["academic", "general", "vocation"]
    coef = [
        [2.8521862, -0.533291, -1.162832, -0.0579284],
        [5.2182002, 0.2913931, -0.9826703, -0.1136026],
    ]
    errors = [
        [1.166441, 0.4437323, 0.5142196, 0.02141097],
        [1.163552, 0.4763739, 0.5955665, 0.02221996],
    ]
    found = np.column_stack([model.intercept_, model.coef_])
    np.testing.assert_allclose(found[1:], coef, rtol=1e-4)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_allclose(stacked(model.standard_errors_, [1, 2]), errors, rtol=1e-4)
    np.testing.assert_array_equal(stacked(model.standard_errors_, [0]), 0)
    assert model.loglike == pytest.approx(-179.981726, abs=1e-6)
    assert model.aic == pytest.approx(375.9635, abs=1e-4)


HOUSING = {
    "Medium": [-0.4192316, 0.4464003, 0.6649367, -0.4356851, 0.1313663, -0.6665728, 0.3608513],
    "High": [-0.1387453, 0.7348626, 1.6126294, -0.7356261, -0.4079808, -1.4123333, 0.4818236],
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, bool])
def test_housing_weighted_by_frequencies(data_folder, dtype):
    """R: MASS, multinom(Sat ~ Infl + Type + Cont, weights = Freq)."""
    given = table(data_folder, "MASS_housing.csv")
    levels = [("Infl", ("Medium", "High")), ("Type", ("Apartment", "Atrium", "Terrace"))]
    levels.append(("Cont", ("High",)))
    X = np.column_stack([given[name] == level for name, some in levels for level in some])
    model = unpenalised(X.astype(dtype), given["Sat"], "Low", given["Freq"].astype(float))
    for label, coef in HOUSING.items():
        row = model.classes_.tolist().index(label)
        found = np.append(model.intercept_[row], model.coef_[row])
        np.testing.assert_allclose(found, coef, rtol=1e-4)
    assert model.loglike == pytest.approx(-1735.041933, abs=1e-6)
    assert model.aic == pytest.approx(3498.084, abs=1e-3)
    assert model.bic == pytest.approx(14 * np.log(1681) + 2 * 1735.041933, abs=1e-5)


# ------------------------------------------------------------------ the information, independently


def gradient(theta, U, Y, weights, offset):
    """Of the log-likelihood by the coefficients (m, q) of the classes after the first."""
    z = np.einsum("nq,mq->nm", U, theta.reshape(Y.shape[1] - 1, -1))
    z = np.column_stack([np.zeros(len(U)), z]) + offset
    e = np.exp(z - z.real.max(axis=1, keepdims=True))
    residuals = Y - e / e.sum(axis=1, keepdims=True)
    return np.einsum("n,nm,nq->mq", weights, residuals[:, 1:], U).ravel()


def covariance(theta, *sample):
    """The inverse of the Hessian, by complex steps."""
    size, h = theta.size, 1e-30
    columns = [gradient(theta + 1j * h * row, *sample).imag / h for row in np.eye(size)]
    return np.linalg.inv(-np.column_stack(columns))


FORMS = {
    "dense": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "fortran": np.asfortranarray,
    "sparse": sparse.csr_array,
}


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("form", FORMS)
def test_information_and_gradient_by_complex_steps(form, k, fit_intercept):
    X, y, weights = problem(k)
    X = X.astype(np.float16).astype(float)  # the same numbers in all forms
    model = unpenalised(FORMS[form](X), y, 0, weights, fit_intercept=fit_intercept)
    U = np.column_stack([np.ones(len(X)), X]) if fit_intercept else X
    free = [0] if k == 2 else range(1, k)
    full = np.column_stack([model.intercept_, model.coef_])[free]
    theta = (full if fit_intercept else full[:, 1:]).ravel()
    sample = U, np.eye(k)[y], weights, np.zeros((len(X), k))
    assert np.abs(gradient(theta, *sample)).max() < 1e-9 * len(X)  # all digits, whatever tol is
    expected = covariance(theta, *sample)
    np.testing.assert_allclose(model.cov_params(), expected, rtol=1e-7, atol=1e-12)
    errors = stacked(model.standard_errors_, free)[:, not fit_intercept :]
    np.testing.assert_allclose(errors.ravel(), np.sqrt(np.diag(expected)), rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    k=st.integers(2, 6),
    d=st.integers(1, 6),
    n=st.integers(60, 400),
    step=st.integers(1, 3),
    dtype=st.sampled_from([np.float64, np.float32, np.int8, np.uint16]),
    seed=st.integers(0, 1000),
)
def test_any_shape(k, d, n, step, dtype, seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 9, (n * step, d)).astype(dtype)[::step]
    y = np.append(rng.integers(0, k, n - k), np.arange(k))
    weights = rng.uniform(0.5, 3, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of separated classes
        model = unpenalised(X, y, 0, weights)
    assume(hasattr(model, "aic"))
    theta = np.column_stack([model.intercept_, model.coef_])[1 if k > 2 else 0 :].ravel()
    U = np.column_stack([np.ones(n), X.astype(float)])
    expected = covariance(theta, U, np.eye(k)[y], weights, np.zeros((n, k)))
    errors = np.sqrt(np.diag(model.cov_params()))
    np.testing.assert_allclose(errors, np.sqrt(np.diag(expected)), rtol=1e-6)


def test_features_of_any_scale():
    X, y, _ = problem()
    scales, shift = np.array([1e-6, 1e4, 1.0]), np.array([0, 1e7, 2000.0])
    plain = unpenalised(X, y, 0).standard_errors_
    scaled = unpenalised(X * scales + shift, y, 0).standard_errors_
    np.testing.assert_allclose(scaled.coef * scales, plain.coef, rtol=1e-6)


@pytest.mark.parametrize("k", [2, 3])
def test_rows_of_weight_three_are_three_rows(k):
    X, y, weights = problem(k)
    again = weights.astype(int)
    one = unpenalised(X, y, 1, weights)
    other = unpenalised(np.repeat(X, again, axis=0), np.repeat(y, again), 1)
    for name in ("loglike", "aic", "bic", "pseudo_r2"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-9)


@pytest.mark.parametrize("k", [2, 3])
def test_counts_are_rows(k):
    X, _, weights = problem(k)
    counts = np.random.default_rng(1).integers(0, 4, (len(X), k))
    counts[:, 0] += 1
    one = unpenalised(X, counts, 0, weights)
    each = counts.sum(axis=1)
    labels = np.repeat([np.arange(k)] * len(X), counts.ravel())
    other = unpenalised(np.repeat(X, each, axis=0), labels, 0, np.repeat(weights, each))
    for name in ("loglike", "bic", "pseudo_r2"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("k", [2, 3])
def test_offset(k):
    X, y, weights = problem(k)
    offset = np.random.default_rng(1).normal(size=(len(X), k))
    offset[:, 0] = 0
    model = SoftmaxRegression(C=np.inf, reference_class=0)
    model.fit(X, y, weights, offset=offset[:, 1] if k == 2 else offset)
    table = np.column_stack([model.intercept_, model.coef_])[-(k - 1) :]
    sample = np.column_stack([np.ones(len(X)), X]), np.eye(k)[y], weights, offset
    np.testing.assert_allclose(
        model.cov_params(), covariance(table.ravel(), *sample), rtol=1e-7, atol=1e-12
    )
    null_model = SoftmaxRegression(C=np.inf, reference_class=0)  # intercepts and the offset
    noise = np.random.default_rng(2).normal(size=(len(X), 1)) * 1e-3
    null_model.fit(noise, y, weights, offset=offset[:, 1] if k == 2 else offset)
    null = model.loglike / (1 - model.pseudo_r2)
    assert null <= null_model.loglike
    assert null == pytest.approx(null_model.loglike, abs=5)  # twice the difference is χ²


def test_blocks_of_rows():
    X, y, weights = problem()
    blocks = [(X[i : i + 45], y[i : i + 45], weights[i : i + 45]) for i in range(0, len(X), 45)]
    one, other = unpenalised(Blocks(blocks), None, 2), unpenalised(X, y, 2, weights)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-9, atol=1e-13)
    assert one.loglike == pytest.approx(other.loglike, rel=1e-12)


def test_feature_scale_and_standardize_change_units_only():
    X, y, _ = problem()
    plain = unpenalised(X, y, 0)
    scaled = unpenalised(X, y, 0, feature_scale=[0.5, 2.0, 4.0], standardize=True)
    expected = plain.standard_errors_.coef / [0.5, 2.0, 4.0]
    np.testing.assert_allclose(scaled.standard_errors_.coef, expected, rtol=1e-8)
    assert scaled.loglike == pytest.approx(plain.loglike, rel=1e-12)


def test_the_result_does_not_depend_on_threads():
    X, y, weights = problem(4, 5000, 20)
    one, two = (unpenalised(X, y, 0, weights, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.cov_params(), two.cov_params())
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.loglike == two.loglike


@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_coefficients_do_not_depend_on_tol(tol):
    X, y, _ = problem()
    exact = unpenalised(X, y, 0, tol=1e-12)
    np.testing.assert_allclose(unpenalised(X, y, 0, tol=tol).coef_, exact.coef_, atol=1e-9)


# ------------------------------------------------------------------------------------- statsmodels


def test_statsmodels_mnlogit():
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = problem(4)
    theirs = api.MNLogit(y, api.add_constant(X)).fit(disp=0, method="newton", tol=1e-12)
    model = unpenalised(X, y, 0)
    np.testing.assert_allclose(model.coef_[1:], theirs.params[1:].T, atol=1e-8)
    np.testing.assert_allclose(stacked(model.standard_errors_, [1, 2, 3]), theirs.bse.T, rtol=1e-6)
    np.testing.assert_allclose(model.cov_params(), theirs.cov_params(), rtol=1e-5, atol=1e-9)
    ends = np.moveaxis(np.asarray(theirs.conf_int(0.1)), 0, 0).reshape(3, -1, 2)
    np.testing.assert_allclose(model.conf_int(0.1).coef[1:], ends[:, 1:], rtol=1e-6, atol=1e-8)
    assert model.loglike == pytest.approx(theirs.llf, rel=1e-12)
    assert model.aic == pytest.approx(theirs.aic, rel=1e-12)
    assert model.bic == pytest.approx(theirs.bic, rel=1e-12)
    assert model.pseudo_r2 == pytest.approx(theirs.prsquared, rel=1e-9)


def test_statsmodels_logit():
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = problem(2)
    theirs = api.Logit(y, api.add_constant(X)).fit(disp=0, method="newton", tol=1e-12)
    model = unpenalised(X, y, 0)
    np.testing.assert_allclose(model.coef_[0], theirs.params[1:], atol=1e-8)
    np.testing.assert_allclose(stacked(model.standard_errors_, [0])[0], theirs.bse, rtol=1e-6)
    assert model.loglike == pytest.approx(theirs.llf, rel=1e-12)


# ------------------------------------------------------------------------------ intervals, summary


def test_conf_int():
    X, y, _ = problem()
    model = unpenalised(X, y, 2)
    ends = model.conf_int(alpha=0.2)
    assert ends.coef.shape == (3, 3, 2)
    assert ends.intercept.shape == (3, 2)
    half = stats.norm.isf(0.1) * model.standard_errors_.coef
    np.testing.assert_allclose(ends.coef[..., 0], model.coef_ - half)
    np.testing.assert_allclose(ends.coef[..., 1], model.coef_ + half)
    np.testing.assert_array_equal(ends.intercept[2], 0)
    assert (model.conf_int().coef[:2, :, 0] < ends.coef[:2, :, 0]).all()


@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan])
def test_alpha_out_of_range(alpha):
    X, y, _ = problem()
    with pytest.raises(ValueError, match=r"alpha: expected a number [<>]"):
        unpenalised(X, y, 0).conf_int(alpha)


def test_summary():
    pandas = pytest.importorskip("pandas")
    X, y, weights = problem()
    frame = pandas.DataFrame(X, columns=["age", "height", "income"])
    labels = np.array(["low", "middle", "high"])[y]
    model = unpenalised(frame, labels, "low", weights)
    text = model.summary()
    assert repr(text) == str(text)
    lines = text.splitlines()
    titles = [line.split("  ")[0] for line in lines if "against" in line]
    assert titles == ["high against low", "middle against low"]
    named = [line.split() for line in lines if line.startswith(("(Intercept)", "age", "income"))]
    for row, label in zip((0, 3), ("high", "middle"), strict=True):
        at = model.classes_.tolist().index(label)
        coef, error = model.intercept_[at], model.standard_errors_.intercept[at]
        z = coef / error
        expected = [coef, error, z, 2 * stats.norm.sf(abs(z)), coef - 1.96 * error]
        np.testing.assert_allclose([float(v) for v in named[row][1:6]], expected, atol=1e-3)
    assert f"{'Observations':24}{weights.sum():16.0f}" in lines
    assert f"{'Log-likelihood':24}{model.loglike:16.3f}" in lines
    assert f"{'AIC':24}{model.aic:16.3f}" in lines


def test_names_of_features():
    X, y, _ = problem()
    model = unpenalised(X, y, 0, fit_intercept=False)
    lines = model.summary().splitlines()
    assert [line.split()[0] for line in lines[-4:-1]] == ["x0", "x1", "x2"]
    lines = model.summary(["a", "b", "c"]).splitlines()
    assert [line.split()[0] for line in lines[-4:-1]] == ["a", "b", "c"]
    assert "(Intercept)" not in model.summary()
    for wrong in (["a", "b"], "abc", 3):
        with pytest.raises(ValueError, match="feature_names: expected 3 names, one per feature"):
            model.summary(wrong)


def test_two_classes_against_either():
    X, y, _ = problem(2)
    labels = np.array(["no", "yes"])[y]
    against_no, against_yes = (unpenalised(X, labels, label) for label in ("no", "yes"))
    np.testing.assert_array_equal(against_no.coef_, against_yes.coef_)  # log-odds of classes_[1]
    assert "yes against no" in against_no.summary()
    assert "no against yes" in against_yes.summary()
    first = [float(line.split()[1]) for line in against_no.summary().splitlines()[-4:-1]]
    second = [float(line.split()[1]) for line in against_yes.summary().splitlines()[-4:-1]]
    assert first == [-value for value in second] == against_no.coef_[0].round(4).tolist()


# --------------------------------------------------------------------------- where there is no such


def reason(model):
    """What all of it raises."""
    for ask in (
        lambda: model.standard_errors_, lambda: model.loglike, lambda: model.aic,
        lambda: model.bic, lambda: model.pseudo_r2, model.conf_int, model.summary,
    ):  # fmt: skip
        with pytest.raises(ValueError, match="inference: expected"):
            ask()
    assert not hasattr(model, "aic")
    with pytest.raises(ValueError, match="inference: expected") as error:
        model.cov_params()
    return str(error.value)


def test_of_penalised_fits():
    X, y, _ = problem()
    said = reason(SoftmaxRegression(C=2.5, reference_class=0).fit(X, y))
    assert "expected a fit without penalty (C=np.inf), got C=2.5" in said


def test_without_reference():
    X, y, _ = problem()
    assert "expected a fit with reference_class" in reason(SoftmaxRegression(C=np.inf).fit(X, y))


def test_with_label_smoothing():
    X, y, _ = problem()
    said = reason(unpenalised(X, y, 0, label_smoothing=0.1))
    assert "label_smoothing=0.1" in said


def test_with_class_weights():
    X, y, _ = problem()
    assert "without class_weight" in reason(unpenalised(X, y, 0, class_weight="balanced"))


def test_of_many_coefficients():
    X = np.random.default_rng(0).normal(size=(3000, 1024))
    y = np.arange(3000) % 3
    assert "at most 2048 coefficients, got 2050" in reason(unpenalised(X, y, 0))


def test_of_fits_that_ended_early():
    X, y, _ = problem()
    model = SoftmaxRegression(C=np.inf, reference_class=0, solver="gd", max_iter=2, tol=1e-9)
    with pytest.warns(UserWarning, match="did not converge"):
        model.fit(X, y)
    assert "expected a fit that has converged" in reason(model)
    model.set_params(max_iter=1000).fit(X, y, callback=lambda state: state.n_iter == 2)
    assert "expected a fit that has converged" in reason(model)


def test_before_fit_and_after_partial_fit():
    X, y, _ = problem()
    model = SoftmaxRegression(C=np.inf, reference_class=0)
    with pytest.raises(ValueError, match="not fitted yet"):
        model.summary()
    model.fit(X, y).partial_fit(X, y)
    assert "expected a model as fit leaves it" in reason(model)


def test_of_models_from_files(tmp_path):
    X, y, _ = problem()
    unpenalised(X, y, 0).save(tmp_path / "model.npz")
    assert "loaded without what fit knew" in reason(fastsoftmax.load(tmp_path / "model.npz"))


def test_parameters_that_are_set_later_change_nothing():
    X, y, _ = problem()
    model = unpenalised(X, y, 0)
    expected = model.summary()
    assert model.set_params(C=1.0, reference_class=2).summary() == expected
    assert pickle.loads(pickle.dumps(model)).summary() == expected


@pytest.mark.parametrize("form", ["dense", "float32", "sparse"])
def test_constant_features(form):
    X, y, _ = problem()
    X[:, 1] = 0.1
    said = reason(unpenalised(FORMS[form](X), y, 0))
    assert "expected features that vary, got x1 constant (beside the intercept, or 0)" in said
    assert unpenalised(FORMS[form](X), y, 0, fit_intercept=False).loglike < 0


@pytest.mark.parametrize("form", ["dense", "float32", "sparse"])
@pytest.mark.parametrize("k", [2, 3])
def test_dependent_features(form, k):
    X, y, _ = problem(k, d=5)
    X[:, 3] = 2 * X[:, 0] - X[:, 2] + 1
    said = reason(unpenalised(FORMS[form](X), y, 0))
    assert "got x0, x2, x3 linearly dependent" in said


def test_features_with_a_small_part_in_a_dependence_are_named():
    X, y, _ = problem(d=5)
    X[:, 3] = X[:, 0] + 0.15 * X[:, 1]
    assert "got x0, x1, x3 linearly dependent" in reason(unpenalised(X, y, 0))


def test_dummies_of_all_levels():
    _, y, _ = problem()
    X = np.eye(3)[np.arange(len(y)) % 3]
    assert "got x0, x1, x2 linearly dependent" in reason(unpenalised(X, y, 1))


@pytest.mark.filterwarnings("ignore:The fit did not converge")
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_separated_classes(k, seed):
    X, _, _ = problem(k, seed=seed)
    y = np.digitize(X[:, 1], [0, 1][: k - 1])
    said = reason(unpenalised(X, y, 0))
    assert "the likelihood has no maximum" in said
    assert "x1" in said


@pytest.mark.parametrize("form", ["dense", "float32", "sparse"])
@pytest.mark.parametrize("share", [0.3, 0.02])
def test_partly_separated_classes(form, share):
    """A feature that only one class has: the loss converges, its coefficient does not."""
    X, y, _ = problem(3, 1000)
    seen = np.random.default_rng(1).random(len(y)) < share
    X[:, 2] = (y == 1) & seen
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = unpenalised(FORMS[form](X), y, 0)
    assert "it grows with the coefficients of 1 (x2);" in reason(model)


def test_class_without_weight():
    X, y, weights = problem()
    said = reason(unpenalised(X, y, 0, weights * (y != 2)))
    assert "expected rows of positive weight of each class, got none of 2: the likeli" in said


def test_rows_without_weight_say_nothing():
    X, y, weights = problem()
    weights[:50] = 0
    X[:50] = 1e12
    plain = unpenalised(X[50:], y[50:], 0, weights[50:])
    found = unpenalised(X, y, 0, weights)
    np.testing.assert_allclose(found.cov_params(), plain.cov_params(), rtol=1e-9)
    X[50:, 1] = 3.0
    assert "got x1 constant" in reason(unpenalised(X, y, 0, weights))


def test_reasons_are_kept_in_pickles():
    X, y, _ = problem()
    X[:, 1] = X[:, 0]
    model = unpenalised(X, y, 0)
    assert "x0, x1 linearly dependent" in reason(pickle.loads(pickle.dumps(model)))


def test_far_from_the_maximum():
    """Where a whole step of Newton's goes too far."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) * [1, 30]
    y = (X @ [2.0, 1.0] + rng.logistic(size=400) > 0).astype(int)
    exact = unpenalised(X, y, 0)
    for tol in (0.9, 0.1):
        model = unpenalised(X, y, 0, tol=tol, solver="lbfgs")
        np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-9)


def test_nearly_separated_classes_have_a_maximum():
    """One row in the way is enough."""
    X, y, _ = problem(3, 1000)
    X[:, 2] = (y == 1) & (np.arange(1000) % 3 == 0)
    X[np.flatnonzero(y == 0)[0], 2] = X[np.flatnonzero(y == 2)[0], 2] = 1
    model = unpenalised(X, y, 0)
    assert 3 < model.coef_[1, 2] < 9
    assert 0.9 < model.standard_errors_.coef[1, 2] < 2


def test_in_one_call():
    X, y, _ = problem()
    model = fastsoftmax.fit(X, y, C=np.inf, reference_class=0)
    assert model.loglike == unpenalised(X, y, 0).loglike


# ------------------------------------------------------------------------------- constant features


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_moments_of_constants_and_of_what_hardly_varies(dtype):
    eps = np.finfo(dtype).eps
    steps = np.arange(300) % 50
    X = np.column_stack([np.full(300, 0.1), np.full(300, 1e6 / 3), 1 + steps * eps]).astype(dtype)
    means, deviations = DenseData(X, 1).moments(None)
    assert (means[:2] == X[0, :2]).all()
    assert (deviations[:2] == 0).all()
    assert deviations[2] == pytest.approx(steps.std() * eps, rel=1e-6)
    weights = np.arange(300, dtype=dtype)
    means, deviations = DenseData(X, 1).moments(weights)
    assert means[2] - 1 == pytest.approx(np.average(steps, weights=weights) * eps, rel=1e-6)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "preconditioned-lbfgs"])
def test_constant_features_change_no_fit(solver):
    X, y, _ = problem()
    X[:, 1] = 0.1
    params = {"C": np.inf, "tol": 1e-10, "solver": solver}
    one = SoftmaxRegression(**params).fit(X, y)
    other = SoftmaxRegression(**params).fit(X[:, [0, 2]], y)
    assert one.objective_ == pytest.approx(other.objective_, rel=1e-10)
    assert not one.coef_[:, 1].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("counts", [False, True])
def test_the_objective_is_that_of_the_model(dtype, counts):
    """Though coefficients go on from where the fit ended, to the maximum of the likelihood."""
    rng = np.random.default_rng(1)
    X, weights = rng.standard_normal((3000, 20)).astype(dtype), rng.integers(1, 4, 3000)
    y = (
        rng.integers(1, 5, (3000, 5))
        if counts
        else (X[:, :5] + rng.gumbel(size=(3000, 5))).argmax(1)
    )
    model = SoftmaxRegression(C=np.inf, reference_class=0)
    model.fit(X, y, weights, target="counts" if counts else "auto")
    logits = X.astype(float) @ model.coef_.T + model.intercept_
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    events = weights[:, None] * (y if counts else np.eye(5)[y])
    expected = -(events * logs).sum() / events.sum()
    np.testing.assert_allclose(model.objective_, expected, rtol=1e-14)
