"""Fits of blocks of sparse rows, and with L1 penalties: the optimum of all rows, however cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support.row_blocks import cut
from support.sparse_rows import compressed, scrambled, table, text

import fastsoftmax
from fastsoftmax import Blocks, SoftmaxRegression
from fastsoftmax._engine.data import (
    Batch,
    DenseBlocks,
    Point,
    SparseBlocks,
    SparseData,
    StoredLogits,
    diagonals,
)
from fastsoftmax._linear.problem.rows import rows_of

FLOATS = (np.float32, np.float64)


def of_blocks(X, at, n_threads=2):
    """X as blocks, whose indices are now of 32 bits, now of 64."""
    blocks = [X for (X,) in cut(X, at=at)]
    for block in blocks[::2]:
        block.indices, block.indptr = (
            part.astype(np.int64) for part in (block.indices, block.indptr)
        )
    return SparseBlocks(lambda: iter(blocks), X.shape, X.dtype, X.data.nbytes, n_threads, nnz=X.nnz)


def problem(n=900, d=700, k=4, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = text(n, d, rng, dtype)
    y = np.argmax(8 * X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k)), axis=1)
    return X, y, rng.uniform(0.5, 2, size=n)


def by_feature(rng, k, d, dtype=np.float64):
    return rng.normal(size=(d, k)).astype(dtype).T


@pytest.mark.kernel
@given(
    n=st.integers(1, 200),
    k=st.sampled_from([1, 3, 19]),
    at=st.lists(st.integers(0, 200), max_size=8),
    dtype=st.sampled_from(FLOATS),
    weighted=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_products_of_any_blocks_are_those_of_the_rows(n, k, at, dtype, weighted):
    rng, d = np.random.default_rng(n), 23
    X = scrambled(table(n, d, dtype, rng), rng)
    one, other = SparseData(X, 2), of_blocks(X, at)
    y = rng.integers(0, max(k, 2), n).astype(np.int32)
    weights = rng.uniform(0.5, 2, n).astype(dtype) if weighted else None
    W, b = by_feature(rng, k, d), rng.normal(size=k)
    tol = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}

    stored, here = (StoredLogits(n, k, X.dtype, 1) for _ in range(2))
    one.store_logits(W, b, stored)
    other.store_logits(W, b, here)
    np.testing.assert_allclose(here.table(), stored.table(), **tol)
    np.testing.assert_allclose(other.logits(W, b), one.logits(W, b), **tol)
    for kept, out in itertools.product((None, here), FLOATS):
        grads = [by_feature(rng, k, d, out) for _ in range(2)]
        results = [
            data.penalised(Point(W, b, kept), Batch(y, weights, 1 / n), 0.1, grad)
            for data, grad in zip((one, other), grads, strict=True)
        ]
        np.testing.assert_allclose(results[1][0], results[0][0], **tol)
        np.testing.assert_allclose(results[1][1], results[0][1], **tol)
        rounding = tol if out == dtype else {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(grads[1], grads[0], **rounding)
    for u, v in zip(other.moments(weights), one.moments(weights), strict=True):
        np.testing.assert_allclose(u, v, **tol)
    some = np.flatnonzero(rng.random(d) < 0.5)
    np.testing.assert_array_equal(other.only(some).X.toarray(), X[:, some].toarray())
    np.testing.assert_array_equal(other.lengths(), np.bincount(X.indices, minlength=d))
    for step in (1, 2, 5, 300):
        found = sparse.vstack(list(other.every(step)._read())).toarray()
        np.testing.assert_array_equal(found, X[::step].toarray())

    v = here.like()
    here.variances(weights, v)
    parts = [
        diagonals(
            data,
            lambda data, rows, begin: iter([v.part(slice(begin + rows.start, begin + rows.stop))]),
            *(k, 0.1, 0.02, True),
        )
        for data in (one, other)
    ]
    for u, v in zip(parts[1], parts[0], strict=True):
        np.testing.assert_allclose(u, v, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize("k", [2, 4])
def test_fit_is_that_of_the_rows(solver, k):
    X, y, weights = problem(k=k)
    blocks = cut(X, y, weights, at=[3, 100, 101, 500, 777])
    params = {"solver": solver, "tol": 1e-12, "max_iter": 10000}
    one = fastsoftmax.fit(X, y, sample_weight=weights, **params)
    other = fastsoftmax.fit(Blocks(lambda: iter(blocks)), **params)
    assert other.converged_
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-10)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-4)
    assert other.predict(X).tolist() == one.predict(X).tolist()


@pytest.mark.filterwarnings("ignore:The fit did not converge")
def test_fixed_steps_are_those_of_the_rows():
    """Of gradient descent, whose length is a bound on the curvature."""
    X, y, weights = problem()
    params = {"solver": "gd", "max_iter": 30}
    one = fastsoftmax.fit(X, y, sample_weight=weights, **params)
    other = fastsoftmax.fit(Blocks(cut(X, y, weights, at=[3, 500])), **params)
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-3)


@pytest.mark.parametrize(
    "params",
    [{"standardize": True}, {"feature_scale": 3.0}, {"fit_intercept": False}, {"max_memory": 1}],
    ids=str,
)
def test_parameters(params):
    X, y, _ = problem()
    one = fastsoftmax.fit(X, y, C=0.1, tol=1e-9, **params)
    other = fastsoftmax.fit(Blocks(cut(X, y, at=[400, 650])), C=0.1, tol=1e-9, **params)
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-8)


def test_boundaries_change_the_rounding_alone():
    X, y, _ = problem(dtype=np.float64)
    fits = [fastsoftmax.fit(Blocks(cut(X, y, at=at))) for at in ([], [450], range(7, 900, 71))]
    assert len({model.n_passes_ for model in fits}) == 1
    for model in fits[1:]:
        np.testing.assert_allclose(model.coef_, fits[0].coef_, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(model.objective_, fits[0].objective_, rtol=1e-12)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("dtype", FLOATS)
def test_threads_do_not_matter(dtype, l1_ratio):
    X, y, _ = problem(3000, 400, 8, dtype)
    blocks = Blocks(cut(X, y, at=[1000, 1700]))
    fits = [SoftmaxRegression(n_threads=t, l1_ratio=l1_ratio).fit(blocks) for t in (1, 2, 3)]
    assert len({model.coef_.tobytes() for model in fits}) == 1


@pytest.mark.parametrize("form", ["csc_array", "coo_array", "csr_matrix"])
def test_other_formats(form):
    X, y, _ = problem()
    make = getattr(sparse, form)
    one = fastsoftmax.fit(Blocks(cut(X, y, at=[300])))
    other = fastsoftmax.fit(Blocks([(make(part), labels) for part, labels in cut(X, y, at=[300])]))
    np.testing.assert_array_equal(other.coef_, one.coef_)


def test_what_is_better_dense_is_dense():
    X, y, _ = problem(200, 40)
    blocks = Blocks(cut(X, y, at=[90]))
    assert isinstance(rows_of(blocks, None, None, 1, None).data, DenseBlocks)
    one, other = fastsoftmax.fit(X, y, tol=1e-12), fastsoftmax.fit(blocks, tol=1e-12)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-8)


# ---- L1


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_l1_fit_is_that_of_the_rows(l1_ratio, is_sparse, dtype):
    X, y, weights = problem(dtype=dtype)
    X = X if is_sparse else X.toarray()
    params = {"C": 0.3, "l1_ratio": l1_ratio, "tol": 1e-6 if dtype == np.float32 else 1e-10}
    one = fastsoftmax.fit(X, y, sample_weight=weights, **params)
    other = fastsoftmax.fit(Blocks(cut(X, y, weights, at=[3, 100, 101, 500])), **params)
    assert other.converged_ and other.gap_bound_ <= params["tol"] * other.objective_
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=params["tol"])
    if dtype == np.float64:
        np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-5)
        np.testing.assert_array_equal(other.coef_ == 0, one.coef_ == 0)


@pytest.mark.parametrize("more", [{}, {"standardize": True}, {"max_memory": 400_000}], ids=str)
def test_l1_of_few_among_many_features(more):
    """Matrices of the set's columns alone, of features in any units."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 600)) * np.geomspace(0.1, 10, 600)
    y = np.argmax(X[:, 200:203] / 3 + rng.gumbel(size=(400, 3)), axis=1)
    params = {"C": 0.05, "l1_ratio": 1.0, "tol": 1e-8, **more}
    one = fastsoftmax.fit(X, y, **params)
    other = fastsoftmax.fit(Blocks(cut(X, y, at=[3, 100])), **params)
    assert one.converged_ and other.converged_
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-8)
    np.testing.assert_array_equal(other.coef_ == 0, one.coef_ == 0)


