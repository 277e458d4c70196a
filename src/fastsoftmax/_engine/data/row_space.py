"""More features than rows: the rows in an orthonormal basis of what they span.

With an L2 penalty the optimal weights are combinations of the rows (the representer theorem:
Kimeldorf & Wahba 1971), centred where there is an intercept: any part of them that is orthogonal to
all rows adds to the penalty alone. With orthonormal rows Q (r, D), X = centre + R Q and W = V Q the
problem is the same in R (n, r) and V, of r <= n features, with the same penalty: ‖W‖ = ‖V‖.

R comes from XXᵀ = L Lᵀ in float64, which squares the condition of the rows: weights V Q and their
length would be off from V by so much, and F with them. Where that shows, L is corrected by the
factor of QQᵀ for Q = L⁻¹ X, made of X (Yamamoto et al., Roundoff error analysis of the CholeskyQR2
algorithm, 2015), which leaves the condition itself. Where it is too large (`SpaceRules`), or a row
that seems to depend on others turns out not to, Q comes from X itself by Householder's method with
pivoting. It is accurate by feature where features are in the order of
their size (Cox & Higham, Stability of Householder QR factorization for weighted least squares
problems, 1998). A direction counts if it is more than n·u of the longest row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.dense import DenseData
from fastsoftmax._engine.data.float64 import float64_pieces
from fastsoftmax._engine.data.protocol import Data
from fastsoftmax._engine.data.sparse import SparseData
from fastsoftmax._engine.linalg.low_rank import orthonormal_rows
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._engine.linalg.workspace import Workspace
from fastsoftmax._runtime.threads import team

PIECE = 1 << 24  # bytes of columns in memory at a time, if not all are: far above a call's cost
COLUMNS_AT_A_TIME = 504  # 63 cache lines, so that no two rows come to lie in the same place
TOGETHER = 4  # right-hand sides for which the factor is read once


@dataclass(frozen=True)
class SpaceRules:
    """What the Gram matrix of the rows tells. Norms are those of L⁻¹ for rows of length 1."""

    dependent: float = 1e-8  # of the square of a row, √eps: beyond it, half of the digits are left
    largest_inverse: float = 3e4  # eps·3e4 = 7e-12: what L is off by in any direction, corrected
    accurate_inverse: float = 1e2  # neither L nor W = V L⁻¹ X needs a correction: eps·1e2² = 2e-12
    # random vectors that tell the norm: its square is then off by a half at most, as a rule
    probes: int = 4
    # of sums of products of two rows, by their lengths: a few units of the last place
    rounding: float = 8 * float(np.finfo(np.float64).eps)
    least_square: float = 1e-200  # of a row, so that it does not vanish,
    largest_square: float = 1e200  # nor overflow, also times 1e100


class Basis(Protocol):
    """Q, orthonormal rows (r, D)."""

    def expand(self, V: NDArray) -> NDArray[np.float64]:
        """V Q, of shape (K, D)."""

    def project(self, W: NDArray) -> NDArray[np.float64]:
        """W Qᵀ, of shape (K, r)."""

    def sizes(self, V: NDArray, point: NDArray) -> NDArray[np.float64]:
        """Σ |w x| of W = V Q at a point (D,), at least: (K,)."""


class RowSpace(NamedTuple):
    """X = centre + R Q."""

    rows: DenseData  # R (n, r), float64
    centre: NDArray[np.float64]  # (D,), zeros where there is no intercept
    #: of X less its centre by feature, or others of the same length: weighted root mean squares
    spread: NDArray[np.float64]
    basis: Basis


class CentredColumns:
    """X in float64 less its weighted means, transposed: some columns at a time, each a row.

    Parameters
    ----------
    data : DenseData or SparseData
    weights : ndarray of shape (n,)
    centred : bool
    keep : bool
        Whether to keep what is read once, (D, n) in float64.
    """

    def __init__(
        self, data: DenseData | SparseData, weights: NDArray, centred: bool, keep: bool
    ) -> None:
        self.shape, self.n_threads = data.shape, data.n_threads
        self._data, self._workspace = data, Workspace()
        self._by_column = data.X.tocsc() if isinstance(data, SparseData) else None
        self._first, self._mean = np.zeros((2, data.shape[1]))
        self._kept: NDArray[np.float64] | None = None
        if keep:
            self._kept = self._read(slice(0, data.shape[1]))
        if centred:
            row, total = np.argmax(weights > 0), weights.sum()
            for columns, X in self:  # relative to a row, so that large means cost no digits
                self._first[columns] = X[:, row]
                X -= self._first[columns, None]
                self._mean[columns] = np.einsum("n,dn->d", weights / total, X)
                X -= self._mean[columns, None]

    @property
    def centre(self) -> NDArray[np.float64]:
        """What is taken from each row."""
        return self._first + self._mean

    def __iter__(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        n, d = self.shape
        if self._kept is not None:
            yield slice(0, d), self._kept
            return
        width = max(64, PIECE // (8 * n))
        for start in range(0, d, width):
            columns = slice(start, min(start + width, d))
            X = self._read(columns)
            X -= self._first[columns, None]
            X -= self._mean[columns, None]
            yield columns, X

    def _read(self, columns: slice) -> NDArray[np.float64]:
        transposed = empty((columns.stop - columns.start, self.shape[0]), np.float64)
        for start in range(0, len(transposed), COLUMNS_AT_A_TIME):
            some = slice(start, min(start + COLUMNS_AT_A_TIME, len(transposed)))
            transposed[some] = self._columns(
                slice(columns.start + some.start, columns.start + some.stop)
            ).T
        return transposed

    def _columns(self, columns: slice) -> NDArray[np.float64]:
        if self._by_column is not None:
            return self._by_column[:, columns].toarray().astype(np.float64, order="C")
        return self._data.only(columns).in_float64(slice(None))

    def _dense(self, X: NDArray) -> DenseData:
        return DenseData(X, self.n_threads, self._workspace)

    def gram(self) -> NDArray[np.float64]:
        """XXᵀ."""
        return reduce(np.add, (self._products(X) for _, X in self))

    def gram_of(self, parts: NDArray, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """The same of combinations of some rows."""
        of_all = self._of_all(parts, rows)
        return reduce(
            np.add, (self._products(self._dense(X).logits(of_all, None)) for _, X in self)
        )

    def _products(self, X: NDArray) -> NDArray[np.float64]:
        return len(X) * self._dense(X).second_moments()

    def _of_all(self, parts: NDArray, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        of_all = np.zeros((len(parts), self.shape[0]))
        of_all[:, rows] = parts
        return of_all

    def combinations(self, parts: NDArray, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Combinations of some rows with coefficients (m, r): (m, D)."""
        of_all = self._of_all(parts, rows)
        out = np.empty((len(parts), self.shape[1]))
        for columns, X in self:
            out[:, columns] = self._dense(X).logits(of_all, None).T
        return out

    def logits(self, W: NDArray) -> NDArray[np.float64]:
        """X Wᵀ, of shape (n, K)."""
        out = np.zeros((self.shape[0], len(W)))
        for columns, X in self:
            out += self._dense(X.T).logits(W[:, columns], None)
        return out


