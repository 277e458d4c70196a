"""Dependent columns without a penalty: the rows in an orthonormal basis of what these columns span.

Any basis of the columns gives the same logits, so the same F. Where two columns
are equal to nine digits, what they say is in their difference, in which nine digits cancel, and in
the Hessian by them all do. In an orthonormal basis it is a column like any other:
R = (X - centre) T takes the place of the columns, each of length √n, and W = V Tᵀ. T comes from
Householder's method with pivoting (Golub & Van Loan, Matrix Computations, 5.4.2), where a direction
counts if it is more than rounding of the first, all columns being of length 1; R is computed in
long double, in which columns that nearly cancel have digits left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.data.dense import DenseData
from fastsoftmax._engine.data.float64 import float64_pieces
from fastsoftmax._engine.data.protocol import Data
from fastsoftmax._engine.data.row_space import RowSpace

LONG = np.longdouble
ROWS = 1 << 12  # at a time in long double: 64 KiB of each column


@dataclass(frozen=True)
class BasisRules:
    """Which columns depend on each other (docs/experiments/0053-dependent-columns.md)."""

    nearly: float = 1e-6  # of the largest eigenvalue of the correlations: what a Hessian tells
    # times the columns: what is left, by rounding, of a column of length 1 that depends on others
    dependent: float = 4 * float(np.finfo(float).eps)
    known: float = 1e-7  # a share of R that it may be off by


class Transformed:
    """W = V Tᵀ for some features, W = V for the others.

    Parameters
    ----------
    features : ndarray of int
    T : ndarray of shape (m, m)
        Of these features, as many of them as are independent; the others' columns are 0.
    inverse : ndarray of shape (m, m)
        Its left inverse on what the columns span.
    """

    def __init__(self, features: NDArray[np.intp], T: NDArray, inverse: NDArray) -> None:
        self._features, self._T, self._inverse = features, T, inverse

    def expand(self, V: NDArray) -> NDArray[np.float64]:
        """W, (K, D)."""
        return self._times(V, self._T)

    def project(self, W: NDArray) -> NDArray[np.float64]:
        """V, (K, D)."""
        return self._times(W, self._inverse)

    def sizes(self, V: NDArray, point: NDArray) -> NDArray[np.float64]:
        """Σ |w x| of W at a point."""
        return np.einsum("kd,d->k", np.abs(self.expand(V)), np.abs(point))

    def _times(self, W: NDArray, M: NDArray) -> NDArray[np.float64]:
        out = W.astype(np.float64)
        out[:, self._features] = np.einsum("kr,dr->kd", W[:, self._features], M)
        return out


def column_space(
    data: Data,
    features: NDArray[np.intp],
    weights: NDArray | None,
    centred: bool,
    rules: BasisRules | None = None,
) -> RowSpace | None:
    """X with some of its columns, centred by their weighted means or not, in a basis of theirs;
    None where they are independent as they are, or where no basis can be told."""
    rules = rules or BasisRules()
    X = np.concatenate([X for _, X in float64_pieces(data)])
    used = np.ones(len(X), bool) if weights is None else weights > 0
    centre = np.zeros(data.shape[1])
    if centred:
        centre[features] = data.moments(weights)[0][features]
    columns = X[:, features]
    with np.errstate(over="ignore", invalid="ignore"):
        rows = columns[used] - centre[features]
        sizes = np.abs(rows).max(axis=0, initial=0)
        rows /= np.where(sizes > 0, sizes, 1)
        lengths = np.sqrt(np.einsum("nd,nd->d", rows, rows))
    varies = lengths > 0
    if not (varies.any() and np.isfinite(lengths).all()):
        return None
    rows /= np.where(varies, lengths, 1)
    if not nearly_dependent(rows[:, varies], rules.nearly):
        return None
    found = basis_of(rows, rules)
    if found is None:
        return None
    units = np.where(varies, sizes * lengths, 1)
    T, inverse = found[0] / units[:, None], found[1] * units
    R = np.empty_like(columns)
    for start in range(0, len(X), ROWS):
        some = slice(start, start + ROWS)
        R[some] = (columns[some].astype(LONG) - centre[features]) @ T.astype(LONG)
    # what would be 0 but for T's rounding, so that most rows still have nothing of a rare column
    R[np.abs(R) <= len(X) * np.finfo(float).eps * np.abs(R).max(axis=0)] = 0
    X[:, features] = R
    spread = np.zeros(data.shape[1])  # of the other features the logits of R tell
    shares = np.ones(len(rows)) if weights is None else weights[used]
    of_rows = np.einsum("n,nd,nd->d", shares / shares.sum(), rows, rows)
    spread[features] = units * np.sqrt(of_rows)
    return RowSpace(DenseData(X, data.n_threads), centre, spread, Transformed(features, T, inverse))


def nearly_dependent(X: NDArray[np.float64], share: float) -> bool:
    """Whether some columns of length 1 nearly are combinations of others: the least eigenvalue is
    such a share of the largest."""
    n = len(X)
    values = np.linalg.eigvalsh(n * DenseData(np.ascontiguousarray(X), 1).second_moments())
    return bool(values[0] <= share * values[-1])


def basis_of(X: NDArray[np.float64], rules: BasisRules) -> tuple[NDArray, NDArray] | None:
    """T and its left inverse for columns of length 1 or 0; None where long double does not tell the
    last of the directions that count."""
    from scipy import linalg

    n, d = X.shape
    triangle, pivots = linalg.qr(X, mode="r", pivoting=True, check_finite=False)
    sizes = np.abs(np.diagonal(triangle))
    rank = int(np.count_nonzero(sizes > rules.dependent * d * sizes[0]))
    if not rules.known * sizes[rank - 1] >= float(np.finfo(LONG).eps):
        return None
    T, inverse = np.zeros((2, d, d))
    inverse[:rank, pivots] = triangle[:rank] / np.sqrt(n)
    T[:, :rank] = linalg.lstsq(inverse[:rank], np.eye(rank), cond=0)[0]
    return T, inverse
