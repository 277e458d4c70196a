"""What a fit of sparse X is made of: diagonals of the Hessian, merged features, vectors."""

import numpy as np
import pytest
from scipy import sparse
from support.sparse_rows import scrambled, table, text

from fastsoftmax._engine.data import DiagonalFactors, SparseData, StoredLogits
from fastsoftmax._engine.data import diagonals as of_hessian
from fastsoftmax._engine.data.merged_features import merge
from fastsoftmax._engine.linalg import add, combine, dots, largest, products
from fastsoftmax._engine.solvers.history import History

pytestmark = pytest.mark.kernel

FLOATS = (np.float32, np.float64)
EPS32 = np.finfo(np.float32).eps


# ---- diagonals


def variances(n, k, dtype, rng, weights=None):
    """Stored weight * p(1 - p) of made-up logits, and the same as a table."""
    logits = StoredLogits(n, k, np.dtype(dtype), 1)
    z = rng.standard_normal((k, n))
    size = logits.tiles.shape[2]
    for i in range(n):
        logits.tiles[i // size, :, i % size] = z[:, i]
    v = logits.like()
    logits.variances(weights, v)
    return v, v.table().astype(np.float64)


def exact_diagonals(X, v, ridge, share, centred):
    """Means, diagonals (D, K) and strengths (K,), as the kernel's docstring has them."""
    n, X = len(X), X.astype(np.float64)
    mass = v.sum(axis=0)
    means = X.T @ v / mass * centred
    spread = (X**2).T @ v - means**2 * mass
    overall = (X**2).sum(axis=0) - centred * n * X.mean(axis=0) ** 2
    diagonal = ((1 - share) * spread + share * np.outer(overall, mass) / n) / n + ridge
    return means, diagonal, mass / n


def diagonals(X, stored, centred=True, n_threads=1):
    """From pieces of three tiles each, the last of a block being what is left."""

    def variances(data, rows, begin):
        size = 3 * stored.tiles.shape[2]
        for start in range(rows.start, rows.stop, size):
            yield stored.part(slice(begin + start, begin + min(start + size, rows.stop)))

    return of_hessian(SparseData(X, n_threads), variances, stored.n_logits, 0.01, 0.02, centred)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("centred", [True, False])
def test_diagonals(centred, dtype):
    for n, d, k in ((1, 1, 1), (33, 17, 3), (200, 40, 19), (2000, 5, 33)):
        rng = np.random.default_rng([n, k])
        X = table(n, d, dtype, rng)
        weights = rng.random(n).astype(dtype)
        stored, v = variances(n, k, dtype, rng, weights)
        means, inverses, masses = diagonals(sparse.csr_array(X), stored, centred)
        right = exact_diagonals(X, v, 0.01, 0.02, centred)
        np.testing.assert_allclose(masses, right[2], rtol=1e-6)
        size = abs(X).max()
        np.testing.assert_allclose(means, right[0], rtol=1e-4, atol=1e-5 * size)
        np.testing.assert_allclose(1 / inverses, right[1], rtol=1e-3)


def test_diagonals_of_a_class_that_no_row_may_be_of():
    rng = np.random.default_rng(0)
    X = table(50, 4, np.float64, rng)
    stored, _ = variances(50, 3, np.float64, rng)
    stored.tiles[:, 1] = 0
    for n_threads in (1, 2):
        means, inverses, masses = diagonals(sparse.csr_array(X), stored, n_threads=n_threads)
        assert masses[1] == 0 and not means[:, 1].any()
        np.testing.assert_allclose(inverses[:, 1], 1 / 0.01, rtol=1e-6)  # the ridge alone
        right = exact_diagonals(X, stored.table().astype(float)[:, ::2], 0.01, 0.02, True)
        np.testing.assert_allclose(1 / inverses[:, ::2], right[1], rtol=1e-3)


def test_diagonals_of_several_bands():
    rng = np.random.default_rng(0)
    n, k, times = 420, 1000, 41
    X = table(n, 6, np.float64, rng)
    one, v = variances(n, k, np.float64, rng)
    many = StoredLogits(n * times, k, np.dtype(np.float64), 2)
    size = many.tiles.shape[2]
    padded = np.zeros((len(many.tiles) * size, k))
    padded[: n * times] = np.tile(v, (times, 1))
    many.tiles[...] = padded.reshape(-1, size, k).transpose(0, 2, 1)
    rows = sparse.csr_array(np.tile(X, (times, 1)))
    assert len(SparseData(rows, 2).columns(k)) > 2
    got = diagonals(rows, many, n_threads=2)
    expected = diagonals(sparse.csr_array(X), one)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_diagonals_do_not_depend_on_threads(whole_teams):
    rng = np.random.default_rng(0)
    X = scrambled(table(700, 300, np.float64, rng), rng)
    stored, _ = variances(700, 5, np.float64, rng)
    results = []
    for n_threads in (1, 2, 3, 8):
        parts = diagonals(X, stored, n_threads=n_threads)
        right = np.linspace(-1, 1, 301 * 5)
        results.append([*parts, *DiagonalFactors(*parts, True, n_threads).solve(right)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("k", [1, 2, 5, 19])
@pytest.mark.parametrize("centred", [True, False])
def test_a_solve_inverts_the_blocks(k, centred):
    """Each class's [[diag(1 / inverses) + c m mᵀ, c m], [c mᵀ, c]], then the class mean projected
    out."""
    d, rng = 7, np.random.default_rng(k)
    means, inverses = rng.standard_normal((d, k)), rng.uniform(0.5, 2, (d, k))
    masses = rng.uniform(0.5, 2, k)
    right = rng.standard_normal((d + centred, k))
    expected = np.empty_like(right)
    for c in range(k):
        u = np.append(means[:, c], 1)
        block = np.diag(np.append(1 / inverses[:, c], 0)) + masses[c] * np.outer(u, u)
        if not centred:
            block = np.diag(1 / inverses[:, c])
        expected[:, c] = np.linalg.solve(block, right[:, c])
    if k > 1:
        expected -= expected.mean(axis=1, keepdims=True)
    factors = DiagonalFactors(
        means.astype(np.float32),
        inverses.astype(np.float32),
        masses if centred else None,
        k > 1,
        1,
    )
    first, second = factors.solve(right.ravel(), 2 * right.ravel())
    np.testing.assert_allclose(first, expected.ravel(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second, 2 * first, rtol=1e-6)


# ---- merged features


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_merging_is_a_rotation(index, dtype):
    rng = np.random.default_rng(0)
    rows = scrambled(text(60, 900, rng, dtype), rng, index)
    X = rows.toarray().astype(np.float64)
    merged, how = merge(rows, SparseData(rows, 2).counts, 2)
    tolerance = 50 * np.finfo(dtype).eps
    assert merged.shape == (60, how.features) and merged.dtype == dtype
    W = rng.standard_normal((3, how.features))
    out = how.split(W, 2)
    assert out.shape == (3, 900)
    # logits and norms are those of the merged ones, and merging again gives them back
    np.testing.assert_allclose(X @ out.T, merged @ W.T, atol=tolerance * 10)
    np.testing.assert_allclose(how.merge(out), W, atol=1e-12)
    entries = np.diff(rows.tocsc().indptr)
    np.testing.assert_allclose((out**2).sum(), (W**2).sum(), rtol=1e-13)
    assert (out[:, entries == 0] == 0).all() and (how.shares[entries == 0] == 0).all()
    assert (how.shares[entries > 1] == 1).all()
    assert how.shared == (entries > 1).sum()
    own = np.array([abs(how.shares[how.owners == o]).max() for o in range(how.features)])
    np.testing.assert_array_equal(own[how.shared :], how.peaks)


def test_merging_does_not_depend_on_threads(whole_teams):
    rng = np.random.default_rng(1)
    rows = scrambled(text(300, 3000, rng), rng)
    results = []
    for n_threads in (1, 2, 3, 8):
        X, how = merge(rows, SparseData(rows, n_threads).counts, n_threads)
        out = how.split(np.ones((2, how.features)), n_threads)
        results.append([X.data, X.indices, X.indptr, how.owners, how.shares, how.peaks, out])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_where_merging_is_not_worth_it():
    dense = sparse.csr_array(np.ones((10, 10)))
    shared, lone, empty = dense, sparse.eye_array(50, format="csr"), sparse.csr_array((50, 20))
    for X in (shared, lone, empty):
        assert merge(X, SparseData(X, 1).counts, 1) is None
    data = SparseData(dense, 1)
    assert data.with_merged_features() is data


def test_zeros_that_are_stored_are_features_without_weight():
    X = sparse.csr_array(np.hstack([np.ones((4, 2)), np.kron(np.eye(4), [2.0, 0, 0])]))
    X.data = X.data.copy()
    stored = sparse.csr_array((np.zeros(4), ([0, 1, 2, 3], [3, 6, 9, 12])), X.shape)
    both = sparse.coo_array(
        (
            np.concatenate([X.tocoo().data, stored.tocoo().data]),
            (
                np.concatenate([X.tocoo().row, stored.tocoo().row]),
                np.concatenate([X.tocoo().col, stored.tocoo().col]),
            ),
        ),
        X.shape,
    ).tocsr()
    _, how = merge(both, SparseData(both, 1).counts, 1)
    assert (how.shares[[3, 6, 9, 12]] == 0).all() and np.isfinite(how.shares).all()


# ---- vectors and history


@pytest.mark.parametrize("dtype", FLOATS)
def test_vectors(dtype, whole_teams):
    rng = np.random.default_rng(0)
    eps = np.finfo(dtype).eps
    for n in (1, 7, 64, 1000, 40_001):
        rows = rng.standard_normal((4, n)).astype(dtype)
        a, v = (rng.standard_normal(n).astype(dtype) for _ in range(2))
        wide = rng.standard_normal(n)
        order = [2, 0, 3]
        tolerance = n**0.5 * 10 * eps
        results = []
        for n_threads in (1, 2, 3, 8):
            out, moved = np.empty(n, dtype), wide.copy()
            combine(-0.5, a, [1.0, 2.0, -3.0], rows, order, out, n_threads)
            add(moved, 0.25, v, n_threads)
            results.append(
                [
                    *(dots(rows, order, v, n_threads), products(wide, v, n - n // 3, n_threads)),
                    *(largest(v, n_threads), out, moved),
                ]
            )
        for other in results[1:]:
            for x, y in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(x, y)
        got = results[0]
        np.testing.assert_allclose(got[0], rows[order].astype(float) @ v, atol=tolerance)
        w, s = wide[: n - n // 3], v[: n - n // 3].astype(float)
        np.testing.assert_allclose(got[1], [w @ w, w @ s, s @ s], atol=tolerance)
        assert got[2] == abs(v).max()
        exact = -0.5 * a + np.array([1.0, 2.0, -3.0]) @ rows[order]
        np.testing.assert_allclose(got[3], exact, atol=40 * eps)
        np.testing.assert_allclose(got[4], wide + 0.25 * v, atol=4 * eps)
    assert np.isnan(largest(np.array([1, np.nan, 2], dtype)))


def two_loops(pairs, gradient, inverse):
    """Nocedal & Wright, algorithm 7.4, with the initial matrix γ · diag(inverse)."""
    q, a = gradient.copy(), []
    for s, y in reversed(pairs):
        a.append(s @ q / (s @ y))
        q -= a[-1] * y
    s, y = pairs[-1]
    r = (s @ y) / (y @ (inverse * y)) * inverse * q
    for (s, y), by in zip(pairs, reversed(a), strict=True):
        r += s * (by - y @ r / (s @ y))
    return -r


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("most", [1, 3, 6])
def test_a_direction_is_that_of_the_two_loops(most, dtype):
    rng = np.random.default_rng(most)
    size = 50
    A = rng.standard_normal((size, size))
    A = A @ A.T + size * np.eye(size)
    inverse = 1 / np.diag(A)
    history = History(size, np.dtype(dtype), most, 2)
    x, pairs = rng.standard_normal(size), []

    def solve(*vectors):
        return [inverse * v for v in vectors]

    gradient = A @ x
    np.testing.assert_allclose(
        history.direction(gradient, solve, True), -inverse * gradient, rtol=1e-5, atol=1e-6
    )
    for step in range(8):
        direction = history.direction(gradient, solve, True)
        if pairs:
            exact = two_loops(pairs[-most:], gradient, inverse)
            atol = (1e-3 if dtype == np.float32 else 1e-10) * abs(exact).max()
            np.testing.assert_allclose(direction, exact, atol=atol)
        t = 0.5 + step / 10
        x = x + t * direction
        after = A @ x
        history.push(t, direction.astype(dtype), gradient, after)
        pairs.append((t * direction, after - gradient))
        gradient = after
        assert len(history) == min(len(pairs), most)
    history.push(1.0, np.ones(size, dtype), np.zeros(size), -np.ones(size))  # curves downwards
    assert len(history) == min(len(pairs), most)


@pytest.mark.parametrize("centred", [True, False])
def test_diagonals_by_rows_and_by_columns_are_the_same(centred):
    """Eight logits are summed by rows, nine of which the ninth is like the eighth by columns."""
    rng = np.random.default_rng(4)
    X = scrambled(table(300, 70, np.float64, rng), rng)
    eight, v = variances(300, 8, np.float64, rng)
    nine = StoredLogits(300, 9, np.dtype(np.float64), 1)
    nine.put(np.column_stack([v, v[:, -1]]))
    by_rows, by_columns = (diagonals(X, stored, centred) for stored in (eight, nine))
    for few, more in zip(by_rows, by_columns, strict=True):
        np.testing.assert_allclose(few, more[..., :8], rtol=1e-5, atol=1e-7)
