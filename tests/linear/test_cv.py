"""Cross-validation as one job, against fits one by one and scikit-learn's folds and scorers."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import accuracy_score, f1_score, log_loss, make_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from support.problems import softmax_rows

from fastsoftmax import (
    Blocks,
    LogisticRegressionCV,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    certify,
)
from fastsoftmax._linear.cv import search
from fastsoftmax._validation.folds import stratified
from fastsoftmax.datasets import load_digits

CS = np.array([1e-3, 1.0, 1e-2])


def problem(k=3, n=240, d=6, seed=0):
    return softmax_rows(n, d, k, seed)


def one_by_one(X, y, folds, Cs, score, s=None, **params):
    """Scores and objectives of cold fits."""
    scores, values = np.empty((2, len(folds), len(Cs)))
    for i, (train, test) in enumerate(folds):
        for j, C in enumerate(Cs):
            model = SoftmaxRegression(C=C, tol=1e-10, **params)
            model.fit(X[train], y[train], None if s is None else s[train])
            scores[i, j], values[i, j] = score(model, test), model.objective_
    return scores, values


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("params", [{}, {"fit_intercept": False}, {"l1_ratio": 0.5}], ids=str)
def test_scores_are_those_of_fits_one_by_one(k, form, params):
    X, y = problem(k)
    rows = sparse.csr_array(X) if form == "sparse" else X
    s = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = SoftmaxRegressionCV(CS, cv=4, fold_tol=1e-9, **params).fit(rows, y, s)
    folds = list(StratifiedKFold(4).split(X, y))

    def score(m, test):
        return -log_loss(y[test], m.predict_proba(rows[test]), sample_weight=s[test])

    scores, values = one_by_one(rows, y, folds, CS, score, s, **params)
    np.testing.assert_allclose(model.scores_, scores, atol=2e-4)
    np.testing.assert_allclose(model.fold_objectives_, values, rtol=1e-7)
    assert CS[scores.mean(axis=0).argmax()] == model.C_
    plain = SoftmaxRegression(C=model.C_, tol=1e-9, **params).fit(rows, y, s)
    np.testing.assert_allclose(model.objective_, plain.objective_, rtol=2e-6)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=2e-2)
    assert model.converged_ and model.n_iter_ >= 0 and model.Cs_.tolist() == CS.tolist()


@given(st.integers(2, 6), st.integers(2, 5), st.integers(12, 80), st.integers(0, 1000))
@settings(deadline=None, max_examples=60, database=None)
def test_folds_are_scikit_learns(folds, k, n, seed):
    y = np.random.default_rng(seed).integers(k, size=n)
    y[: 6 * k] = np.tile(np.arange(k), 6)[: len(y)]
    if np.bincount(y, minlength=k).min() < folds:
        return
    of_row = stratified(y, folds)
    for i, (_, test) in enumerate(StratifiedKFold(folds).split(y, y)):
        np.testing.assert_array_equal(np.flatnonzero(of_row == i), test)


def test_splitters_pairs_and_masks():
    X, y = problem()
    groups = np.arange(len(y)) // 40
    pairs = [(np.arange(100), np.arange(100, 240)), (np.arange(240) > 80, np.arange(240) <= 80)]
    for cv, right, given_groups in (
        (KFold(3), KFold(3).split(X), None),
        (GroupKFold(3), GroupKFold(3).split(X, y, groups), groups),
        (pairs, pairs, None),
    ):
        model = SoftmaxRegressionCV([0.1], cv=cv, fold_tol=1e-9).fit(X, y, groups=given_groups)

        def score(m, test):
            return -log_loss(y[test], m.predict_proba(X[test]))

        scores, _ = one_by_one(X, y, list(right), [0.1], score)
        np.testing.assert_allclose(model.scores_, scores, atol=1e-4)


@pytest.mark.parametrize(
    ("scoring", "of_model"),
    [
        ("accuracy", lambda m, X, y: accuracy_score(y, m.predict(X))),
        ("f1_macro", lambda m, X, y: f1_score(y, m.predict(X), average="macro")),
        (make_scorer(accuracy_score), lambda m, X, y: accuracy_score(y, m.predict(X))),
        (lambda m, X, y: m.score(X, y), lambda m, X, y: accuracy_score(y, m.predict(X))),
    ],
    ids=["accuracy", "name", "scorer", "function"],
)
def test_scorings(scoring, of_model):
    X, y = problem()
    model = SoftmaxRegressionCV(CS, cv=3, scoring=scoring, fold_tol=1e-9).fit(X, y)
    folds = list(StratifiedKFold(3).split(X, y))
    scores, _ = one_by_one(X, y, folds, CS, lambda m, test: of_model(m, X[test], y[test]))
    np.testing.assert_allclose(model.scores_, scores, atol=1.01 / 80)  # a row on the boundary


def test_without_a_refit_coefficients_are_the_folds_mean():
    X, y = problem()
    model = SoftmaxRegressionCV([0.1], cv=3, refit=False, fold_tol=1e-10).fit(X, y)
    coefs = [
        SoftmaxRegression(C=0.1, tol=1e-10).fit(X[train], y[train]).coef_
        for train, _ in StratifiedKFold(3).split(X, y)
    ]
    np.testing.assert_allclose(model.coef_, np.mean(coefs, axis=0), atol=1e-4)
    assert not hasattr(model, "objective_") and model.predict(X).shape == y.shape


def test_probabilities_and_counts_as_targets():
    X, y = problem()
    P = 0.9 * np.eye(3)[y] + 0.1 / 3
    folds = [(np.arange(120), np.arange(120, 240)), (np.arange(120, 240), np.arange(120))]
    model = SoftmaxRegressionCV(CS, cv=folds, fold_tol=1e-9).fit(X, P)
    right = SoftmaxRegression(C=CS[0], tol=1e-10).fit(X[:120], P[:120])
    score = np.mean(np.sum(P[120:] * right.predict_log_proba(X[120:]), axis=1))
    np.testing.assert_allclose(model.scores_[0, 0], score, atol=1e-5)
    counts = SoftmaxRegressionCV(CS, cv=folds, scoring="accuracy").fit(
        X, np.eye(3, dtype=int)[y], target="counts"
    )
    plain = SoftmaxRegressionCV(CS, cv=folds, scoring="accuracy").fit(X, y)
    np.testing.assert_allclose(counts.scores_, plain.scores_)


def test_blocks_and_dtypes_and_threads():
    X, y = load_digits()
    X, y = X[:400], y[:400]
    plain = SoftmaxRegressionCV(CS, cv=3, n_threads=1).fit(X, y)
    for n_threads in (2, 3):
        other = SoftmaxRegressionCV(CS, cv=3, n_threads=n_threads).fit(X, y)
        np.testing.assert_array_equal(other.scores_, plain.scores_)
        np.testing.assert_array_equal(other.coef_, plain.coef_)
    blocks = Blocks([(X[:150], y[:150]), (X[150:], y[150:])])
    streamed = SoftmaxRegressionCV(CS, cv=3).fit(blocks)
    # folds end where about 1e-4 of F is left, not at the same point
    np.testing.assert_allclose(streamed.scores_, plain.scores_, atol=5e-3)


def test_a_feature_that_only_the_rows_left_out_have_gets_no_weight_in_their_fold():
    X, y = problem()
    X = np.column_stack([X, np.zeros(len(y))])
    X[:80, -1] = 5.0 * (y[:80] == 0)  # would give the first rows away
    folds = [(np.arange(80, 240), np.arange(80)), (np.arange(160), np.arange(160, 240))]
    Cs = [1.0, 10.0, 1e3, 1e5]
    model = SoftmaxRegressionCV(Cs, cv=folds, fold_tol=1e-9).fit(X, y)

    def score(m, test):
        return -log_loss(y[test], m.predict_proba(X[test]))

    scores, _ = one_by_one(X, y, folds, Cs, score)
    np.testing.assert_allclose(model.scores_, scores, atol=1e-3)


def test_other_parameters_reach_the_fits():
    X, y = problem()
    names = np.array(["a", "b", "c"])[y]
    params = {
        "class_weight": {"a": 3.0}, "label_smoothing": 0.1, "reference_class": "b",
        "standardize": True, "feature_scale": 0.5, "penalty_factor": [1, 1, 2, 0.5, 1, 1],
    }  # fmt: skip
    model = SoftmaxRegressionCV([0.1], cv=3, tol=1e-9, **params).fit(X, names)
    plain = SoftmaxRegression(C=0.1, tol=1e-9, **params).fit(X, names)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-4)
    assert not model.coef_[1].any()


def test_progress(capsys):
    X, y = problem()
    SoftmaxRegressionCV(CS, cv=3, verbose=True).fit(X, y)
    assert "fold 2" in capsys.readouterr().err


# ---- bad input

X, Y = problem()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Cs": [1.0, 0.0]}, r"Cs: expected numbers > 0, got 0\.0 at index 1$"),
        ({"Cs": [1.0, np.nan]}, r"Cs: expected numbers > 0, got nan at index 1$"),
        ({"Cs": 0}, r"Cs: expected a number of strengths >= 1 or an array of numbers > 0, got 0$"),
        ({"Cs": -1}, r"Cs: expected a number of strengths >= 1 or an array of .*, got -1$"),
        ({"Cs": []}, r"Cs: expected a number of strengths >= 1 or an array of .*, got \[\]$"),
        ({"Cs": "many"}, r"Cs: expected a number of strengths >= 1 or an array of .*, got 'many'"),
        ({"Cs": 10**18}, r"Cs: expected a number of strengths that memory can hold, got 10+$"),
        ({"refit": "no"}, r"refit: expected True or False, got 'no'"),
        ({"cv": 1}, r"cv: expected 2\.\.240 folds, got 1"),
        (
            {"cv": "five"},
            r"cv: expected a number of folds, 'loo', a splitter or pairs of rows, got 'five'",
        ),
        ({"cv": []}, r"cv: expected at least one fold, got none"),
        ({"cv": [np.arange(3)]}, r"cv: expected pairs of rows"),
        ({"cv": [(np.arange(3), [240])]}, r"cv: expected row numbers 0\.\.239 in fold 0, got 240"),
        ({"cv": [(np.arange(3), [0, -241])]}, r"cv: expected row numbers 0\.\.239 .*, got -241"),
        ({"cv": [(np.arange(3), [])]}, r"cv: expected row numbers in fold 0, got array\(\[\]"),
        ({"scoring": 3}, r"scoring: expected None, neg_log_loss, accuracy, another name .* got 3"),
        ({"fold_tol": -1}, r"fold_tol: expected a number >= 0, got -1"),
    ],
)
def test_errors(params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        SoftmaxRegressionCV(**params).fit(X, Y)


FEW = (
    r"^{}: expected at least 5 rows of each class for 5 folds, got 2 of class 'cow', the least "
    "populated$"
)


@pytest.mark.parametrize(
    ("argument", "model"),
    [
        ("cv", SoftmaxRegressionCV([0.1], cv=5)),
        ("calibrate", SoftmaxRegression(calibrate=5)),
        (
            "cv",
            LogisticRegressionCV(
                [0.1], l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False
            ),
        ),
    ],
)
def test_a_class_with_fewer_rows_than_folds(argument, model):
    """A warning where scikit-learn's splitter has one; and none where it has none."""
    names = np.array(["ant", "bee"])[np.arange(240) % 2]
    names[[20, 180]] = "cow"
    with pytest.warns(UserWarning, match="least populated class in y has only 2 members"):
        list(StratifiedKFold(5).split(X, names))
    with pytest.warns(UserWarning, match=FEW.format(argument)) as caught:
        model.fit(X, names)
    assert len(caught) == 1 and caught[0].filename == __file__
    SoftmaxRegressionCV([0.1], cv=2).fit(X, names)


