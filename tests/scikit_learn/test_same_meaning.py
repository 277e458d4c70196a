"""What scikit-learn and PyTorch mean by the same words is meant here too, or refused."""

import numpy as np
import pytest
from support.problems import softmax_rows

pytest.importorskip("sklearn")

from scipy import sparse
from scipy.optimize import minimize
from sklearn import linear_model
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from support.versions import at_least

import fastsoftmax
from fastsoftmax import Blocks, LogisticRegression, SoftmaxRegression, SoftmaxRegressionCV

rng = np.random.default_rng(0)
X, Y = softmax_rows(200, 4, 3, rng)
TABLE = np.eye(3, dtype=int)[Y]
TIGHT = {"tol": 1e-13}


# ---- weights of classes


def test_label_smoothing_with_class_weight_is_pytorchs():
    """Each class's term of the smoothed cross-entropy times the weight of that class."""
    w, eps, C = np.array([1.0, 5.0, 0.2]), 0.3, 0.5
    by_class = dict(enumerate(w))
    model = SoftmaxRegression(C=C, label_smoothing=eps, class_weight=by_class, **TIGHT).fit(X, Y)

    def objective(theta):
        W, b = theta[:12].reshape(3, 4), theta[12:]
        z = X @ W.T + b
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        hard = -(w[Y] * logp[np.arange(200), Y])
        smooth = -(w * logp).sum(axis=1)
        return C * np.sum((1 - eps) * hard + eps / 3 * smooth) + 0.5 * np.sum(W**2)

    best = minimize(objective, np.zeros(15), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(model.coef_, best.x[:12].reshape(3, 4), atol=2e-5)
    torch = pytest.importorskip("torch")
    z = torch.tensor(X @ model.coef_.T + model.intercept_)
    loss = torch.nn.functional.cross_entropy(
        z, torch.tensor(Y), weight=torch.tensor(w), label_smoothing=eps, reduction="sum"
    )
    ours = fastsoftmax.cross_entropy(z.numpy(), Y, weight=w, label_smoothing=eps, reduction="sum")
    assert float(loss) == pytest.approx(ours, rel=1e-12)


def test_class_weight_may_name_a_class_that_a_fold_lacks():
    weight = {0: 1.0, 1: 2.0, 2: 3.0}
    rows = Y != 1
    ours = SoftmaxRegression(class_weight=weight, **TIGHT).fit(X[rows], Y[rows])
    theirs = linear_model.LogisticRegression(
        class_weight=weight, solver="newton-cholesky", tol=1e-12
    ).fit(X[rows], Y[rows])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    folds = [(np.flatnonzero(rows), np.flatnonzero(~rows)), (np.arange(100), np.arange(100, 200))]
    scores = cross_val_score(
        SoftmaxRegression(class_weight=weight), X, Y, cv=folds, error_score="raise"
    )
    assert scores[0] == 0 and scores[1] > 0.3
    for model in (SoftmaxRegression, linear_model.LogisticRegression):  # a misspelt label
        with pytest.raises(ValueError, match=r"class_weight|not in class_weight"):
            model(class_weight={0: 1.0, 7: 2.0}).fit(X, Y)


def balanced(labels, sample_weight):
    """Weights of classes by which each class weighs as much as the mean class."""
    totals = np.bincount(labels, sample_weight)
    return dict(enumerate(totals.mean() / totals))


@pytest.mark.parametrize("r", [0.0, 0.5])
@pytest.mark.parametrize(
    "weight", ["balanced", {0: 1, 1: 3}, [{0: 1, 1: 2}, "balanced", {True: 0.2}]], ids=str
)
def test_weights_of_several_labels_are_those_of_a_fit_for_each(weight, r):
    each = weight if isinstance(weight, list) else [weight] * 3
    sample_weight = np.linspace(0.5, 2, len(X))
    if not at_least("scikit-learn", 1, 7):  # which balanced the rows, whatever they weigh
        each = [
            balanced(TABLE[:, k], sample_weight) if w == "balanced" else w
            for k, w in enumerate(each)
        ]
    model = LogisticRegression(class_weight=weight, l1_ratio=r, **TIGHT)
    model.fit(X, TABLE, sample_weight)
    penalty = {"solver": "saga", "l1_ratio": r} if r else {}
    if r and not at_least("scikit-learn", 1, 8):
        penalty["penalty"] = "elasticnet"
    theirs = [
        linear_model.LogisticRegression(class_weight=w, tol=1e-9, max_iter=10_000, **penalty).fit(
            X, TABLE[:, k], sample_weight
        )
        for k, w in enumerate(each)
    ]
    for k, other in enumerate(theirs):
        np.testing.assert_allclose(model.coef_[k], other.coef_[0], atol=1e-5)
        np.testing.assert_allclose(model.intercept_[k], other.intercept_[0], atol=1e-5)
    proof = model.certify(X, TABLE, sample_weight)
    assert proof.gap_bound <= 1e-8 * proof.objective
    np.testing.assert_allclose(proof.objective, model.objective_, rtol=1e-10)
    named = MultiOutputClassifier(LogisticRegression(class_weight=each[0], l1_ratio=r, **TIGHT))
    first = named.fit(X, TABLE, sample_weight).estimators_[0]
    np.testing.assert_allclose(model.coef_[0], first.coef_[0], atol=1e-12)
    cuts = [slice(0, 50), slice(50, 200)]
    blocks = Blocks([(X[cut], TABLE[cut], sample_weight[cut]) for cut in cuts])
    np.testing.assert_allclose(model.fit(blocks).coef_[0], first.coef_[0], atol=1e-6)


def test_weights_of_several_labels_after_a_fit_without():
    offset = np.random.default_rng(0).normal(size=TABLE.shape)
    model = LogisticRegression(warm_start=True, solver="preconditioned-lbfgs", **TIGHT)
    model.fit(X, TABLE, offset=offset).set_params(class_weight={1: 3}).fit(X, TABLE, offset=offset)
    for k in range(3):
        one = LogisticRegression(class_weight={1: 3}, **TIGHT)
        one.fit(X, TABLE[:, k], offset=offset[:, k])
        np.testing.assert_allclose(model.coef_[k], one.coef_[0], atol=1e-6)
    assert model.fit(X, TABLE, offset=offset).n_iter_[0] <= 3


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({0: 1, "a": 2}, r": expected classes of y \(0, 1\) as keys, got 'a'"),
        ([{1: 2}], ": expected a dict for each of the 3 labels, got 1"),
        ([{1: 2}] * 2 + [5], r"\[2\]: expected None, a dict or 'balanced', got 5"),
        ({0: 0, 1: 0}, ": expected a positive weight for a class of y, got zeros"),
    ],
)
def test_wrong_weights_of_several_labels(weight, message):
    with pytest.raises(ValueError, match=f"class_weight{message}"):
        LogisticRegression(class_weight=weight).fit(X, TABLE)


