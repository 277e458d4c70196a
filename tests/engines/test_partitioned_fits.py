"""Fits of partitions: the optimum is that of the same rows as arrays."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from support.partitions import Counting, of_arrays, partitions, rows

import fastsoftmax
from fastsoftmax import LogisticRegression, SoftmaxRegression
from fastsoftmax._runtime.engines import entered

rng = np.random.default_rng(1)
N = 6000
W = rng.random(N)
FIRST = (np.arange(N) >= 1000).astype(float)  # partitions of weight 0
OFFSET = rng.normal(size=(N, 4))


def dense():
    return rows("dense")


def shares(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def events(z):
    return np.random.default_rng(2).poisson(1, z.shape) + np.eye(z.shape[1], dtype=int)[z.argmax(1)]


# a name, y of (labels, logits), what else the rows have, parameters of the estimator
CASES = {
    "labels": (lambda y, z: y, {}, {}),
    "two classes": (lambda y, z: y > 1, {}, {}),
    "strings": (lambda y, z: np.array(["b", "a", "dd", "c"])[y], {"weights": W}, {}),
    "objects": (lambda y, z: np.array(["b", "a", "dd", "c"], object)[y], {}, {}),
    "weights": (lambda y, z: y, {"weights": 1e6 * W}, {}),
    "weights of 0": (lambda y, z: y, {"weights": FIRST}, {}),
    "offset": (lambda y, z: y, {"weights": W, "offset": OFFSET}, {}),
    "balanced": (lambda y, z: y, {"weights": W}, {"class_weight": "balanced"}),
    "class weights": (lambda y, z: y, {}, {"class_weight": {0: 3.0, 2: 0.5}}),
    "smoothing": (lambda y, z: y, {"weights": W}, {"label_smoothing": 0.1}),
    "probabilities": (lambda y, z: shares(z), {"weights": W}, {}),
    "probabilities, class weights": (lambda y, z: shares(z), {}, {"class_weight": {1: 2.0}}),
    "counts": (lambda y, z: events(z), {"weights": W}, {}),
    "standardize": (lambda y, z: y, {"weights": W}, {"standardize": True}),
    "feature_scale": (lambda y, z: y, {}, {"feature_scale": np.linspace(0.5, 2, 20)}),
    "penalty_factor": (lambda y, z: y, {}, {"penalty_factor": np.linspace(0.5, 2, 20)}),
    "no intercept": (lambda y, z: y, {}, {"fit_intercept": False}),
    "sorted": (lambda y, z: np.sort(y), {}, {}),
}


def compared(kind, X, y, weights=None, offset=None, **parameters):
    """A fit of partitions, after comparing it with that of the arrays."""
    parameters = {"C": 0.1, "tol": 1e-11, **parameters}
    parts = of_arrays(X, y, weights, offset)
    model = kind(**parameters).fit(parts)
    here = kind(**parameters).fit(X, y, weights, offset=offset)
    assert model.certified_
    within = max(1e-10, 2 * parameters["tol"])
    assert model.objective_ == pytest.approx(here.objective_, rel=within)
    assert np.array_equal(model.classes_, here.classes_)
    assert model.classes_.dtype == here.classes_.dtype
    # a bound from the arrays, by other code than that of partitions
    proof = model.certify(X, y, weights, offset=offset)
    assert proof.gap_bound <= 1e-9 * proof.objective
    proof = model.certify(parts)
    assert proof.gap_bound <= 1e-9 * proof.objective
    assert proof.objective == pytest.approx(model.objective_, rel=1e-12)
    return model


@pytest.mark.parametrize("case", CASES)
def test_the_optimum_is_that_of_the_arrays(case):
    X, y, z = dense()
    of_y, of_rows, parameters = CASES[case]
    compared(SoftmaxRegression, X, of_y(y, z), **of_rows, **parameters)


def test_several_labels():
    X, _, z = dense()
    compared(LogisticRegression, X, (z > 1).astype(int), W)


@pytest.mark.parametrize("offset", [None, OFFSET])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8])
def test_other_dtypes(dtype, offset):
    X, y, _ = dense()
    X = np.clip(20 * X + 100, 0, 255) if dtype == np.uint8 else X
    compared(SoftmaxRegression, X.astype(dtype), y, offset=offset, C=1e-3)


@pytest.mark.parametrize(("n", "d", "k"), [(2, 1, 2), (5, 1, 3), (40, 300, 4)])
def test_few_rows(n, d, k):
    """Less than features, too, whose preconditioner is of low rank."""
    X, y = np.random.default_rng(n).normal(size=(n, d)), np.arange(n) % k
    model = SoftmaxRegression(tol=1e-11).fit(of_arrays(X, y, ends=(0, 1, n - 1)))
    here = SoftmaxRegression(tol=1e-11).fit(X, y)
    assert model.certified_
    assert model.objective_ == pytest.approx(here.objective_, rel=1e-10)


def test_a_mean_that_float64_needs_centred():
    X, y, _ = dense()
    compared(SoftmaxRegression, X + 1e9 * (np.arange(20) == 3), y, W)


def test_a_far_cell():
    X, y, _ = dense()
    X = X.copy()
    X[7, 0] = 1e5
    compared(SoftmaxRegression, X, y, tol=1e-9)


@pytest.mark.parametrize("case", ["labels", "weights", "offset", "standardize", "probabilities"])
def test_sparse_rows(case):
    X, y, z = rows("sparse")
    of_y, of_rows, parameters = CASES[case]
    of_rows = {name: of[: len(y)] for name, of in of_rows.items()}
    if "offset" in of_rows:
        of_rows["offset"] = rng.normal(size=z.shape)
    compared(SoftmaxRegression, X, of_y(y, z), **of_rows, **parameters, C=1.0)


def test_sparse_rows_in_other_units():
    X, y, _ = rows("sparse")
    scale = np.linspace(0.5, 2, X.shape[1])
    compared(SoftmaxRegression, X, y, feature_scale=scale, penalty_factor=scale, C=1.0)


def test_a_sparse_feature_that_is_centred():
    X, y, _ = rows("sparse")
    X = X.tolil()
    X[:, 3] = 100 + np.random.default_rng(3).normal(size=(X.shape[0], 1))
    compared(SoftmaxRegression, X.tocsr(), y, C=1.0, tol=1e-9)


def test_sparse_rows_that_are_better_dense():
    X, y, _ = rows("small")
    parts = of_arrays(sparse.csr_array(X), y, ends=(0, 10))
    model = SoftmaxRegression(tol=1e-11).fit(parts)
    same = SoftmaxRegression(tol=1e-11).fit(of_arrays(X, y, ends=(0, 10)))
    assert np.array_equal(model.coef_, same.coef_)


def test_a_warm_start_needs_fewer_iterations():
    X, y, _ = dense()
    model = SoftmaxRegression(C=0.1, warm_start=True).fit(of_arrays(X, y))
    cold = model.n_iter_
    model.set_params(C=0.12).fit(of_arrays(X, y))
    assert model.certified_ and model.n_iter_ < cold
    here = SoftmaxRegression(C=0.12, tol=1e-9).fit(X, y)
    assert model.objective_ == pytest.approx(here.objective_, rel=2e-6)


def test_the_model_is_an_ordinary_one():
    X, y, _ = dense()
    model = pickle.loads(pickle.dumps(SoftmaxRegression().fit(of_arrays(X, y))))
    assert model.score(X, y) > 0.5
    assert model.to_sklearn().predict(X[:5]).tolist() == model.predict(X[:5]).tolist()
    seen = []
    fastsoftmax.fit(of_arrays(X, y), callback=lambda state: seen.append(state.coef.shape))
    assert set(seen) == {(4, 20)}


# ---- what goes between the workers and this process


PROBLEMS = ["dense", "small", "float32", "sparse"]


def counted(name, **parameters):
    with entered(counting := Counting()):
        model = SoftmaxRegression(**parameters).fit(partitions(name))
    assert model.certified_
    return model, counting.rounds


@pytest.mark.parametrize(
    ("name", "C"),
    [("dense", 0.1), ("dense", 100.0), ("float32", 1.0), ("sparse", 1.0), ("small", 1)],
)
def test_a_line_search_takes_one_evaluation(name, C):
    model, rounds = counted(name, C=C, tol=1e-8)
    evaluations = [each for each in rounds if each[0] == "value_and_grad"]
    assert len(evaluations) <= 1 + 1.2 * model.n_iter_


@pytest.mark.parametrize("name", ["float32", "sparse"])
def test_an_evaluation_sends_the_model_and_gets_the_gradient(name):
    model, rounds = counted(name)
    numbers = model.coef_.size + model.intercept_.size
    for function, sent, received in rounds:
        if function == "value_and_grad":
            assert sent + received <= 1.1 * (8 + 8) * numbers + 1000


def test_nothing_that_is_sent_grows_with_the_rows():
    """But for the rows that are fetched once, of which there are at most so many."""
    X, y, _ = dense()
    of_rows = {}
    for times in (1, 4):
        with entered(counting := Counting()):
            many, labels = np.tile(X, (times, 1)), np.tile(y, times)
            ends = np.linspace(0, len(labels), 8).astype(int)[:-1]
            SoftmaxRegression().fit(of_arrays(many, labels, np.tile(W, times), ends=ends))
        for function, sent, received in counting.rounds:
            if function not in ("every", "chosen"):
                most = of_rows.setdefault((function, times), [0])
                most[0] = max(most[0], sent + received)
    for (function, times), [size] in of_rows.items():
        if times == 4 and (function, 1) in of_rows:
            assert size <= 1.05 * of_rows[function, 1][0] + 100, function


def test_float64_takes_over_where_float32_shows_no_fall():
    """After ten iterations F is where float32 ends, and L-BFGS thinks that 1e-6 of it is left."""
    X = np.array([
        [41, 41, 37, 31, 50, 44, 30, 48, 56, 30, 46, 52],
        [33, 33, 54, 50, 24, 30, 33, 38, 34, 29, 35, 24],
        [35, 35, 63, 29, 35, 46, 30, 43, 31, 34, 42, 37],
        [49, 49, 26, 38, 47, 42, 42, 53, 33, 70, 26, 35],
        [36, 36, 22, 44, 53, 56, 41, 45, 34, 48, 28, 34],
        [44, 44, 34, 48, 37, 51, 50, 64, 42, 46, 41, 35],
    ], np.uint8)  # fmt: skip
    y = np.array([0, 1, 1, 1, 1, 0])
    model = SoftmaxRegression(C=5.8763708730782485, tol=1e-9)
    model.fit(of_arrays(X, y, ends=[0, 1, 2, 5]))
    assert model.certified_ and model.n_iter_ < 50
    assert model.objective_ == pytest.approx(
        0.004941905793, rel=2e-9
    )  # of a fit by Newton's method
