"""Fits of blocks of rows: the optimum of all rows, however they are cut."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support.problems import softmax_rows
from support.row_blocks import cut

import fastsoftmax
from fastsoftmax import Blocks, Partitions, SoftmaxRegression
from fastsoftmax._engine.data import Batch, DenseBlocks, DenseData, Point, RowSample, StoredLogits
from fastsoftmax._engine.data.dense import no_gradient


def problem(n=1000, d=12, k=5, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X, y = softmax_rows(n, d, k, rng, mean=1)
    return X.astype(dtype), y, rng.uniform(0.5, 2, size=n)


def data_of(blocks, X):
    return DenseBlocks(lambda: (block[0] for block in blocks), X.shape, X.dtype, X.nbytes, 2)


@given(
    n=st.integers(1, 200),
    at=st.lists(st.integers(0, 200), max_size=8),
    dtype=st.sampled_from([np.float32, np.float64]),
    weighted=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_products_of_any_blocks_are_those_of_the_array(n, at, dtype, weighted):
    X, y, weights = problem(n, 7, 3, dtype)
    weights = weights.astype(dtype) if weighted else None
    y = y.astype(np.int32)
    one, other = DenseData(X, 2), data_of(cut(X, at=[min(a, n) for a in at]), X)
    rng = np.random.default_rng(1)
    W, b = rng.normal(size=(3, 7)), rng.normal(size=3)
    tol = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}

    stored, here = (StoredLogits(n, 3, X.dtype, 1) for _ in range(2))
    one.store_logits(W, b, stored)
    other.store_logits(W, b, here)
    np.testing.assert_allclose(here.table(), stored.table(), **tol)
    np.testing.assert_allclose(other.logits(W, b), one.logits(W, b), **tol)
    for kept in (None, here):
        a, g = one.value_and_grad(Point(W, b), Batch(y, weights, 1 / n))
        c, h = other.value_and_grad(
            Point(*((W, b) if kept is None else (None, None)), logits=kept),
            Batch(y, weights, 1 / n),
        )
        np.testing.assert_allclose(c, a, **tol)
        np.testing.assert_allclose(h.W, g.W, **tol)
        np.testing.assert_allclose(h.b, g.b, **tol)
    change = here.like()
    other.store_logits(-W, b, change)
    stored.move(change, 0.3)
    a, g = one.value_and_grad(Point(logits=stored), Batch(y, weights, 1 / n))
    c, h = other.value_and_grad(Point(logits=here, step=(change, 0.3)), Batch(y, weights, 1 / n))
    np.testing.assert_allclose(c, a, **tol)
    np.testing.assert_allclose(h.W, g.W, **tol)
    np.testing.assert_allclose(here.table(), stored.table(), **tol)
    for u, v in zip(other.moments(weights), one.moments(weights), strict=True):
        np.testing.assert_allclose(u, v, **tol)

    rows = [np.flatnonzero(rng.random(n) < 0.5) for _ in range(3)]
    drawn = RowSample(
        np.zeros((3, n), np.int32), np.zeros((3, n)), np.array(list(map(len, rows))), None
    )
    for k, r in enumerate(rows):
        # in any order: pairs of far rows come behind the others
        drawn.rows[k, : len(r)], drawn.factors[k, : len(r)] = rng.permutation(r), rng.random(len(r))
    more = {"shared": np.eye(8, dtype=dtype), "shares": np.arange(3.0)}
    grams = [
        data.gram(drawn, np.ones(7), np.ones(8), 0.5, np.arange(8.0), **more)
        for data in (one, other)
    ]
    np.testing.assert_allclose(grams[1], grams[0], **tol)
    np.testing.assert_allclose(other.sums(drawn), one.sums(drawn), **tol)
    np.testing.assert_array_equal(other.rows(rows[0]).X, X[rows[0]])
    for step in (1, 2, 5, 300):
        np.testing.assert_array_equal(np.concatenate(list(other.every(step)._read())), X[::step])
        assert other.every(step).shape == X[::step].shape


@pytest.mark.parametrize("solver", ["auto", "preconditioned-lbfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("source", ["sequence", "function"])
def test_fit_is_that_of_the_array(solver, source):
    X, y, weights = problem()
    blocks = cut(X, y, weights, at=[3, 100, 101, 500, 777])
    given_ = Blocks(blocks if source == "sequence" else lambda: iter(blocks))
    tol = 1e-4 if solver == "gd" else 1e-12
    params = {"solver": solver, "tol": tol, "max_iter": 100000}
    one = fastsoftmax.fit(X, y, sample_weight=weights, **params)
    other = fastsoftmax.fit(given_, **params)
    assert other.converged_
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-11)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-5)
    assert other.n_features_in_ == 12
    assert other.predict(X).tolist() == one.predict(X).tolist()


@pytest.mark.parametrize("memory", [1, 20_000, None])
@pytest.mark.parametrize("d", [12, 300])
def test_fit_within_little_memory(memory, d):
    """On fused passes, and with blocks of low rank."""
    X, y, _ = problem(600, d, 40)
    params = {"max_memory": memory, "tol": 1e-9, "solver": "preconditioned-lbfgs"}
    one = fastsoftmax.fit(X, y, **params)
    other = fastsoftmax.fit(Blocks(cut(X, y, at=range(0, 600, 133))), **params)
    np.testing.assert_allclose(other.objective_, one.objective_, rtol=1e-8)


def test_labels_are_those_of_all_blocks():
    X, _, _ = problem(90)
    y = np.repeat(["a", "b", "c"], 30)
    model = fastsoftmax.fit(Blocks(cut(X, y, at=[30, 60])))
    assert model.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_matter(dtype):
    X, y, _ = problem(3000, 40, 8, dtype)
    blocks = cut(X, y, at=[1000, 1700])
    fits = [SoftmaxRegression(n_threads=t).fit(Blocks(blocks)).coef_.tobytes() for t in (1, 2, 3)]
    assert len(set(fits)) == 1


def bad(**changes):
    X, y, w = problem(60)
    blocks = [list(block) for block in cut(X, y, w, at=[20, 40])]
    for place, value in changes.items():
        blocks[1]["Xyw".index(place)] = value
    return [tuple(block) for block in blocks]


def once():
    X, y, _ = problem(60)
    passes = iter([cut(X, y, at=[20]), cut(X[:50], y[:50], at=[20])])
    return lambda: next(passes)


ERRORS = {
    "width": (bad(X=np.ones((20, 11))), "block 1: X: expected 12 features as in the first block"),
    "dtype": (bad(X=np.ones((20, 12), "f4")), "block 1: X: expected float64 as in the first block"),
    "1-d": (bad(X=np.ones(20)), "block 1: X: expected a 2-d array"),
    "labels": (bad(y=np.zeros(19)), r"block 1: y: expected shape \(20,\) as X has rows"),
    "labels of three dimensions": (
        bad(y=np.zeros((20, 2, 2))),
        r"block 1: y: expected shape \(20,\) as X has rows, got \(20, 2, 2\)",
    ),
    "weights": (bad(w=-np.ones(20)), "block 1: sample_weight: expected 0 or more"),
    "no weights": (
        bad(w=None),
        "block 1: sample_weight: expected weights in all blocks or in none",
    ),
    "parts": ([(np.ones((3, 2)),)], r"block 0: expected \(X, y\) or .* got a tuple of 1"),
    "not a block": ([np.ones((3, 2))], r"block 0: expected \(X, y\) or .* got ndarray"),
    "none": ([], "source: expected blocks of rows, got none"),
    "a list of unequal rows": (
        bad(y=[[0], [0, 1]] * 10),
        "block 1: y: expected an array of labels, got .*inhomogeneous",
    ),
    "a masked label": (
        bad(y=np.ma.masked_array(np.zeros(20), np.arange(20) == 3)),
        "block 1: y: expected labels, got a masked element at index 3",
    ),
    "one class": ([(np.ones((3, 2)), [0, 0, 0])], "y: expected at least 2 classes"),
    "NaN": (
        bad(X=np.where(np.arange(240).reshape(20, 12) == 30, np.nan, 1)),
        "block 1: X: .* row 2",
    ),
    "other rows": (once(), "source: expected the same 60 rows in each pass, got 50"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    source, message = ERRORS[case]
    model = SoftmaxRegression()
    with pytest.raises(ValueError, match=message):
        model.fit(Blocks(source))
    assert not hasattr(model, "coef_")


def test_what_cannot_be_read_again():
    X, y, _ = problem(60)
    with pytest.raises(TypeError, match="got a generator, which can be read only once"):
        Blocks(block for block in cut(X, y, at=[20]))
    with pytest.raises(TypeError, match=r"source: expected a sequence of blocks .* got int"):
        Blocks(3)
    with pytest.raises(
        TypeError, match=r"source: expected a function that .* got NoneType from it"
    ):
        SoftmaxRegression().fit(Blocks(lambda: None))
    for name, value in {"y": y, "sample_weight": np.ones(60)}.items():
        with pytest.raises(TypeError, match=f"{name}: expected None beside Blocks"):
            SoftmaxRegression().fit(Blocks([(X, y)]), **{name: value})


def test_an_error_of_the_source_reaches_the_user():
    X, y, _ = problem(60)
    calls = []

    def source():
        calls.append(1)
        yield X, y
        if len(calls) > 3:
            raise OSError("disk gone")

    with pytest.raises(OSError, match=re.escape("disk gone")):
        fastsoftmax.fit(Blocks(source))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_block_without_weight(form):
    """It was refused, though all rows in one array were not."""
    r = np.random.default_rng(0)
    X, y, weights = r.normal(size=(90, 3)), r.integers(0, 3, 90), np.ones(90)
    weights[30:60] = 0
    parts = [slice(0, 30), slice(30, 60), slice(60, 90)]
    blocks = Blocks([(form(X[part]), y[part], weights[part]) for part in parts])
    model, right = SoftmaxRegression(tol=1e-10).fit(blocks), SoftmaxRegression(tol=1e-10)
    right.fit(X[weights > 0], y[weights > 0])
    assert model.certified_
    np.testing.assert_allclose(model.coef_, right.coef_, atol=1e-6)
    nothing = Blocks([(form(X), y, 0 * weights)])
    with pytest.raises(ValueError, match="sample_weight: expected a positive weight"):
        SoftmaxRegression().fit(nothing)


def partitions(blocks):
    return Partitions([lambda block=block: block for block in blocks])


@pytest.mark.parametrize("made", [Blocks, partitions])
@pytest.mark.parametrize("columns", [list("dcba"), list("abcz")])
def test_frames_with_other_columns(made, columns):
    """In another order they were fitted as if they were the same features."""
    pd = pytest.importorskip("pandas")
    X, y, _ = problem()
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    other = frame[500:].set_axis(columns, axis=1)
    same = made([(frame[:500], y[:500]), (frame[500:], y[500:])])
    assert fastsoftmax.SoftmaxRegression().fit(same).feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match=r"1: X: expected the columns \['a', .* in this order"):
        fastsoftmax.fit(made([(frame[:500], y[:500]), (other, y[500:])]))


def reusing(n_buffers, form=np.asarray):
    """Blocks in buffers that are filled anew."""
    X, y = problem(n=90, d=4)[:2]
    given = [(form(X[:30] + 0.0), y[:30].copy()) for _ in range(n_buffers)]

    def blocks():
        for i in range(3):
            X_i, y_i = given[i % n_buffers]
            (X_i.data if sparse.issparse(X_i) else X_i.ravel())[:] = X[30 * i : 30 * i + 30].ravel()
            y_i[:] = y[30 * i : 30 * i + 30]
            yield X_i, y_i

    return Blocks(blocks), X, y


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_buffer_that_is_filled_anew_is_refused(form):
    blocks, X, y = reusing(1, form)
    model = SoftmaxRegression()
    with pytest.raises(ValueError, match=r"block 1: X: expected an array of its own.*X\.copy\(\)"):
        model.fit(blocks)
    with pytest.raises(ValueError, match="block 1: X: expected an array of its own"):
        model.fit(X, y).predict(blocks)
    labels = y[:30].copy()

    def of_labels():
        for i in range(3):
            labels[:] = y[30 * i : 30 * i + 30]
            yield X[30 * i : 30 * i + 30], labels

    with pytest.raises(ValueError, match="block 1: y: expected an array of its own"):
        model.fit(Blocks(of_labels))


@pytest.mark.parametrize("row", [0, 399])
def test_a_row_that_is_filled_anew_is_noticed(row):
    X = np.random.default_rng(0).normal(size=(400, 3))
    y = np.arange(400) % 2

    def blocks():
        yield X, y
        X[row] += 1
        yield X, y.copy()

    with pytest.raises(ValueError, match="block 1: X: expected an array of its own"):
        SoftmaxRegression().fit(Blocks(blocks))


def test_little_that_is_filled_anew_is_noticed():
    """One label of 400, and the columns of entries that are all 1."""
    X = np.random.default_rng(0).normal(size=(400, 3))
    labels, row = np.zeros(400, int), sparse.csr_array(np.ones((400, 1)))
    wide = sparse.csr_array((row.data, row.indices.copy(), row.indptr), shape=(400, 9))

    def of_labels():
        for i in range(3):
            labels[:] = 0
            labels[i + 1] = 1
            yield X + i, labels

    def of_columns():
        for i in range(3):
            wide.indices[7] = i
            yield wide, np.arange(400) % 2

    for source, name in ((of_labels, "y"), (of_columns, "X")):
        with pytest.raises(ValueError, match=f"block 1: {name}: expected an array of its own"):
            SoftmaxRegression().fit(Blocks(source))


def test_blocks_may_share_memory_that_nothing_writes_to():
    blocks, X, y = reusing(2)  # in turn
    model = SoftmaxRegression(tol=1e-12).fit(X, y)
    np.testing.assert_allclose(
        SoftmaxRegression(tol=1e-12).fit(blocks).coef_, model.coef_, atol=1e-6
    )
    overlapping = [slice(0, 60), slice(30, 90), slice(30, 90)]
    rows = np.concatenate([np.arange(90)[cut] for cut in overlapping])
    model.fit(Blocks(lambda: ((X[cut], y[cut]) for cut in overlapping)))
    expected = SoftmaxRegression(tol=1e-12).fit(X[rows], y[rows])
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)


@pytest.mark.parametrize(("most", "dtype"), [(8 * 3 * 5, np.float64), (8 * 3 * 5 - 1, np.float32)])
def test_gradients_are_summed_in_float64_where_there_is_room(most, dtype):
    found = no_gradient(3, 5, np.dtype(np.float32), most)
    assert found.dtype == dtype and found.shape == (3, 5) and not found.any()


def changing(change, form=np.asarray):
    """Blocks of weighted rows that are others from the second pass on, and the rows."""
    X, y, weights = problem(200, 12, 3)
    passes = []

    def source():
        passes.append(1)
        blocks = [list(block) for block in cut(X, y, weights, at=range(40, 200, 40))]
        if len(passes) > 1:
            blocks = change(blocks)
        return iter([(form(block[0]), *block[1:]) for block in blocks])

    return source, X, y, weights


def with_change(number, place, make):
    """One part of one block is made anew."""

    def change(blocks):
        blocks[number][place] = make(blocks[number][place])
        return blocks

    return change


def one_more(values):
    """A copy in which the last is another."""
    return np.append(values[:-1], values[-1] + 1)


def within_blocks(blocks):
    order = np.random.default_rng(1).permutation(40)
    return [[part[order] for part in block] for block in blocks]


CHANGES = {
    "blocks in another order": (lambda blocks: blocks[::-1], "block 0: y"),
    "rows in another order": (within_blocks, "block 0: y"),
    "X of other rows": (
        lambda blocks: [[x[::-1], *rest] for x, *rest in blocks],
        "block 0: X",
    ),
    "noise": (with_change(3, 0, lambda x: x + 1e-6), "block 3: X"),
    "other labels": (with_change(2, 1, lambda y: y + 7), "block 2: y"),
    "one label": (with_change(4, 1, one_more), "block 4: y"),
    "one weight": (with_change(1, 2, one_more), "block 1: sample_weight"),
    "no weights": (
        lambda blocks: [block[:2] for block in blocks],
        "block 0: sample_weight",
    ),
    "labels of another kind": (with_change(1, 1, lambda y: y.astype(str)), "block 1: y"),
    "a table": (with_change(1, 1, lambda y: np.eye(3)[y]), "block 1: y"),
    "no labels": (with_change(1, 1, lambda y: y[0]), "block 1: y"),
}


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("case", CHANGES)
def test_a_source_that_changes_is_refused(case, form):
    """A fit of such rows was certified, with labels of one pass beside features of another."""
    change, place = CHANGES[case]
    source, X, y, weights = changing(change, form=form)
    model = SoftmaxRegression().fit(X, y, weights)
    before = model.coef_.copy()
    with pytest.raises(ValueError, match=f"{place}: expected the same values as in the first pass"):
        model.fit(Blocks(source))
    np.testing.assert_array_equal(model.coef_, before)
    assert model.certified_


class Sequence:
    """Blocks that are made when they are asked for."""

    def __init__(self, source):
        self.source, self.blocks = source, []

    def __len__(self):
        return 5

    def __getitem__(self, i):
        if i >= 5:
            raise IndexError
        self.blocks = self.blocks if i else list(self.source())
        return self.blocks[i]


@pytest.mark.parametrize(
    "read",
    [
        lambda blocks, model: fastsoftmax.certify(model.coef_, model.intercept_, blocks),
        lambda blocks, model: fastsoftmax.SoftmaxRegressionCV([0.1, 1], cv=3).fit(blocks),
        lambda blocks, model: fastsoftmax.softmax_path(blocks, Cs=[0.1, 1]),
        lambda blocks, model: SoftmaxRegression(l1_ratio=0.5).fit(blocks),
    ],
)
@pytest.mark.parametrize("made", [lambda source: source, Sequence])
def test_wherever_blocks_are_read_again(read, made):
    source, X, y, weights = changing(CHANGES["blocks in another order"][0])
    model = SoftmaxRegression().fit(X, y, weights)
    with pytest.raises(ValueError, match="block 0: y: expected the same values"):
        read(Blocks(made(source)), model)


def test_rows_for_a_scorer_are_those_of_the_fit():
    source, *_ = changing(CHANGES["noise"][0])
    blocks = Blocks(source)
    scan = blocks.scan()
    with pytest.raises(ValueError, match="block 3: X: expected the same values"):
        blocks.rows(np.arange(3), scan)


def test_a_copy_of_a_source_that_changes(tmp_path):
    """Shuffled in each pass, read once: the optimum of all rows."""
    rng = np.random.default_rng(3)
    X, y, _ = problem(200, 12, 3)

    def source():
        order = rng.permutation(200)
        return iter(cut(X[order], y[order], at=[50, 120]))

    expected = SoftmaxRegression(tol=1e-12).fit(X, y)
    model = SoftmaxRegression(tol=1e-12).fit(Blocks(source).cached(tmp_path))
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    with pytest.raises(ValueError, match=r"shuffling .* as of a DataLoader, or .* Blocks\.cached"):
        SoftmaxRegression().fit(Blocks(source))


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: y.tolist(),
        lambda y: np.array(["ant", "bee", "cow"], object)[y],
        lambda y: np.array(["ant", "bee", "cow"])[y],
        lambda y: np.eye(3)[y] * 0.5 + 1 / 6,
        lambda y: y.astype(np.uint8),
        lambda y: np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "M8[D]")[y],
    ],
)
def test_the_same_rows_are_known_again(labels):
    """Labels of any kind, weights in one number, and blocks with other bounds in each pass."""
    X, y, _ = problem(600, 12, 3)
    bounds = iter([[100], [300, 450], [7], *([[200]] * 1000)])

    def source():
        return ((x, labels(t), 2.0) for x, t in cut(X, y, at=next(bounds)))

    model = SoftmaxRegression(tol=1e-11).fit(Blocks(source))
    expected = SoftmaxRegression(tol=1e-11).fit(X, labels(y), np.full(600, 2.0))
    assert model.certified_
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, np.ndarray.tolist])
@pytest.mark.parametrize("held", [True, False])
def test_empty_blocks(form, held, tmp_path):
    X, y, weights = problem(200, 12, 3)
    bounds = [0, 0, 60, 60, 60, 170, 200, 200]
    blocks = [(form(X[a:b]), y[a:b], weights[a:b]) for a, b in pairwise(bounds)]
    source = Blocks(blocks if held else lambda: iter(blocks))
    model, expected = (SoftmaxRegression(tol=1e-12) for _ in range(2))
    expected.fit(X, y, weights)
    np.testing.assert_allclose(model.fit(source).coef_, expected.coef_, atol=1e-6)
    np.testing.assert_array_equal(model.predict(source), model.predict(X))
    assert model.score(source) == pytest.approx(model.score(X, y, weights), rel=1e-12)
    if form is np.asarray:
        np.testing.assert_array_equal(
            SoftmaxRegression(tol=1e-12).fit(source.cached(tmp_path)).coef_, model.coef_
        )
    online, other = (SoftmaxRegression() for _ in range(2))
    for x, *rest in cut(X, y, weights, at=[60, 170]):
        other.partial_fit(form(x), rest[0], range(3), rest[1])
    np.testing.assert_array_equal(online.partial_fit(source, classes=range(3)).coef_, other.coef_)


def test_blocks_are_counted_with_empty_ones():
    X, y, weights = problem(60)
    nothing = X[:0], y[:0], weights[:0]
    with pytest.raises(ValueError, match="source: expected blocks of rows, got none"):
        fastsoftmax.fit(Blocks([nothing, nothing]))
    for block, message in {
        (0, 1): "block 2: sample_weight: expected weights in all blocks or in none",
        (0, 1, 2, 3): r"block 2: expected \(X, y\) or .* got a tuple of 4",
    }.items():
        other = tuple((X, y, weights, None)[i] for i in block)
        with pytest.raises(ValueError, match=message):
            fastsoftmax.fit(Blocks([nothing, (X, y, weights), other]))
    with pytest.raises(ValueError, match=r"block 1: X: .* 0 sample"):
        fastsoftmax.fit(Blocks([(X, y), (X[:0], y)]))