def test_a_block_of_weight_0():
    weights = np.where(np.arange(200) < 50, 0.0, 1.0)
    model = fastsoftmax.fit(X, Y, sample_weight=weights, **TIGHT)
    cuts = [slice(0, 50), slice(50, 120), slice(120, 200)]
    blocks = Blocks([(X[cut], Y[cut], weights[cut]) for cut in cuts])
    np.testing.assert_allclose(fastsoftmax.fit(blocks, **TIGHT).coef_, model.coef_, atol=1e-7)
    with pytest.raises(ValueError, match="sample_weight: expected a positive weight, got zeros"):
        fastsoftmax.fit(Blocks([(X[cut], Y[cut], 0 * weights[cut]) for cut in cuts]))


# ---- labels


@pytest.mark.parametrize(
    "labels", [Y.astype(object), Y.astype(float).astype(object), (Y > 0).astype(object)], ids=str
)
def test_labels_that_are_objects(labels):
    plain = np.array(labels.tolist())
    for model in (SoftmaxRegression(), LogisticRegression(), LogisticRegression(solver="newton")):
        fitted = model.fit(X, labels)
        assert fitted.classes_.dtype == plain.dtype
        assert fitted.score(X, labels) == fitted.score(X, plain) > 0.5
        assert fitted.predict(X).dtype == plain.dtype
    search = GridSearchCV(SoftmaxRegression(), {"C": [1.0]}, cv=2).fit(X, plain)
    assert search.best_score_ > 0.5