def test_a_fold_without_a_class_is_named():
    names = np.array(["ant", "bee", "cow"])[Y]
    folds = [(np.arange(240), np.arange(10)), (np.flatnonzero(Y != 1), np.flatnonzero(Y == 1))]
    with pytest.raises(ValueError, match=r"got none of class 'bee' in fold 1"):
        SoftmaxRegressionCV(cv=folds).fit(X, names)


def test_the_error_of_a_scorer_comes_with_the_strength_and_the_fold():
    def scorer(model, X, y):
        raise ZeroDivisionError("my own")

    with pytest.raises(ZeroDivisionError, match="my own") as caught:
        SoftmaxRegressionCV([0.5], scoring=scorer).fit(X, Y)
    assert caught.value.__notes__ == ["scoring C = 0.5, fold 0"]


def test_weights_of_0_in_a_fold():
    """By rows or by classes; a class that plain fits leave out cannot be left out of one fold."""
    names = np.array(["ant", "bee", "cow"])[Y]
    folds = [(np.arange(120), np.arange(120, 240)), (np.arange(120, 240), np.arange(120))]
    first, weights = np.arange(240) < 120, np.ones(240)
    of_a_class = (
        r": expected a positive weight for each class .* zeros only for class 'bee' in fold 1"
    )
    with pytest.raises(ValueError, match="sample_weight" + of_a_class):
        SoftmaxRegressionCV(CS, cv=folds).fit(X, names, np.where(first | (Y != 1), 1.0, 0.0))
    with pytest.raises(ValueError, match=r"class_weight.* class 'bee' in fold 0"):
        SoftmaxRegressionCV(CS, cv=folds, class_weight={"bee": 0}).fit(X, names)
    folds = [(np.arange(240), np.arange(100, 240)), (np.arange(240), np.arange(100))]
    weights[:100] = 0
    for scoring in (None, "accuracy"):
        with pytest.raises(ValueError, match=r"sample_weight: .* to score .* zeros only in fold 1"):
            SoftmaxRegressionCV(CS, cv=folds, scoring=scoring).fit(X, names, weights)
    with pytest.raises(ValueError, match=r"sample_weight: .* to score .* zeros only in fold 1"):
        SoftmaxRegressionCV(CS, cv=folds, scoring="f1_macro").fit(X, names, weights)
    # a function that has no place for weights scores without
    SoftmaxRegressionCV(CS, cv=folds, scoring=lambda m, X, y: m.score(X, y)).fit(X, names, weights)