class Factor:
    """The Cholesky factor of the Gram matrix of some rows, L Lᵀ.

    Parameters
    ----------
    gram : ndarray of shape (r, r)
        What is factored in place.
    n_threads : int
    rules : SpaceRules

    Attributes
    ----------
    L : ndarray of shape (r, r)
    inverse : float
        About the norm of L⁻¹ for rows of length 1; infinity where they depend on each other.
    """

    def __init__(self, gram: NDArray[np.float64], n_threads: int, rules: SpaceRules) -> None:
        size = len(gram)
        self._kernel, self._n_threads = kernels(gram.dtype).cholesky, n_threads
        self._upper, self._scales = gram[None], 1 / np.sqrt(np.diagonal(gram))
        failed, work = np.ones(1, np.int32), size**3 // 6
        self._kernel.factor(
            self._upper, self._scales[None], np.zeros(1), failed, team(n_threads, work)
        )
        U = np.triu(self._upper[0])
        self.L = U.T / self._scales[:, None]
        self.inverse = np.inf
        if not failed[0] and np.diagonal(U).min() ** 2 > rules.dependent:
            # of random signs z, zᵀ G⁻¹ z is the trace of G⁻¹ in the mean (Hutchinson 1990)
            signs = random_signs(rules.probes, size) / self._scales
            trace = float(np.einsum("pr,pr->", signs, self.solve(signs)) / rules.probes)
            self.inverse = trace**0.5

    def correct(self, columns: CentredColumns, rows: NDArray[np.intp], rules: SpaceRules) -> None:
        """L as L C, where C Cᵀ are the products of the rows of L⁻¹ X."""
        right = self.solve(self.L.T)
        C = Factor(columns.gram_of(right, rows), self._n_threads, rules).L
        self.L = DenseData(np.ascontiguousarray(C.T), self._n_threads).logits(self.L, None).T

    def solve(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Z with Z L Lᵀ = right, (m, r), L not being corrected."""
        m, size = right.shape
        together = min(m, TOGETHER)
        stacked = np.zeros((together, -(-m // together), size))
        stacked.reshape(-1, size)[:m] = right
        out = np.empty_like(stacked)
        threads = team(self._n_threads, 2 * stacked.size * size)
        self._kernel.solve(self._upper, self._scales[None], stacked, out, 0, threads)
        return out.reshape(-1, size)[:m]


@cache
def random_signs(n: int, size: int) -> NDArray[np.float64]:
    """n vectors of -1 and 1."""
    return 2.0 * np.random.default_rng(0).integers(2, size=(n, size)) - 1


class Combinations:
    """Q = L⁻¹ X for some rows X, those that depend on no others.

    Parameters
    ----------
    columns : CentredColumns
        Of all rows.
    rows : ndarray of int
    factor : Factor
    accurate : float
        The norm of L⁻¹ up to which V Q needs no correction.
    """

    def __init__(
        self, columns: CentredColumns, rows: NDArray[np.intp], factor: Factor, accurate: float
    ) -> None:
        self._columns, self._rows, self._factor = columns, rows, factor
        self._is_accurate = factor.inverse <= accurate
        self._L = DenseData(factor.L, columns.n_threads)

    def expand(self, V: NDArray) -> NDArray[np.float64]:
        """V Q; corrected once for the logits that it should have (Björck, Stability analysis of
        the method of seminormal equations for linear least squares problems, 1987)."""
        logits = self._L.logits(V, None).T
        W = self._combined(logits)
        if not self._is_accurate:
            W += self._combined(logits - self._columns.logits(W)[self._rows].T)
        return W

    def sizes(self, V: NDArray, point: NDArray) -> NDArray[np.float64]:
        """Σ |w x| at most, by Cauchy and Schwarz: W = V Q is as long as V."""
        return np.sqrt(np.einsum("kr,kr->k", V, V) * np.dot(point, point))

    def _combined(self, logits: NDArray) -> NDArray[np.float64]:
        """Weights (K, D) in the row space with these logits of the rows, (K, r)."""
        return self._columns.combinations(self._factor.solve(logits), self._rows)

    def project(self, W: NDArray) -> NDArray[np.float64]:
        """W Qᵀ, corrected as V Q is."""
        logits = self._columns.logits(W)[self._rows].T
        V = self._projected(logits)
        if not self._is_accurate:
            V += self._projected(logits - self._L.logits(V, None).T)
        return V

    def _projected(self, logits: NDArray) -> NDArray[np.float64]:
        """V (K, r) with these logits of the rows."""
        return self._L.like(self._factor.L.T).logits(self._factor.solve(logits), None).T


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

    def sizes(self, V: NDArray, point: NDArray) -> NDArray[np.float64]:
        """Σ |w x|, since features may be of any sizes."""
        return np.einsum("kd,d->k", np.abs(self.expand(V)), np.abs(point))


def row_space(
    data: Data,
    weights: NDArray | None,
    centred: bool,
    max_bytes: float,
    *,
    accurate: bool = False,
    rules: SpaceRules | None = None,
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
    accurate : bool, default=False
        Whether Q is to come from X itself, if that fits.
    rules : SpaceRules, optional
    """
    rules = rules or SpaceRules()
    n, d = data.shape
    fits = 16 * n * d <= max_bytes
    if not isinstance(data, DenseData | SparseData):
        if not fits:
            return None
        data = DenseData(np.concatenate([X for _, X in float64_pieces(data)]), data.n_threads)
    weights = np.ones(n) if weights is None else weights
    used = weights > 0
    with np.errstate(over="ignore", invalid="ignore"):
        columns = CentredColumns(data, weights, centred, keep=fits)
        gram = columns.gram()
    squares = np.einsum("ii->i", gram)
    if not (squares[used].max() > rules.least_square and squares.max() < rules.largest_square):
        return None
    found = None if accurate else by_gram(columns, gram, weights, centred, rules)
    if found is None and fits:
        found = by_householder(columns, weights)
    if found is None:
        return None
    R, spread, basis = found
    return RowSpace(DenseData(R, data.n_threads), columns.centre, spread, basis)


def by_gram(
    columns: CentredColumns,
    gram: NDArray[np.float64],
    weights: NDArray,
    centred: bool,
    rules: SpaceRules,
) -> tuple[NDArray, NDArray, Basis] | None:
    """R, its spread, and Q as combinations of rows that have weights; None where that is not
    accurate."""
    used = weights > 0
    left = used & (np.diagonal(gram) > 0)
    last = int(np.argmax(weights)) if centred else None  # since their weighted sum is 0
    if last is not None:
        left[last] = False
    rows = by_length(gram, left)
    if not len(rows):
        return None
    factor = Factor(gram.take(rows, 0).take(rows, 1), columns.n_threads, rules)
    if factor.inverse == np.inf:
        rows, last = independent(gram, by_length(gram, used), rules.dependent), None
        factor = Factor(gram.take(rows, 0).take(rows, 1), columns.n_threads, rules)
    if not factor.inverse <= rules.largest_inverse:
        return None
    if factor.inverse > rules.accurate_inverse:
        factor.correct(columns, rows, rules)
    R = np.empty((len(gram), len(rows)))
    R[rows] = factor.L
    left[:] = True
    left[rows] = False
    if last is not None:
        R[last] = np.einsum("r,rq->q", -weights[rows] / weights[last], factor.L)
        left[last] = False
    if left.any():
        parts = factor.solve(gram[left][:, rows])
        R[left] = DenseData(factor.L.T, columns.n_threads).logits(parts, None).T
        some = used[left]
        if not negligible(columns, gram, np.flatnonzero(used & left), parts[some], rows, rules):
            return None
    return R, spread_of(R, weights), Combinations(columns, rows, factor, rules.accurate_inverse)


def by_length(gram: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The chosen rows, longest first: a far row then has a coordinate of its own, in which it is
    far, and is not far in all others too."""
    order = np.argsort(-np.diagonal(gram), kind="stable")
    return order[chosen[order]]


def independent(
    gram: NDArray[np.float64], rows: NDArray[np.intp], dependent: float
) -> NDArray[np.intp]:
    """The rows, of some, that are no combinations of the ones before them."""
    T = orthonormal_rows(gram[rows[:, None], rows], dependent)
    # a vector of Gram-Schmidt begins with a row, which is the last in it
    return rows[len(rows) - 1 - np.argmax(T[:, ::-1] != 0, axis=1)]


def negligible(
    columns: CentredColumns,
    gram: NDArray,
    rows: NDArray[np.intp],
    parts: NDArray,
    others: NDArray[np.intp],
    rules: SpaceRules,
) -> bool:
    """Whether rows are combinations of others, of which they have such parts, but for rounding."""
    if not len(rows):
        return True
    lengths = np.sqrt(np.diagonal(gram))
    sums = lengths[rows] + np.einsum("mn,n->m", np.abs(parts), lengths[others])
    all_parts = np.column_stack([np.eye(len(rows)), -parts])
    rest = columns.combinations(all_parts, np.concatenate([rows, others]))
    return bool((np.sqrt(np.einsum("md,md->m", rest, rest)) <= rules.rounding * sums).all())


def by_householder(columns: CentredColumns, weights: NDArray) -> tuple[NDArray, NDArray, Basis]:
    """R, the features' spread, and Q of the rows that are used, the longest first.

    Of LAPACK, whose threads go on spinning for a while: few problems come here.
    """
    from scipy.linalg import lapack

    X, used = np.concatenate([X for _, X in columns]).T, weights > 0
    order = np.argsort(-np.abs(X[used]).max(axis=0))
    rows = np.asfortranarray(X[used][:, order].T)
    factors, pivots, reflectors, *_ = lapack.dgeqp3(rows, overwrite_a=1)
    sizes = np.abs(np.diagonal(factors))
    rank = int(np.count_nonzero(sizes > used.sum() * np.finfo(float).eps * sizes[0]))
    R = np.empty((len(X), rank))
    pivoted = pivots - 1
    R[np.flatnonzero(used)[pivoted]] = np.triu(factors)[:rank].T
    Q = np.empty((rank, X.shape[1]))
    Q[:, order] = lapack.dorgqr(factors[:, :rank], reflectors[:rank])[0].T
    basis = Orthonormal(Q, columns.n_threads)
    if not used.all():
        R[~used] = basis.project(X[~used])
    return R, spread_of(X, weights), basis


def spread_of(X: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Weighted root mean squares of columns."""
    return np.sqrt(np.einsum("n,nd,nd->d", weights / weights.sum(), X, X))