def test_no_room_for_columns():
    X, y, _ = problem(2000, 3000, 2)
    with pytest.raises(ValueError, match=r"max_memory: expected \d+ bytes or more, for columns of"):
        fastsoftmax.fit(Blocks(cut(X, y, at=[900])), l1_ratio=0.5, max_memory=100_000, C=100)


# ---- errors


def bad(X=None, y=None):
    rows, labels, _ = problem(60, 30)
    blocks = cut(rows, labels, at=[20, 40])
    blocks[1] = (blocks[1][0] if X is None else X, blocks[1][1] if y is None else y)
    return blocks


def with_part(name, value):
    rows = bad()[1][0]
    parts = {part: getattr(rows, part).copy() for part in ("data", "indices", "indptr")}
    parts[name][3] = value
    return compressed(parts["data"], parts["indices"], parts["indptr"], rows.shape)


ERRORS = {
    "dense": (bad(np.ones((20, 30))), "block 1: X: expected a sparse one as in the first block"),
    "sparse": (
        [(np.ones((3, 2)), [0, 1, 1]), (sparse.csr_array((3, 2)), [0, 1, 1])],
        "block 1: X: expected a dense array as in the first block, got a sparse one",
    ),
    "width": (bad(sparse.csr_array((20, 29))), "block 1: X: expected 30 features"),
    "dtype": (bad(sparse.csr_array((20, 30), dtype="f4")), "block 1: X: expected float64"),
    "index": (bad(with_part("indices", 30)), r"block 1: X.indices: expected indices 0\.\.29"),
    "starts": (bad(with_part("indptr", 10**6)), "block 1: X.indptr: expected numbers that do not"),
    "NaN": (bad(with_part("data", np.nan)), "block 1: X: expected finite numbers, got nan in row"),
    "labels": (bad(y=np.full(20, "a")), "block 1: y: expected labels of the first block's kind"),
    "NaN label": (bad(y=np.full(20, np.nan)), "block 1: y: expected labels, got nan in row 0 "),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    source, message = ERRORS[case]
    model = SoftmaxRegression()
    with pytest.raises(ValueError, match=message):
        model.fit(Blocks(source))
    assert not hasattr(model, "coef_")


def test_a_later_pass_is_looked_at_too():
    X, y, _ = problem()
    passes = []

    def blocks():
        passes.append(1)
        found = cut(X, y, at=[400])
        if len(passes) > 3:
            indices = found[1][0].indices.copy()
            indices[5] = 10**6
            found[1] = (compressed(found[1][0].data, indices, found[1][0].indptr, (500, 700)), y)
        return found

    with pytest.raises(ValueError, match=r"block 1: X.indices: expected indices 0\.\.699"):
        fastsoftmax.fit(Blocks(blocks))