@pytest.mark.parametrize("value", [None, "high", np.ones(3), 1j, 10**400, {"score": 1}], ids=str)
def test_a_scorer_that_returns_no_number(value):
    with pytest.raises(ValueError, match="scoring: expected a function that returns a numb") as e:
        SoftmaxRegressionCV([0.5], scoring=lambda model, X, y: value).fit(X, Y)
    assert e.value.__notes__ == ["scoring C = 0.5, fold 0"]


def test_scorings_that_there_are_none_of():
    with pytest.raises(
        ValueError, match=r"scoring: .* one of accuracy, .*neg_log_loss, .*'acuracy'"
    ):
        SoftmaxRegressionCV(scoring="acuracy").fit(X, Y)


def test_a_splitter_for_blocks():
    blocks = Blocks([(X[:100], Y[:100]), (X[100:], Y[100:])])
    for cv in (StratifiedKFold(3), KFold(3)):
        streamed = SoftmaxRegressionCV([0.1], cv=cv, fold_tol=1e-9).fit(blocks)
        plain = SoftmaxRegressionCV([0.1], cv=cv, fold_tol=1e-9).fit(X, Y)
        np.testing.assert_allclose(streamed.scores_, plain.scores_, atol=1e-4)


# ---- scorers on every kind of X and y


