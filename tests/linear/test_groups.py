"""Penalties of groups: against conic solutions, glmnet, and the conditions of optimality."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp
from support.row_blocks import cut

import fastsoftmax
from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax.datasets import load_digits

TIGHT = 1e-10
KNOWN = json.loads((Path(__file__).parent / "references" / "groups.json").read_text())
X, Y, S = (np.array(KNOWN[name]) for name in ("X", "y", "weights"))
DIGITS, DIGIT = load_digits()


def objective(model, X, y, C, r, groups, s=None, factors=1.0):
    s = np.ones(len(y)) if s is None else s
    W = model.coef_
    z = X @ W.T + model.intercept_
    z = np.column_stack([np.zeros(len(z)), z]) if len(W) == 1 else z
    losses = logsumexp(z, axis=1) - z[np.arange(len(y)), y]
    f = factors * np.ones(W.shape[1])
    groups = np.arange(W.shape[1]) if isinstance(groups, str) else np.array(groups)
    norms = sum(f[groups == g][0] * np.linalg.norm(W[:, groups == g]) for g in np.unique(groups))
    return (s @ losses + (r * norms + (1 - r) / 2 * (f * W**2).sum()) / C) / s.sum()


@pytest.mark.parametrize("kind", ["dense", "float32", "csr", "blocks"])
@pytest.mark.parametrize("known", KNOWN["conic"], ids=lambda k: str(k["case"]))
def test_conic_solution(known, kind):
    case = dict(known["case"])
    weights = S if case.pop("weighted", False) else None
    y = np.minimum(Y, 1) if case.pop("two_classes", False) else Y
    model = SoftmaxRegression(**case, tol=TIGHT)
    if kind == "blocks":
        arrays = (X, y) if weights is None else (X, y, weights)
        model.fit(fastsoftmax.Blocks(cut(*arrays, at=(20, 50))))
    else:
        given = (
            sparse.csr_array(X) if kind == "csr" else X.astype(kind if kind == "float32" else float)
        )
        model.fit(given, y, weights)
    assert model.certified_
    rtol = 1e-5 if kind == "float32" else 1e-8  # of X itself
    F = objective(
        model, X, y, case["C"], case["l1_ratio"], case["l1_group"], weights,
        case.get("penalty_factor", 1.0),
    )  # fmt: skip
    assert np.isclose(model.objective_, F, rtol=rtol)
    assert np.isclose(F, known["objective"], rtol=rtol)
    expected = np.array(known["coef"])
    if len(expected) > 1:  # which is open where a feature is free
        expected -= expected.mean(axis=0)
    assert np.allclose(model.coef_, expected, atol=2e-4 if kind == "float32" else 2e-5)
    is_zero = np.abs(expected).max(axis=0) < 1e-6
    assert np.array_equal(~model.coef_.any(axis=0), is_zero)  # exactly, and all classes at once
    assert np.allclose(model.intercept_, known["intercept"], atol=2e-4)


def test_a_factor_of_a_group_is_a_unit_of_its_features():
    """f ‖w‖ of features X is ‖v‖ of features X / f, v being f w."""
    groups, f = [0, 0, 1, 1, 1, 2, 2], np.array([0.5, 0.5, 2, 2, 2, 1, 1])
    params = {"l1_ratio": 1.0, "C": 2.0, "l1_group": groups, "tol": TIGHT}
    model = SoftmaxRegression(**params, penalty_factor=f).fit(X, Y)
    other = SoftmaxRegression(**params).fit(X / f, Y)
    assert np.allclose(model.coef_ * f, other.coef_, atol=2e-5)
    assert np.isclose(model.objective_, other.objective_, rtol=1e-8)


def test_the_penalty_of_weights_that_change_no_logit():
    """A feature that is always 1, in a group with another, whose weights someone has set."""
    groups, f = [0, 0, 1, 1, 1, 2, 2], np.array([0.5, 0.5, 2, 2, 2, 1, 1])
    constant = X.copy()
    constant[:, 6] = 1
    model = SoftmaxRegression(l1_ratio=1.0, C=2.0, l1_group=groups, penalty_factor=f)
    model.fit(constant, Y)
    model.coef_[:, 6] = 1, -2, 0.5
    F = objective(model, constant, Y, 2.0, 1.0, groups, None, f)
    assert np.isclose(model.certify(constant, Y).objective, F, rtol=1e-12)


@pytest.mark.parametrize(
    "known", KNOWN["glmnet"]["fits"], ids=lambda k: f"{k['lambda']}-{k['alpha']}"
)
def test_glmnet(known):
    C, r = 1 / (known["lambda"] * len(Y)), known["alpha"]
    model = SoftmaxRegression(
        C=C, l1_ratio=r, l1_group="classes", standardize=known["standardize"], tol=TIGHT
    ).fit(X, Y)
    expected = np.array(known["coef"])
    assert np.allclose(model.coef_, expected, atol=2e-5)  # glmnet's own accuracy
    assert np.array_equal(model.coef_.any(axis=0), expected.any(axis=0))
    assert np.allclose(model.intercept_, known["intercept"], atol=2e-5)
    if not known["standardize"]:
        theirs = SoftmaxRegression()
        theirs.coef_, theirs.intercept_ = expected, np.array(known["intercept"])
        F = objective(theirs, X, Y, C, r, "classes")
        assert F * (1 - 1e-8) <= model.objective_ <= F * (1 + TIGHT)


def gap(model, X, y, C, r):
    """The duality gap at the model's probabilities, moved towards the labels for r = 1."""
    n, W = len(y), model.coef_
    z = X @ W.T + model.intercept_
    P = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    E = P.copy()
    E[np.arange(n), y] -= 1
    lam = 1 / (C * n)
    alpha = 1.0
    if r == 1:
        alpha = min(1.0, lam / np.linalg.norm(E.T @ X / n, axis=0).max())
    A = P - (1 - alpha) * E
    v = (alpha * E).T @ X / n
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.where(A > 0, A * np.log(A), 0.0).sum() / n
    dual = -entropy
    if r < 1:
        dual -= (np.maximum(np.linalg.norm(v, axis=0) - r * lam, 0) ** 2).sum() / (
            2 * (1 - r) * lam
        )
    return objective(model, X, y, C, r, "classes") - dual