@pytest.mark.parametrize("kind", [int, np.uint8, bool])
def test_a_matrix_of_0_and_1_means_several_labels(kind):
    table = TABLE.astype(kind)
    both = np.maximum(table, np.roll(table, 1, axis=0))
    model = LogisticRegression(**TIGHT).fit(X, both)
    theirs = MultiOutputClassifier(linear_model.LogisticRegression(tol=1e-8)).fit(X, both)
    coefs = np.vstack([one.coef_ for one in theirs.estimators_])
    np.testing.assert_allclose(model.coef_, coefs, atol=1e-4)
    hits = (model.predict(X) == both).all(axis=1).mean()
    for form in (both, sparse.csr_array(both), sparse.coo_matrix(both)):
        assert model.score(X, form) == hits
    for given in (both, table, sparse.csr_array(table), both.tolist()):
        for native in (SoftmaxRegression(), SoftmaxRegressionCV(cv=2)):
            with pytest.raises(ValueError, match=r"y: expected one label .* LogisticRegression"):
                native.fit(X, given)
    plain = SoftmaxRegression(**TIGHT).fit(X, Y)
    for target in ("counts", "probabilities"):
        other = SoftmaxRegression(**TIGHT).fit(X, table, target=target)
        np.testing.assert_allclose(other.coef_, plain.coef_, atol=1e-7)
        assert other.certify(X, table, target=target).certified
    counts = SoftmaxRegression(C=0.5, **TIGHT).fit(X, 2 * TABLE)  # which are no 0 and 1
    np.testing.assert_allclose(counts.coef_, plain.coef_, atol=1e-7)


# ---- dtypes of probabilities


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("k", [2, 3])
def test_probabilities_sum_to_1_in_the_dtype_of_scikit_learns(dtype, k):
    given = np.round(20 + 5 * X).astype(dtype)
    labels = np.minimum(Y, k - 1)
    model = SoftmaxRegression().fit(given, labels)
    theirs = linear_model.LogisticRegression(max_iter=10_000).fit(
        given if dtype == "float32" else given.astype(float), labels
    )
    p = model.predict_proba(given)
    expected = np.float32 if dtype == "float32" else np.float64
    assert p.dtype == expected
    if dtype != "float32" or at_least("scikit-learn", 1, 9):  # before, float64
        assert theirs.predict_proba(given).dtype == expected
    assert model.predict_log_proba(given).dtype == expected
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=4 * np.finfo(expected).eps)
    if expected == np.float64:
        for row in p:  # what a sampler asks for
            np.random.default_rng(0).multinomial(5, row)


@pytest.mark.parametrize("z", [1e-30, 1e-17, 1e-9, 0.0, -1e-17, -1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_probabilities_never_contradict_predict(z, dtype):
    model = SoftmaxRegression().fit([[-1.0], [1.0]], [0, 1])
    model.coef_[:], model.intercept_[:] = 1.0, 0.0
    rows = np.array([[z]], dtype)
    logs, label = model.predict_log_proba(rows), model.predict(rows)[0]
    assert logs.argmax() == model.predict_proba(rows).argmax() == label == (z > 0)
    np.testing.assert_allclose(logs, np.log(0.5), rtol=1e-6)