def in_blocks(X, y, weights=None):
    cuts = [(0, 90), (90, 100), (100, 240)]
    extra = [() if weights is None else (weights[a:b],) for a, b in cuts]
    return Blocks([(X[a:b], y[a:b], *more) for (a, b), more in zip(cuts, extra, strict=True)])


SPARSE = ("csr", "csc", "coo", "dia", "bsr", "lil", "dok")
FORMS = {
    "list": lambda X: X.tolist(),
    "frame": lambda X: pytest.importorskip("pandas").DataFrame(X).add_prefix("x"),
    "polars": lambda X: pytest.importorskip("polars").DataFrame(X),
    "arrow": lambda X: pytest.importorskip("pyarrow").table(
        {f"x{j}": x for j, x in enumerate(X.T)}
    ),
    **{name: partial(lambda name, X: sparse.csr_array(X).asformat(name), name) for name in SPARSE},
}


def test_scorers_of_frames_in_blocks_cause_no_warning():
    """Of names, which the rows of blocks do not have."""
    X, y = problem()
    frame = FORMS["frame"](X)
    model = SoftmaxRegressionCV(CS, cv=3, scoring="f1_macro")
    model.fit(Blocks([(frame[:100], y[:100]), (frame[100:], y[100:])]))
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
@pytest.mark.parametrize("form", [*FORMS, "blocks", "sparse blocks"])
@pytest.mark.parametrize("scoring", ["f1_macro", "roc_auc_ovr", make_scorer(accuracy_score)])
def test_scorers_on_every_form_of_X(form, scoring):
    X, y = problem()
    options = {"cv": StratifiedKFold(3), "scoring": scoring, "fold_tol": 1e-9}
    plain = SoftmaxRegressionCV(CS, **options).fit(X, y)
    model = SoftmaxRegressionCV(CS, **options)
    if form == "blocks":
        model.fit(in_blocks(X, y))
    elif form == "sparse blocks":
        model.fit(in_blocks(sparse.csr_array(X), y))
    else:
        model.fit(FORMS[form](X), y)
    np.testing.assert_allclose(model.scores_, plain.scores_, atol=1.01 / 80)
    assert model.C_ == plain.C_


