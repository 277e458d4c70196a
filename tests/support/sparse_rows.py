"""Compressed rows as they come: out of order, with entries twice, rows and columns without any."""

import numpy as np
from scipy import sparse

INDICES = (np.int32, np.int64)


def compressed(values, indices, indptr, shape):
    """These very arrays as compressed rows: SciPy's constructors choose the indices' dtype."""
    X = sparse.csr_array(shape)
    X.data, X.indices, X.indptr = values, indices, indptr
    return X


def scrambled(X, rng, index=np.int32):
    """The rows of X with a third of the entries in two halves, in any order within a row."""
    entries = sparse.coo_array(X)
    twice = rng.random(entries.nnz) < 1 / 3
    values = np.where(twice, entries.data / 2, entries.data).astype(X.dtype)
    rows, columns, values = (
        np.concatenate([part, part[twice]]) for part in (entries.row, entries.col, values)
    )
    order = rng.permutation(len(rows))
    order = order[np.argsort(rows[order], kind="stable")]
    starts = np.searchsorted(rows[order], np.arange(X.shape[0] + 1))
    return compressed(values[order], columns[order].astype(index), starts.astype(index), X.shape)


def table(n, d, dtype, rng, density=0.3):
    """(n, d) numbers, few of them not zero; some rows and columns have none."""
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < density)
    X[rng.random(n) < 0.1] = 0
    X[:, rng.random(d) < 0.1] = 0
    return X.astype(dtype)


def uniform(n, d, density, rng, dtype=np.float64):
    """(n, d) numbers in [0, 1) at random places, that part of all, in order."""
    places = np.sort(rng.choice(n * d, round(density * n * d), replace=False))
    starts = np.searchsorted(places, d * np.arange(n + 1)).astype(np.int32)
    columns = (places % d).astype(np.int32)
    return sparse.csr_array((rng.random(len(places), dtype), columns, starts), (n, d))


def text(n, d, rng, dtype=np.float64, words=30):
    """Rows of unit length with Zipf's words: many features in one row alone, or in none."""
    columns = np.minimum(rng.zipf(1.3, (n, words)) - 1 + rng.integers(3, size=(n, words)), d - 1)
    rows = np.repeat(np.arange(n), words)
    X = sparse.csr_array((rng.uniform(0.5, 2, n * words), (rows, columns.ravel())), (n, d))
    return sparse.csr_array(X / sparse.linalg.norm(X, axis=1)[:, None]).astype(dtype)