@pytest.mark.parametrize("r", [1.0, 0.5])
def test_certificate_is_no_less_than_the_gap_and_no_more_than_numpy_shows(r):
    params = {"C": 0.1, "l1_ratio": r, "l1_group": "classes", "fit_intercept": False}
    best = SoftmaxRegression(**params, tol=1e-12).fit(X, Y)
    for tol in (1e-2, 1e-4, 1e-6):
        model = SoftmaxRegression(**params, tol=tol).fit(X, Y)
        true = objective(model, X, Y, 0.1, r, "classes") - best.objective_
        assert true - 1e-12 <= model.gap_bound_ <= tol * model.objective_
        proof = fastsoftmax.certify(model.coef_, model.intercept_, X, Y, tol=tol, **params)
        assert proof.certified
        assert true - 1e-12 <= proof.gap_bound
    assert true <= gap(model, X, Y, 0.1, r)
    assert gap(best, X, Y, 0.1, r) < 1e-5  # of first order, as a = p
    off = best.coef_ + 0.01  # a shift that changes no probability, but the penalty
    proof = fastsoftmax.certify(off, best.intercept_, X, Y, **params)
    assert proof.gap_bound >= proof.objective - best.objective_ - 1e-12
    assert not proof.certified


def test_wide_x_and_working_sets():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(60, 900))
    y = np.argmax(wide[:, :3] * 3 + rng.gumbel(size=(60, 3)), axis=1)
    for given in (wide, sparse.csr_array(np.where(np.abs(wide) > 1, wide, 0))):
        model = SoftmaxRegression(C=0.2, l1_ratio=1, l1_group="classes", tol=1e-9).fit(given, y)
        assert model.certified_
        zeros = ~model.coef_.any(axis=0)
        assert 800 < zeros.sum() < 900
        dense = given.toarray() if sparse.issparse(given) else given
        error = model.predict_proba(dense)
        error[np.arange(60), y] -= 1
        steepness = np.linalg.norm(error.T @ dense / 60, axis=0) * 0.2 * 60
        assert (steepness[zeros] <= 1 + 1e-4).all()
        assert np.allclose(steepness[~zeros], 1, atol=1e-3)
        assert np.allclose(model.coef_.mean(axis=0), 0, atol=1e-12)