@pytest.mark.parametrize("kind", ["probabilities", "counts", "objects", "column", "blocks"])
def test_scorers_and_splitters_on_every_kind_of_y(kind):
    """A scorer is handed the labels of the most probable classes, and a splitter too."""
    X, y = problem()
    y[:60] = y[:60] % 2  # no shares alike
    given = {
        "probabilities": 0.9 * np.eye(3)[y] + 0.1 / 3,
        "counts": 2 * np.eye(3, dtype=int)[y],
        "objects": y.astype(object),
        "column": y.tolist(),
        "blocks": 0.9 * np.eye(3)[y] + 0.1 / 3,
    }[kind]
    seen = []

    def scorer(model, rows, labels):
        seen.append((rows, labels))
        return accuracy_score(labels, model.predict(rows))

    model = SoftmaxRegressionCV([0.1], cv=StratifiedKFold(3), scoring=scorer, fold_tol=1e-9)
    model.fit(in_blocks(X, given)) if kind == "blocks" else model.fit(X, given)
    for (_, test), (rows, labels) in zip(StratifiedKFold(3).split(X, y), seen, strict=True):
        np.testing.assert_array_equal(labels, y[test])
        np.testing.assert_array_equal(rows, X[test])
        assert labels.dtype.kind == "i"
    for scoring in ("f1_macro", "accuracy"):
        model.set_params(scoring=scoring)
        model.fit(in_blocks(X, given)) if kind == "blocks" else model.fit(X, given)


def test_weights_reach_scorers_of_blocks_and_counts():
    X, y = problem()
    weights = np.random.default_rng(0).uniform(0.2, 3, size=len(y))
    scorer = make_scorer(accuracy_score)
    options = {"cv": 3, "fold_tol": 1e-9}
    own = SoftmaxRegressionCV(CS, scoring="accuracy", **options).fit(X, y, weights)
    for model in (
        SoftmaxRegressionCV(CS, scoring=scorer, **options).fit(X, y, weights),
        SoftmaxRegressionCV(CS, scoring=scorer, **options).fit(in_blocks(X, y, weights)),
    ):
        np.testing.assert_allclose(model.scores_, own.scores_, atol=1e-6)
    times = np.random.default_rng(0).integers(1, 5, size=len(y))
    table = times[:, None] * np.eye(3, dtype=int)[y]
    own = SoftmaxRegressionCV(CS, scoring="accuracy", **options).fit(X, table)
    model = SoftmaxRegressionCV(CS, scoring=scorer, **options).fit(X, table)
    np.testing.assert_allclose(model.scores_, own.scores_, atol=1e-6)


def test_rows_of_blocks_in_any_order():
    X, y = problem()
    numbers = np.random.default_rng(0).permutation(240)[:50]
    for form in (np.asarray, sparse.csr_array):
        blocks = in_blocks(form(X), y)
        rows = blocks.rows(numbers, blocks.scan())
        np.testing.assert_array_equal(rows.toarray() if sparse.issparse(rows) else rows, X[numbers])


# ---- scores that are no numbers


def test_scores_of_nan_rank_last_with_one_warning():
    X, y = problem()

    def scorer(model, rows, labels):
        score = accuracy_score(labels, model.predict(rows))
        return np.nan if np.abs(model.coef_).max() > 1.2 and len(labels) == 80 else score

    folds = [*KFold(3).split(X), (np.arange(120), np.arange(120, 150))]
    with pytest.warns(
        UserWarning, match=r"NaN in \d+ of 16 fits, in 3 of 4 folds \(0, 1, 2\)"
    ) as w:
        model = SoftmaxRegressionCV([1e-3, 0.01, 1.0, 100.0], cv=folds, scoring=scorer).fit(X, y)
    assert len(w) == 1
    bad = np.isnan(model.scores_).any(axis=0)
    assert bad.tolist() == [False, False, False, True] or bad.tolist() == [False, False, True, True]
    assert not bad[list(model.Cs_).index(model.C_)]
    best = np.where(bad, -np.inf, np.nanmean(model.scores_, axis=0)).argmax()
    assert model.Cs_[best] == model.C_


