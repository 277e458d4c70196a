"""Targets as probabilities, counts and several labels per row; weights of classes, smoothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from sklearn import linear_model
from support.versions import at_least

import fastsoftmax
from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression
from fastsoftmax._validation.labels import distinct

TIGHT = {"tol": 1e-11}
FORMS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "sparse": sparse.csr_array,
    "blocks": None,
}


def problem(k=3, n=120, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32).astype(float)
    logits = X @ rng.normal(size=(d, k)) + rng.normal(size=k)
    P = np.exp(logits - logits.max(axis=1, keepdims=True))
    return X, P / P.sum(axis=1, keepdims=True)


def repeated(X, P, s=1.0):
    """A row for each class, weighted by its probability."""
    n, k = P.shape
    return np.repeat(X, k, axis=0), np.tile(np.arange(k), n), (P * np.reshape(s, (-1, 1))).ravel()


def fitted(form, X, y, sample_weight=None, model=SoftmaxRegression, **params):
    estimator = model(**TIGHT | {"tol": 1e-8} if form == "float32" else TIGHT, **params)
    if form == "blocks":
        parts = [slice(0, 50), slice(50, 51), slice(51, None)]
        blocks = [
            (X[p], y[p]) if sample_weight is None else (X[p], y[p], sample_weight[p]) for p in parts
        ]
        return estimator.fit(Blocks(blocks))
    return estimator.fit(FORMS[form](X), y, sample_weight)


def assert_same(one, other, atol=1e-5):
    np.testing.assert_allclose(one.coef_, other.coef_, atol=atol)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=atol)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [2, 3, 7])
def test_probabilities_are_weighted_rows(k, form):
    X, P = problem(k)
    s = np.random.default_rng(1).random(len(X))
    for weights in (None, s):
        model = fitted(form, X, P, weights)
        rows, labels, each = repeated(X, P, 1.0 if weights is None else s)
        right = SoftmaxRegression(**TIGHT).fit(rows, labels, each)
        assert_same(model, right, 1e-3 if form == "float32" else 1e-5)
        np.testing.assert_allclose(model.objective_, right.objective_, rtol=1e-6)
        assert model.classes_.tolist() == list(range(k))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [2, 4])
def test_counts_are_repeated_rows(k, form):
    X, P = problem(k)
    rng = np.random.default_rng(2)
    counts = np.array([rng.multinomial(rng.integers(1, 9), p) for p in P])
    rows, labels, each = repeated(X, counts)
    right = SoftmaxRegression(**TIGHT).fit(rows, labels, each)
    model = fitted(form, X, counts)
    assert_same(model, right, 1e-3 if form == "float32" else 1e-5)
    np.testing.assert_allclose(model.objective_, right.objective_, rtol=1e-6)
    if form == "float64":
        for y in (counts.astype(float), counts * 1.0):
            assert_same(SoftmaxRegression(**TIGHT).fit(X, y, target="counts"), right)
        weighted = SoftmaxRegression(**TIGHT).fit(X, counts, sample_weight=np.full(len(X), 0.5))
        half = SoftmaxRegression(**TIGHT).fit(rows, labels, each / 2)
        assert_same(weighted, half)


def test_columns_may_have_names():
    X, P = problem()
    model = SoftmaxRegression().fit(X, P, classes=["b", "c", "a"])
    assert model.classes_.tolist() == ["b", "c", "a"]
    plain = SoftmaxRegression().fit(X, P)
    np.testing.assert_array_equal(model.predict(X), model.classes_[plain.predict(X)])
    assert fastsoftmax.fit(X, P, target="probabilities").predict(X).dtype.kind == "i"
    names = model.predict(X)
    model.partial_fit(X, names)  # of classes that are not in order
    assert model.score(X, names) > 0.9


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("form", ["float64", "sparse"])
def test_label_smoothing_is_a_soft_target(k, form):
    X, P = problem(k)
    y = P.argmax(axis=1)
    smooth = 0.8 * np.eye(k)[y] + 0.2 / k
    model = fitted(form, X, y, label_smoothing=0.2)
    assert_same(model, fitted(form, X, smooth))
    assert_same(
        fitted(form, X, P, label_smoothing=0.2), fitted(form, X, 0.8 * P + 0.2 / k)
    )  # fmt: skip


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("weight", ["balanced", "dict", "part"])
def test_class_weights_are_scikit_learns(k, weight):
    X, P = problem(k, n=300)
    names = np.array(["ant", "bee", "cow"])[:k]
    y = names[P.argmax(axis=1)]
    s = np.random.default_rng(0).random(len(y))
    weights = {"balanced": "balanced", "dict": dict.fromkeys(names, 0.3), "part": {"bee": 4.0}}
    weights["dict"]["ant"] = 2.5
    for given_weights in (None, s):
        theirs = weights[weight]
        if theirs == "balanced" and given_weights is s and not at_least("scikit-learn", 1, 7):
            theirs = {name: s.sum() / (k * s[y == name].sum()) for name in names}  # as since then
        right = linear_model.LogisticRegression(
            class_weight=theirs, tol=1e-12, solver="newton-cg"
        ).fit(X, y, given_weights)
        for model in (SoftmaxRegression, LogisticRegression):
            ours = model(class_weight=weights[weight], **TIGHT).fit(X, y, given_weights)
            assert_same(ours, right, 1e-4)


def test_class_weights_of_probabilities_are_those_of_weighted_rows():
    X, P = problem()
    rows, labels, each = repeated(X, P)
    right = SoftmaxRegression(class_weight={0: 3, 2: 0.5}, **TIGHT).fit(rows, labels, each)
    assert_same(SoftmaxRegression(class_weight={0: 3, 2: 0.5}, **TIGHT).fit(X, P), right)
    right = SoftmaxRegression(class_weight="balanced", **TIGHT).fit(rows, labels, each)
    assert_same(SoftmaxRegression(class_weight="balanced", **TIGHT).fit(X, P), right)


def test_partial_fit_weighs_classes_and_smooths():
    X, P = problem(n=400)
    y = P.argmax(axis=1)
    weights = {0: 5.0, 1: 1.0, 2: 0.2}
    model = SoftmaxRegression(class_weight=weights).partial_fit(X, y, classes=[0, 1, 2])
    right = SoftmaxRegression().partial_fit(
        X, y, classes=[0, 1, 2], sample_weight=np.array([5.0, 1.0, 0.2])[y]
    )
    np.testing.assert_array_equal(model.coef_, right.coef_)
    smooth = SoftmaxRegression(label_smoothing=0.5, reference_class=1)
    smooth.partial_fit(X, y, classes=[0, 1, 2])
    assert np.abs(smooth.coef_).max() < np.abs(right.coef_).max()
    assert not smooth.coef_[1].any() and smooth.intercept_[1] == 0


@pytest.mark.parametrize("form", ["float64", "sparse"])
def test_a_reference_class_changes_no_probability(form):
    X, P = problem(4)
    y = np.array(list("abcd"))[P.argmax(axis=1)]
    plain = fitted(form, X, y)
    model = fitted(form, X, y, reference_class="c")
    assert not model.coef_[2].any() and model.intercept_[2] == 0
    np.testing.assert_allclose(model.coef_, plain.coef_ - plain.coef_[2], atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-12)
    assert model.objective_ == plain.objective_
    again = model.set_params(warm_start=True).fit(FORMS[form](X), y)
    assert again.n_iter_ <= 3
    np.testing.assert_allclose(again.coef_, plain.coef_ - plain.coef_[2], atol=1e-4)
    two = SoftmaxRegression(**TIGHT, reference_class=1).fit(X, y == "a")
    assert_same(two, SoftmaxRegression(**TIGHT).fit(X, y == "a"), 0)


# ---- several labels per row


def several(n=200, d=6, k=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32).astype(float)
    logits = X @ rng.normal(size=(d, k)) + rng.normal(size=k)
    return X, (rng.random((n, k)) < 1 / (1 + np.exp(-logits))).astype(int)


def one_by_one(X, Y, s=None, **params):
    """Weights and intercepts of a model for each label, by scikit-learn."""
    models = [
        linear_model.LogisticRegression(**{"tol": 1e-12, "solver": "newton-cg"} | params).fit(
            X, y, s
        )
        for y in Y.T
    ]
    return np.vstack([m.coef_ for m in models]), np.hstack([m.intercept_ for m in models])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("C", [0.01, 1.0, np.inf])
def test_several_labels_are_fitted_as_one_each_would_be(form, C):
    X, Y = several()
    s = np.random.default_rng(0).random(len(X))
    for weights in (None, s):
        model = fitted(form, X, Y, weights, model=LogisticRegression, C=C)
        coef, intercept = one_by_one(X, Y, weights, C=C)
        np.testing.assert_allclose(model.coef_, coef, atol=2e-3 if form == "float32" else 1e-4)
        np.testing.assert_allclose(model.intercept_, intercept, atol=2e-3)
    assert model.converged_
    if np.isfinite(C):
        assert model.gap_bound_ <= 1e-4 * model.objective_
    p = model.predict_proba(X)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-model.decision_function(X))), rtol=1e-6)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), p > 0.5)
    assert model.score(X, Y) == np.mean((model.predict(X) == Y).all(axis=1))


@pytest.mark.parametrize("solver", ["preconditioned-lbfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("k", [2, 3])
def test_every_solver_finds_several_labels(solver, k):
    X, Y = several(k=k)
    model = LogisticRegression(solver=solver, tol=1e-10, max_iter=5000).fit(X, Y)
    coef, _ = one_by_one(X, Y)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-4)


@pytest.mark.parametrize("r", [0.5, 1.0])
@pytest.mark.parametrize("form", ["float64", "sparse"])
def test_several_labels_with_an_l1_penalty(r, form):
    X, Y = several()
    model = fitted(form, X, Y, model=LogisticRegression, C=0.1, l1_ratio=r)
    assert model.converged_ and model.gap_bound_ <= 1e-9 * model.objective_
    assert (model.coef_ == 0).any()
    separate = [SoftmaxRegression(C=0.1, l1_ratio=r, tol=1e-10).fit(X, y) for y in Y.T]
    assert model.objective_ == pytest.approx(sum(m.objective_ for m in separate), rel=1e-9)
    coef, intercept = [m.coef_ for m in separate], [m.intercept_ for m in separate]
    np.testing.assert_allclose(model.coef_, np.vstack(coef), atol=1e-4)
    np.testing.assert_allclose(model.intercept_, np.hstack(intercept), atol=1e-4)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("r", [0.5, 1.0])
def test_probabilities_with_an_l1_penalty(k, r):
    X, P = problem(k)
    model = SoftmaxRegression(C=0.1, l1_ratio=r, tol=1e-10).fit(X, P)
    rows, labels, each = repeated(X, P)
    right = SoftmaxRegression(C=0.1, l1_ratio=r, tol=1e-10).fit(rows, labels, each)
    assert model.converged_ and model.gap_bound_ <= 1e-9 * model.objective_
    np.testing.assert_array_equal(model.coef_ == 0, right.coef_ == 0)
    assert_same(model, right)


def test_several_labels_in_other_forms_and_on_a_warm_start():
    X, Y = several()
    model = LogisticRegression(**TIGHT, warm_start=True).fit(X, Y)
    for y in (Y.astype(bool), Y.astype(float), sparse.csr_matrix(Y), Y.tolist()):
        np.testing.assert_array_equal(LogisticRegression(**TIGHT).fit(X, y).coef_, model.coef_)
    assert model.fit(X, Y).n_iter_ <= 3
    again = model.set_params(warm_start=False).fit(X, Y[:, 0])  # one label again
    assert again.coef_.shape == (1, 6) and again.predict(X).shape == (len(X),)


def test_a_callback_ends_all_labels_at_once():
    """The label at hand after a step of it, those that follow where they begin."""
    X, Y = several()
    seen = []
    model = LogisticRegression(class_weight={1: 2.0})
    model.fit(X, Y, callback=lambda state: seen.append(state) or len(seen) == 2)
    assert len(seen) == 2
    assert model.n_iter_ < LogisticRegression(class_weight={1: 2.0}).fit(X, Y).n_iter_


def test_an_offset_of_several_labels():
    X, Y = several()
    known = np.random.default_rng(0).normal(size=Y.shape)
    model = LogisticRegression(**TIGHT).fit(X, Y, offset=known)
    z = model.decision_function(X) + known
    G = 1 / (1 + np.exp(-z)) - Y
    np.testing.assert_allclose(G.T @ X + model.coef_, 0, atol=1e-3)
    np.testing.assert_allclose(G.sum(axis=0), 0, atol=1e-3)


@given(st.lists(st.floats(-1e-15, 1e-15) | st.floats(-50, 50), min_size=1, max_size=20))
@settings(deadline=None, max_examples=50, database=None)
def test_a_probability_is_above_a_half_where_its_logit_is_positive(z):
    model = LogisticRegression().fit([[-1.0], [1.0], [2.0]], [0, 1, 1])
    model.coef_, model.intercept_ = np.ones((1, 1)), np.zeros(1)
    x = np.array(z)[:, None]
    logits, p = model.decision_function(x), model.predict_proba(x)
    np.testing.assert_array_equal(p[:, 1] > 0.5, logits > 0)
    np.testing.assert_array_equal(p[:, 0] > 0.5, logits < 0)
    np.testing.assert_array_equal(model.predict(x) == 1, logits > 0)


# ---- bad input

X, P = problem(n=20)
Y = several(n=20)[1]
LABELS = np.arange(20) % 3


def of_label_2(weight):
    return [None, "balanced", weight, {1: 2}]


def changed(table, row, column, value):
    out = np.array(table, float)
    out[row, column] = value
    return out


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (P[:-1], {}, r"y: expected probabilities of shape \(20, K\), K >= 2, got shape \(19, 3\)"),
        (changed(P, 3, 1, -1), {}, r"y: expected probabilities >= 0, got -1.0 in row 3, column 1"),
        (changed(P, 3, 1, np.nan), {}, r"y: .*NaN"),
        (changed(P, 3, 1, 7), {}, r"sum to 1, got a sum of 7\.\d+ in row 3 \(counts are integers"),
        (changed(Y, 2, 0, -1).astype(int), {}, r"y: expected counts >= 0, got -1.0 in row 2"),
        (
            2 * Y * (np.arange(20) != 4)[:, None],
            {},
            r"at least one event per row, got none in row \d",
        ),
        (P, {"target": "labels"}, r"y: expected labels of shape \(20,\), got shape \(20, 3\)"),
        (LABELS, {"target": "counts"}, r"y: expected counts of shape \(20, K\)"),
        (P, {"target": "soft"}, r"target: expected one of auto, .*, got 'soft'"),
        (P, {"target": "indicators"}, r"target: .*LogisticRegression"),
        (P, {"classes": [1, 2]}, r"classes: expected 3 names, one per column of y, got 2"),
        (P, {"classes": [1, 2, 1]}, r"classes: expected different names, got \[1, 2, 1\]"),
        (LABELS, {"classes": [0, 1, 2]}, r"classes: expected None where y holds labels"),
        (LABELS, {"class_weight": {7: 1}}, r"class_weight: expected classes of y .* got 7"),
        (LABELS, {"class_weight": {1: -1}}, r"class_weight\[1\]: expected a number >= 0, got -1"),
        (LABELS, {"class_weight": {1: np.inf}}, r"class_weight: expected finite numbers"),
        (LABELS, {"class_weight": "even"}, r"class_weight: expected None, a dict or 'balanced'"),
        (LABELS, {"class_weight": dict.fromkeys(range(3), 0)}, r"class_weight: expected a posit"),
        (LABELS, {"label_smoothing": 1}, r"label_smoothing: expected a number >= 0 and < 1, got 1"),
        (LABELS, {"reference_class": 9}, r"reference_class: .* \(0, 1, 2\), got 9"),
        (np.eye(3, dtype=bool)[LABELS], {}, r"y: .* got booleans in 3 columns, .*Logistic"),
        (np.eye(3, dtype=int)[LABELS], {}, r"y: .* got integers 0 and 1 in 3 columns, .*Logistic"),
    ],
)
def test_errors(y, params, message):
    of_fit = {name: params[name] for name in ("target", "classes") if name in params}
    of_model = {name: value for name, value in params.items() if name not in of_fit}
    model = SoftmaxRegression(**of_model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y, **of_fit)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (changed(Y, 5, 1, 2), {}, r"y: expected 0 and 1, .* got 2.0 in row 5, column 1"),
        (Y * [1, 1, 0, 1], {}, r"y: expected 0 and 1 in each column, got 0 alone in column 2"),
        (Y, {"class_weight": [{1: 2}]}, r"class_weight: expected a dict for each of the 4 labels"),
        (
            Y,
            {"class_weight": of_label_2({1: -1})},
            r"class_weight\[2\]\[1\]: expected a number >= 0",
        ),
        (Y, {"class_weight": of_label_2({5: 1})}, r"class_weight\[2\]: expected classes .* got 5"),
        (
            Y,
            {"class_weight": of_label_2("even")},
            r"class_weight\[2\]: expected None, .* got 'even'",
        ),
        (
            Y,
            {"class_weight": of_label_2({1: np.inf})},
            r"class_weight\[2\]: expected finite numbers",
        ),
        (Y, {"class_weight": of_label_2({0: 0, 1: 0})}, r"class_weight\[2\]: expected a positive"),
        (Y, {"class_weight": {5: 1, 1: 1}}, r"class_weight: expected classes of y .* got 5"),
    ],
)
def test_errors_of_several_labels(y, params, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegression(**params).fit(X, y)


def test_errors_of_partial_fit():
    with pytest.raises(ValueError, match=r"class_weight: expected None or a dict for partial_fit"):
        SoftmaxRegression(class_weight="balanced").partial_fit(X, LABELS, classes=[0, 1, 2])
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match="partial_fit: expected a model of one label per row"):
        model.partial_fit(X, LABELS, classes=range(4))


def test_warm_starts_need_targets_of_the_same_kind():
    model = LogisticRegression(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="warm_start: expected"):
        model.fit(X, Y[:, 0])
    with pytest.raises(
        ValueError, match=r"warm_start: expected several labels per row, .* got one"
    ):
        model.fit(X, np.arange(20) % 4)


def test_errors_of_blocks_name_the_block():
    blocks = [(X[:10], P[:10]), (X[10:], P[10:, :2])]
    with pytest.raises(ValueError, match=r"block 1: y: expected 3 columns .*, got shape \(10, 2\)"):
        SoftmaxRegression().fit(Blocks(blocks))
    with pytest.raises(ValueError, match=r"block 1: y: expected 1 column .*, got shape \(10, 3\)"):
        SoftmaxRegression().fit(Blocks([(X[:10], LABELS[:10]), (X[10:], P[10:])]))


@given(
    arrays(
        st.sampled_from(["i1", "u1", "i2", "u4", "i8", "u8", "?"]).map(np.dtype),
        st.integers(1, 50),
    ),
    st.booleans(),
)
def test_distinct_labels_are_those_of_numpy(y, near):
    if near and y.dtype != bool:
        y = y % 5 + (np.iinfo(y.dtype).max - 5)
    classes, codes = distinct(y)
    expected, inverse = np.unique(y, return_inverse=True)
    assert classes.dtype == expected.dtype
    assert np.array_equal(classes, expected)
    assert np.array_equal(codes, inverse)
