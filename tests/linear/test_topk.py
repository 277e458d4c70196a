"""The k most probable classes, and predictions of rows that come in parts."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from scipy import sparse

from fastsoftmax import (
    Blocks,
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    Partitions,
    SoftmaxRegression,
    SoftmaxRegressionCV,
    engines,
)
from fastsoftmax._neural import labels
from fastsoftmax._neural.ranking import largest

NAMES = np.array(["ant", "bee", "cat", "dog", "eel", "fox"])


def problem(n_classes=6, n=90, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    return rng.normal(size=(n, n_features)) + rng.normal(size=(n_classes, n_features))[y], y


def by_sorting(z, k):
    """Columns by their numbers, largest first, then by their place."""
    rows = [sorted(range(len(row)), key=lambda j: (-row[j], j))[:k] for row in z.tolist()]
    return np.array(rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 7, 12])
def test_largest_with_ties(k, dtype):
    rng = np.random.default_rng(k)
    z = rng.integers(-2, 3, size=(200, 12)).astype(dtype)
    z[::3] = rng.normal(size=z[::3].shape)
    z[1], z[4, 3], z[7, :5] = 0, np.inf, -np.inf
    np.testing.assert_array_equal(largest(z, k), by_sorting(z, k))


def test_nan_is_less_than_any_number():
    z = np.array([[np.nan, 1.0, np.nan, 3.0]])
    np.testing.assert_array_equal(largest(z, 2), [[3, 1]])


@pytest.mark.parametrize("kind", [SoftmaxRegression, LogisticRegression, SoftmaxRegressionCV])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 6])
def test_topk_sorts_probabilities(kind, dtype, n_classes):
    X, y = problem(n_classes)
    X, y = X.astype(dtype), NAMES[y]
    model = kind().fit(X, y)
    p = model.predict_proba(X)
    for k in range(1, n_classes + 1):
        labels, probabilities = model.predict_topk(X, k, return_proba=True)
        order = by_sorting(p, k)
        np.testing.assert_array_equal(labels, NAMES[order])
        np.testing.assert_array_equal(probabilities, np.take_along_axis(p, order, axis=1))
        np.testing.assert_array_equal(model.predict_topk(X, k), labels)
        hits = [label in row for label, row in zip(y, NAMES[order], strict=True)]
        assert model.score(X, y, top_k=k) == np.mean(hits)
        weights = np.arange(len(X))
        assert model.score(X, y, weights, top_k=k) == np.average(hits, weights=weights)
    np.testing.assert_array_equal(model.predict_topk(X, 1)[:, 0], model.predict(X))
    assert model.score(X, y, top_k=n_classes) == 1


def test_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    X, y = problem()
    model = SoftmaxRegression().fit(X, y)
    z = model.decision_function(X)
    for k in range(1, 6):
        assert model.score(X, y, top_k=k) == metrics.top_k_accuracy_score(y, z, k=k)


def test_of_equal_classes_the_first_comes_first():
    X, y = problem()
    model = SoftmaxRegression().fit(X, NAMES[y])
    model.coef_, model.intercept_ = np.zeros((6, 5)), np.zeros(6)  # all classes are as probable
    np.testing.assert_array_equal(model.predict_topk(X, 4), np.tile(NAMES[:4], (len(X), 1)))
    two = LogisticRegression().fit(X, NAMES[y % 2])
    two.coef_, two.intercept_ = np.zeros((1, 5)), np.zeros(1)
    np.testing.assert_array_equal(two.predict_topk(X, 2), np.tile(NAMES[:2], (len(X), 1)))


def test_of_several_labels_per_row():
    X, y = problem()
    model = LogisticRegression().fit(X, np.column_stack([y < 3, y % 2, y > 4]).astype(int))
    p = model.predict_proba(X)
    labels, probabilities = model.predict_topk(X, 2, return_proba=True)
    np.testing.assert_array_equal(labels, by_sorting(p, 2))
    np.testing.assert_array_equal(probabilities, -np.sort(-p, axis=1)[:, :2])
    with pytest.raises(ValueError, match="top_k: expected 1 where rows have several labels, got 2"):
        model.score(X, model.predict(X), top_k=2)


@pytest.mark.parametrize("model", [SoftmaxRegression(), MLPClassifier(4, max_iter=300, tol=0.1)])
def test_what_k_may_be(model):
    X, y = problem()
    with pytest.raises(ValueError, match="not fitted"):
        model.predict_topk(X, 2)
    model.fit(X, y)
    for k in (0, 7):
        with pytest.raises(ValueError, match=f"k: expected an integer .=.*, got {k}"):
            model.predict_topk(X, k)
        with pytest.raises(ValueError, match=f"top_k: expected an integer .=.*, got {k}"):
            model.score(X, y, top_k=k)
    with pytest.raises(TypeError, match="k: expected an integer"):
        model.predict_topk(X, 2.0)
    with pytest.raises(ValueError, match="y: expected labels, got None"):
        SoftmaxRegression().fit(X, y).score(X)


def test_a_network():
    X, y = problem()
    model = MLPClassifier(8, max_iter=300, tol=0.1, random_state=0).fit(X, NAMES[y])
    p = model.predict_proba(X)
    labels, probabilities = model.predict_topk(X, 3, return_proba=True)
    np.testing.assert_array_equal(labels, NAMES[by_sorting(p, 3)])
    np.testing.assert_array_equal(probabilities, -np.sort(-p, axis=1)[:, :3])
    hits = (labels == NAMES[y][:, None]).any(axis=1)
    assert model.score(X, NAMES[y], top_k=3) == hits.mean()
    assert model.score(X, np.eye(6)[y], top_k=3) == hits.mean()
    outputs = MLPClassifier(8, loss="mse", tol=1).fit(X, y)
    assert outputs.predict_topk(X, 2).shape == (len(X), 2)
    with pytest.raises(AttributeError, match="predict_proba"):
        outputs.predict_topk(X, 2, return_proba=True)


def rows(X, y, weights, begin, end):
    part = X[begin:end], y[begin:end]
    return part if weights is None else (*part, weights[begin:end])


METHODS = [
    ("predict", ()), ("predict_proba", ()), ("predict_log_proba", ()), ("decision_function", ()),
    ("predict_topk", (2,)),
]  # fmt: skip


@pytest.mark.parametrize("n_classes", [2, 6])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_in_parts(n_classes, make, weighted):
    X, y = problem(n_classes)
    weights = np.arange(len(X), dtype=float) if weighted else None
    X, y = make(X), NAMES[y]
    model = SoftmaxRegression(C=0.1).fit(X, y)
    bounds = [(0, 20), (20, 60), (60, 60), (60, 90)]
    loaders = [partial(rows, X, y, weights, *each) for each in bounds]
    blocks = Blocks(lambda: (rows(X, y, weights, *each) for each in bounds if each[0] < each[1]))
    for parts in (blocks, Partitions(loaders)):
        for name, args in METHODS:
            whole, found = getattr(model, name)(X, *args), getattr(model, name)(parts, *args)
            assert whole.dtype == found.dtype
            if whole.dtype.kind == "f":
                np.testing.assert_allclose(found, whole, rtol=1e-12, atol=1e-14)
            else:
                np.testing.assert_array_equal(found, whole)
        labels, p = model.predict_topk(parts, 2, return_proba=True)
        assert labels.shape == p.shape == (90, 2)
        for k in (1, 2):
            np.testing.assert_allclose(
                model.score(parts, top_k=k), model.score(X, y, weights, top_k=k), rtol=1e-14
            )
        with pytest.raises(TypeError, match=f"y: expected None beside {type(parts).__name__}"):
            model.score(parts, y)


def test_workers_load_and_score_partitions():
    X, y = problem()
    model = SoftmaxRegression().fit(X, y)
    partitions = Partitions([partial(rows, X, y, None, i, i + 30) for i in (0, 30, 60)])
    with engines.Processes(2):
        np.testing.assert_array_equal(model.predict_topk(partitions, 3), model.predict_topk(X, 3))
        assert model.score(partitions, top_k=2) == model.score(X, y, top_k=2)


def test_several_labels_in_blocks():
    X, y = problem()
    Y = np.column_stack([y < 3, y % 2]).astype(int)
    model = LogisticRegression().fit(X, Y)
    blocks = Blocks([(X[:50], Y[:50]), (X[50:], Y[50:])])
    np.testing.assert_array_equal(model.predict(blocks), model.predict(X))
    assert model.score(blocks) == model.score(X, Y)


def test_a_wrong_part_is_named():
    X, y = problem()
    model = SoftmaxRegression().fit(X, y)
    with pytest.raises(ValueError, match="block 1: X has 4 features"):
        model.predict(Blocks([(X, y), (X[:, 1:], y)]))
    with pytest.raises(ValueError, match="partition 1: X has 4 features"):
        model.predict(Partitions([partial(rows, X, y, None, 0, 9), lambda: (X[:, 1:], y)]))
    with pytest.raises(ValueError, match="source: expected blocks of rows, got none"):
        model.predict(Blocks([]))


@pytest.mark.parametrize("kind", [SoftmaxRegression, MLPClassifier])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_logits_in_parts_are_those_of_all_rows(kind, make):
    X, y = problem()
    X = make(X)
    if kind is SoftmaxRegression:
        model = kind().fit(X, y)
        some = model._outputs_in_parts(X, most=7 * 6 * 8)
    else:
        model = kind(4, tol=1, random_state=0).fit(X, y)
        some = model._outputs_in_parts(X, most=7 * 6 * 8)
    parts = list(some)
    assert [len(part) for part in parts] == [7] * 12 + [6]
    np.testing.assert_allclose(np.concatenate(parts), model.decision_function(X), atol=1e-12)


def test_no_array_of_all_logits(tmp_path):
    n, d, k = 60_000, 4, 200
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float16, (n, d))
    X[...] = rng.normal(size=(n, d))
    y = np.arange(n) % k
    model = SoftmaxRegression().fit(X[:k], y[:k])
    for call in (
        lambda: model.predict(X),
        lambda: model.predict_topk(X, 5),
        lambda: model.score(X, y, top_k=5),
    ):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * labels.PART < 2 * 4 * n * k  # logits of all rows take 4 bytes each
    expected = (X.astype(float) @ model.coef_.T + model.intercept_).argmax(axis=1)
    assert np.mean(model.predict(X) == expected) > 0.999  # but for rounding to float32


def test_cross_validated_scores_keep_their_meaning():
    X, y = problem()
    model = LogisticRegressionCV(
        Cs=[0.1, 1], l1_ratios=(0,), cv=2, scoring="accuracy", use_legacy_attributes=False
    ).fit(X, y)
    assert model.score(X, y) == np.mean(model.predict_topk(X, 1)[:, 0] == y)


@pytest.mark.parametrize("k", [1, 2])
def test_labels_of_another_type_are_refused(k):
    X, y = problem()
    for given, others in ((y, NAMES[y]), (NAMES[y], y), (NAMES[y].astype(object), y)):
        model = SoftmaxRegression().fit(X, given)
        with pytest.raises(ValueError, match=r"y: expected (numbers|strings), as the classes"):
            model.score(Blocks([(X, others)]), top_k=k)
        with pytest.raises(ValueError, match=r"y: expected (numbers|strings), as the classes"):
            model.score(X, others, top_k=k)
        same = np.asarray(given, dtype=object if k > 1 else None)
        assert model.score(X, same, top_k=k) == model.score(Blocks([(X, given)]), top_k=k) > 0.5
    assert SoftmaxRegression().fit(X, y).score(X, y + 100.0, top_k=k) == 0  # labels that are new


def test_a_label_that_is_nan_is_refused():
    X, y = problem()
    model = SoftmaxRegression().fit(X, y)
    y = y.astype(float)
    y[3] = np.nan
    with pytest.raises(ValueError, match="y: expected labels, got nan in row 3"):
        model.score(X, y, top_k=2)
    with pytest.raises(ValueError, match="y: expected labels, got nan in row 3"):
        model.score(Blocks([(X, y)]))
