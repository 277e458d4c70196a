"""More features than rows: the rows in an orthonormal basis of what they span.

With an L2 penalty the optimal weights are combinations of the rows (the representer theorem:
Kimeldorf & Wahba 1971), centred where there is an intercept: any part of them that is orthogonal to
all rows adds to the penalty alone. With orthonormal rows Q (r, D), X = centre + R Q and W = V Q the
problem is the same in R (n, r) and V, of r <= n features, with the same penalty: ‖W‖ = ‖V‖.

Q = T X comes from XXᵀ by Gram-Schmidt, in float64, which squares the condition of the rows. Where
it is beyond LARGEST_INVERSE, or a row that seems to depend on others turns out not to, Q comes from
X itself by Householder's method with pivoting. It is accurate by feature where features are in the
order of their size (Cox & Higham, Stability of Householder QR factorization for weighted least
squares problems, 1998). A direction counts if it is more than n·u of the length of a row.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from fastsoftmax.data.csr import SparseData
from fastsoftmax.data.dense import DenseData
from fastsoftmax.data.float64 import float64_pieces
from fastsoftmax.data.low_rank import orthonormalised
from fastsoftmax.data.protocol import Data

PIECE = 1 << 24  # bytes of the columns that are converted at a time, about
DEPENDENT = 1e-8  # of the square of a row: what is left of one that seems to depend on others
LARGEST_INVERSE = 3e4  # norm of T for rows of length 1: XXᵀ then says 1e-7 of all directions
ACCURATE_INVERSE = 30.0  # norm up to which W = V T X needs no correction
ROUNDING = 8 * float(np.finfo(np.float64).eps)
SQUARES = 1e-200, 1e200  # between which those of rows neither vanish nor overflow


class Basis(Protocol):
    """Q, orthonormal rows (r, D)."""

    def expand(self, V: NDArray) -> NDArray[np.float64]:
        """V Q, of shape (K, D)."""

    def project(self, W: NDArray) -> NDArray[np.float64]:
        """W Qᵀ, of shape (K, r)."""


class RowSpace(NamedTuple):
    """X = centre + R Q."""

    rows: DenseData  # R (n, r), float64
    centre: NDArray[np.float64]  # (D,), zeros where there is no intercept
    basis: Basis


class CentredColumns:
    """X in float64 less its weighted means, some columns at a time.

    Parameters
    ----------
    data : DenseData or SparseData
    weights : ndarray of shape (n,)
    centred : bool
    """

    def __init__(self, data: DenseData | SparseData, weights: NDArray, centred: bool) -> None:
        self.shape, self.n_threads = data.shape, data.n_threads
        self._data = data
        self._by_column = data.X.tocsc() if isinstance(data, SparseData) else None
        self._first, self._mean = np.zeros((2, data.shape[1]))
        if centred:
            row, total = np.argmax(weights > 0), weights.sum()
            for columns, X in self:  # relative to a row, so that large means cost no digits
                self._first[columns] = X[row]
                X -= self._first[columns]
                self._mean[columns] = np.einsum("n,nd->d", weights / total, X)

    @property
    def centre(self) -> NDArray[np.float64]:
        """What is taken from each row."""
        return self._first + self._mean

    def __iter__(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        n, d = self.shape
        width = max(64, PIECE // (8 * n))
        for start in range(0, d, width):
            columns = slice(start, min(start + width, d))
            X = self._columns(columns)
            X -= self._first[columns]
            X -= self._mean[columns]
            yield columns, X

    def _columns(self, columns: slice) -> NDArray[np.float64]:
        if self._by_column is not None:
            return self._by_column[:, columns].toarray().astype(np.float64, order="C")
        return self._data.only(columns).in_float64(slice(None))

    def gram(self) -> NDArray[np.float64]:
        """XXᵀ."""
        total = np.zeros((self.shape[0],) * 2)
        for _, X in self:
            total += len(X.T) * DenseData(X.T, self.n_threads).second_moments()
        return total

    def combinations(self, T: NDArray) -> NDArray[np.float64]:
        """T X, of shape (m, D), for T (m, n)."""
        out = np.empty((len(T), self.shape[1]))
        for columns, X in self:
            out[:, columns] = DenseData(X.T, self.n_threads).logits(T, None).T
        return out

    def logits(self, W: NDArray) -> NDArray[np.float64]:
        """X Wᵀ, of shape (n, K)."""
        out = np.zeros((self.shape[0], len(W)))
        for columns, X in self:
            out += DenseData(X, self.n_threads).logits(W[:, columns], None)
        return out


class Combinations:
    """Q = T X.

    Parameters
    ----------
    columns : CentredColumns
    T : ndarray of shape (r, n)
    R : ndarray of shape (n, r)
        X Qᵀ.
    accurate : bool
        Whether the rows are so well conditioned that W = V T X has the logits of V.
    """

    def __init__(self, columns: CentredColumns, T: NDArray, R: NDArray, accurate: bool) -> None:
        self._columns, self._accurate = columns, accurate
        self._T, self._R = (DenseData(array, columns.n_threads) for array in (T, R))
        self._across = DenseData(T.T, columns.n_threads)

    def expand(self, V: NDArray) -> NDArray[np.float64]:
        """V Q; corrected once for the logits that it should have (Björck, Stability analysis of
        the method of seminormal equations for linear least squares problems, 1987)."""
        W = self._columns.combinations(self._across.logits(V, None).T)
        if not self._accurate:
            missing = self._R.logits(V, None) - self._columns.logits(W)
            coefficients = self._T.logits(missing.T, None)
            W += self._columns.combinations(self._across.logits(coefficients.T, None).T)
        return W

    def project(self, W: NDArray) -> NDArray[np.float64]:
        """W Qᵀ."""
        return self._T.logits(self._columns.logits(W).T, None).T


class Orthonormal:
    """Q as it is.

    Parameters
    ----------
    Q : ndarray of shape (r, D)
    n_threads : int
    """

    def __init__(self, Q: NDArray, n_threads: int) -> None:
        self._Q, self._across = DenseData(Q, n_threads), DenseData(Q.T, n_threads)

    def expand(self, V: NDArray) -> NDArray[np.float64]:
        """V Q."""
        return self._across.logits(V, None).T

    def project(self, W: NDArray) -> NDArray[np.float64]:
        """W Qᵀ."""
        return self._Q.logits(W, None).T


def row_space(
    data: Data, weights: NDArray | None, centred: bool, max_bytes: float
) -> RowSpace | None:
    """The row space of X, centred by its weighted means or not; None where it can not be told.

    Rows of weight 0 have no part in it: theirs in R are projections.

    Parameters
    ----------
    data : Data
    weights : ndarray of shape (n,), optional
    centred : bool
    max_bytes : float
        What Q may take beside X, and copies of X.
    """
    n, d = data.shape
    fits = 16 * n * d <= max_bytes
    if not isinstance(data, DenseData | SparseData):
        if not fits:
            return None
        data = DenseData(np.concatenate([X for _, X in float64_pieces(data)]), data.n_threads)
    weights = np.ones(n) if weights is None else weights
    used = np.flatnonzero(weights)
    with np.errstate(over="ignore", invalid="ignore"):
        columns = CentredColumns(data, weights, centred)
        gram = columns.gram()
    squares = np.einsum("ii->i", gram)
    if not (squares[used].max() > SQUARES[0] and squares.max() < SQUARES[1]):
        return None
    found = by_gram(columns, gram, used)
    if found is None and fits:
        found = by_householder(columns, np.sqrt(squares), used)
    if found is None:
        return None
    R, basis = found
    return RowSpace(DenseData(R, data.n_threads), columns.centre, basis)


def by_gram(
    columns: CentredColumns, gram: NDArray[np.float64], used: NDArray[np.intp]
) -> tuple[NDArray, Basis] | None:
    """R, and Q as combinations of those rows that are used; None where that is not accurate."""
    n, threads = len(gram), columns.n_threads
    lengths = np.sqrt(np.einsum("ii->i", gram))
    own, of_used = orthonormalised(gram[np.ix_(used, used)], DEPENDENT)
    inverse = float(np.linalg.norm(own * lengths[used]))
    if not inverse <= LARGEST_INVERSE:
        return None
    T = np.zeros((len(own), n))
    T[:, used] = own
    R = np.empty((n, len(T)))
    R[used] = of_used.T
    others = np.setdiff1d(np.arange(n), used)
    if len(others):
        R[others] = DenseData(gram[others], threads).logits(T, None)
    # the row that a vector of Gram-Schmidt begins with is the last in it
    begun = n - 1 - np.argmax(T[:, ::-1] != 0, axis=1)
    left = np.setdiff1d(used, begun)
    parts = DenseData(T.T, threads).logits(R[left], None).T
    if len(left) and not negligible(columns, lengths, left, parts):
        return None
    return R, Combinations(columns, T, R, inverse <= ACCURATE_INVERSE)


def negligible(
    columns: CentredColumns, lengths: NDArray, rows: NDArray[np.intp], parts: NDArray
) -> bool:
    """Whether rows are such combinations of all rows, but for rounding."""
    rounding = ROUNDING * (lengths[rows] + np.einsum("mn,n->m", np.abs(parts), lengths))
    parts = -parts
    parts[np.arange(len(rows)), rows] += 1
    rest = columns.combinations(parts)
    return bool((np.sqrt(np.einsum("md,md->m", rest, rest)) <= rounding).all())


def by_householder(
    columns: CentredColumns, lengths: NDArray[np.float64], used: NDArray[np.intp]
) -> tuple[NDArray, Basis]:
    """R, and Q of the rows that are used, each of length 1.

    Of LAPACK, whose threads go on spinning for a while: few problems come here.
    """
    X = np.concatenate([X for _, X in columns], axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    order = np.argsort(-np.abs(X[used]).max(axis=0))
    rows = np.asfortranarray((X[np.ix_(used, order)] / lengths[used, None]).T)
    factors, pivots, reflectors, *_ = linalg.lapack.dgeqp3(rows, overwrite_a=1)
    sizes = np.abs(np.diagonal(factors))
    rank = int(np.count_nonzero(sizes > len(used) * np.finfo(float).eps * sizes[0]))
    R = np.empty((len(X), rank))
    pivoted = used[pivots - 1]
    R[pivoted] = np.triu(factors)[:rank].T * lengths[pivoted, None]
    Q = np.empty((rank, X.shape[1]))
    Q[:, order] = linalg.lapack.dorgqr(factors[:, :rank], reflectors[:rank])[0].T
    basis = Orthonormal(Q, columns.n_threads)
    others = np.setdiff1d(np.arange(len(X)), used)
    if len(others):
        R[others] = basis.project(X[others])
    return R, basis