@pytest.mark.parametrize("selection", ["best", "1se"])
@pytest.mark.parametrize(("score", "best"), [(np.inf, 10.0), (-np.inf, 1e-3)])
def test_scores_may_be_infinite(selection, score, best):
    X, y = problem()

    def scorer(model, X, y):
        return score if np.abs(model.coef_).max() > 1 else 0.5

    model = SoftmaxRegressionCV([1e-3, 10.0], cv=3, scoring=scorer, selection=selection).fit(X, y)
    np.testing.assert_array_equal(model.scores_, [[0.5, score]] * 3)
    assert float(model.C_) == best


def test_a_fold_that_no_C_has_a_score_of():
    X, y = problem()
    folds = [(np.arange(120), np.arange(120, 240)), (np.arange(120), np.arange(120, 125))]

    def scorer(model, rows, labels):
        return np.nan if len(labels) == 5 else accuracy_score(labels, model.predict(rows))

    with pytest.warns(UserWarning, match=r"scoring: the score is NaN in 3 of 6 fits"):
        model = SoftmaxRegressionCV(CS, cv=folds, scoring=scorer).fit(X, y)
    assert CS[model.scores_[0].argmax()] == model.C_
    with pytest.raises(ValueError, match="scoring: expected a number, got NaN in all 15 fits"):
        SoftmaxRegressionCV(CS, scoring=lambda *_: np.nan).fit(X, y)


def test_a_callback_sees_every_fold_and_stops():
    X, y = problem()
    whole = SoftmaxRegressionCV(CS, cv=3).fit(X, y)
    records = []
    SoftmaxRegressionCV(CS, cv=3).fit(X, y, callback=lambda state: records.extend(state.history))
    assert len(records) == sum(range(10))
    last = records[-9:]
    at = [(r.fold, list(CS).index(r.C)) for r in last]
    np.testing.assert_array_equal([r.score for r in last], [whole.scores_[i] for i in at])
    np.testing.assert_array_equal(
        [r.objective for r in last], [whole.fold_objectives_[i] for i in at]
    )
    with pytest.warns(UserWarning, match="callback: it ended the search after 4 of 9 fits"):
        half = SoftmaxRegressionCV(CS, cv=3).fit(X, y, callback=lambda state: state.n_iter == 4)
    assert half.C_ == 1e-3 and np.isnan(half.scores_).sum() == 5 and half.converged_


@pytest.mark.parametrize(("cv", "fits"), [(3, 9), ("loo", 3)])
def test_a_callback_that_ends_the_last_fit_leaves_nothing_out(cv, fits):
    """A C that is given twice is fitted once."""
    X, y = problem()
    model = SoftmaxRegressionCV([*CS, CS[0]], cv=cv)
    model.fit(X, y, callback=lambda state: state.n_iter == fits)
    assert np.isfinite(model.scores_).all()
    with pytest.warns(UserWarning, match=f"after {fits - 1} of {fits} fits"):
        model.fit(X, y, callback=lambda state: state.n_iter == fits - 1)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, 1e-4),
        ({"tol": 1e-3}, 1e-4),
        ({"tol": 1e-9}, 1e-7),
        ({"tol": 1e-9, "fold_tol": 1e-2}, 1e-2),
    ],
    ids=str,
)
def test_a_small_tolerance_reaches_the_folds(params, expected, monkeypatch):
    """By the gaps of the folds, proved by `certify` on the rows that they were trained on."""
    seen = []
    folds = search.fits_of_folds
    monkeypatch.setattr(
        search, "fits_of_folds", lambda *args: seen.append(args[-1]) or folds(*args)
    )
    train, test = np.flatnonzero(np.arange(240) % 3), np.arange(0, 240, 3)
    model = SoftmaxRegressionCV([0.1], cv=[(train, test)], refit=False, **params).fit(X, Y)
    assert seen == [pytest.approx(expected)]
    proof = certify(model.coef_, model.intercept_, X[train], Y[train], C=0.1, tol=1e-12)
    assert proof.gap_bound <= expected * proof.objective


def test_a_fit_in_float32_goes_on_with_the_blocks_of_one_that_ended_in_float64():
    many, codes = problem(4, 3000, 30)
    model = SoftmaxRegressionCV(fold_tol=1e-8).fit(many, codes)
    train = stratified(codes, 5) != 0
    single = SoftmaxRegression(C=model.Cs_[5], tol=1e-10).fit(many[train], codes[train])
    np.testing.assert_allclose(model.fold_objectives_[0, 5], single.objective_, rtol=1e-7)