def test_through_the_rest(tmp_path):
    sklearn = pytest.importorskip("sklearn.base")
    model = SoftmaxRegression(C=0.001, l1_ratio=1, l1_group="classes").fit(DIGITS, DIGIT)
    assert model.get_params()["l1_group"] == "classes"
    assert sklearn.clone(model).l1_group == "classes"
    model.save(tmp_path / "model.npz")
    again = fastsoftmax.load(tmp_path / "model.npz")
    assert again.l1_group == "classes"
    assert np.array_equal(again.coef_, model.coef_)
    assert again.certify(DIGITS, DIGIT).certified
    groups = np.arange(64) // 8  # rows of pixels
    model = SoftmaxRegression(C=0.001, l1_ratio=1, l1_group=groups).fit(DIGITS, DIGIT)
    model.save(tmp_path / "model.npz")
    assert np.array_equal(fastsoftmax.load(tmp_path / "model.npz").l1_group, groups)
    same = fastsoftmax.fit(DIGITS, DIGIT, C=0.001, l1_ratio=1, l1_group=groups.tolist())
    assert np.array_equal(same.coef_, model.coef_)
    own = SoftmaxRegression(C=0.001, l1_ratio=1, l1_group=range(64)).fit(DIGITS, DIGIT)
    own.save(tmp_path / "model.npz")
    assert np.array_equal(fastsoftmax.load(tmp_path / "model.npz").l1_group, np.arange(64))
    search = SoftmaxRegressionCV([1e-4, 1e-3], cv=3, l1_ratio=1, l1_group="classes")
    search.fit(DIGITS[:300], DIGIT[:300])
    direct = SoftmaxRegression(C=search.C_, l1_ratio=1, l1_group="classes", tol=1e-8)
    direct.fit(DIGITS[:300], DIGIT[:300])
    assert np.isclose(search.objective_, direct.objective_, rtol=1e-6)


def test_two_classes_have_groups_of_one():
    y = np.minimum(Y, 1)
    grouped = SoftmaxRegression(C=0.1, l1_ratio=1, l1_group="classes").fit(X, y)
    assert np.array_equal(grouped.coef_, SoftmaxRegression(C=0.1, l1_ratio=1).fit(X, y).coef_)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("feature", ValueError, "l1_group: expected None, 'classes'"),
        ([0, 1], ValueError, r"l1_group: expected shape \(7,\)"),
        (np.zeros(7), TypeError, "l1_group: expected integers"),
    ],
)
def test_messages(value, error, text):
    with pytest.raises(error, match=text):
        SoftmaxRegression(l1_ratio=1, l1_group=value).fit(X, Y)
    with pytest.raises(ValueError, match="penalty_factor: expected one factor"):
        SoftmaxRegression(
            l1_ratio=1, l1_group=[0, 0, 1, 1, 1, 1, 1], penalty_factor=[1, 2, 1, 1, 1, 1, 1]
        ).fit(X, Y)


@pytest.mark.parametrize("parameter", ["l1_group", "penalty_factor", "feature_scale"])
def test_a_series_goes_by_the_names_of_columns(parameter):
    pd = pytest.importorskip("pandas")
    names = list("abcdefg")
    values = np.array([0, 0, 1, 1, 2, 2, 3]) + (parameter != "l1_group")
    frame = pd.DataFrame(X, columns=names)
    model = {"C": 0.1, "l1_ratio": 1.0}
    expected = SoftmaxRegression(**model, **{parameter: values}).fit(X, Y).coef_
    series = pd.Series(values, names).iloc[::-1]
    named = SoftmaxRegression(**model, **{parameter: series}).fit(frame, Y)
    assert np.array_equal(named.coef_, expected)
    by_position = SoftmaxRegression(**model, **{parameter: series}).fit(X, Y)  # without names
    other = SoftmaxRegression(**model, **{parameter: values[::-1]}).fit(X, Y)
    assert np.array_equal(by_position.coef_, other.coef_)
    plain = SoftmaxRegression(**model, **{parameter: pd.Series(values)}).fit(frame, Y)
    assert np.array_equal(plain.coef_, expected)
    for wrong, text in (
        (series.drop("c"), "got 0 for 'c'$"),
        (pd.concat([series, series[["b"]]]), "got 2 for 'b'$"),
        (pd.concat([series, pd.Series([1], ["h"])]), "got 1 for 'h', which X does not have$"),
    ):
        with pytest.raises(ValueError, match=f"{parameter}: expected one value per column.*{text}"):
            SoftmaxRegression(**model, **{parameter: wrong}).fit(frame, Y)
