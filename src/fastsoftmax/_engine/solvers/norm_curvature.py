"""The second derivative of a sum of norms of groups, on a table of weights.

Of ‖w‖ it is (I - ŵŵᵀ) / ‖w‖, ŵ = w / ‖w‖, and of groups of single weights 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg import ClassFactors
from fastsoftmax._engine.objective import group_norms
from fastsoftmax._engine.objective.group_norms import Groups

THREADS = 1  # for a matrix with a row for each group

Solve = Callable[[NDArray], NDArray]  # of tables (K, m), or of a stack of them


class NormCurvature:
    """That of Σ ‖t∘w‖ at values of the weights, as a matrix for all of these.

    It is a diagonal matrix less one of rank 1 for each group.

    Attributes
    ----------
    diagonal : ndarray, of the shape of the values
        The former.
    """

    def __init__(self, values: NDArray, thresholds: NDArray, groups: Groups) -> None:
        self._groups, scaled = groups, thresholds * values
        roots = np.sqrt(group_norms.norms(scaled, groups))
        self._scales = group_norms.divided(thresholds, roots)
        self._units = group_norms.unit(scaled, groups)
        self.diagonal = np.square(self._scales) * float(groups is not None)

    def times(self, x: NDArray) -> NDArray[np.float64]:
        """The product with a table."""
        if self._groups is None:
            return np.zeros_like(x)
        z = self._scales * x
        return self._scales * (z - self._units * group_norms.inner(self._units, z, self._groups))

    def solve(self, diagonal: NDArray, v: NDArray) -> NDArray[np.float64]:
        """The inverse of a diagonal, > 0, and this, times a table (Sherman & Morrison 1950)."""
        if self._groups is None:
            return v / diagonal
        whole, across = diagonal + self.diagonal, self._scales * self._units
        x, y = v / whole, across / whole
        along = group_norms.inner(across, x, self._groups)
        return x + y * along / (1 - group_norms.inner(across, y, self._groups))

    def corrected(self, solve: Solve, face: NDArray[np.bool_]) -> Solve:
        """From the inverse of a matrix with the diagonal, on a face, that without what is of rank 1
        (Woodbury 1950)."""
        if self._groups is None:
            return solve
        across = self._scales * self._units * face
        numbers, places = np.unique(self._groups[face], return_inverse=True)
        of_face = across[face]
        columns = np.zeros((len(numbers), *face.shape))
        for g, column in enumerate(columns):
            column[face] = np.where(places == g, of_face, 0.0)
        columns = solve(columns)

        def along(x: NDArray) -> NDArray:
            return np.bincount(places, x[face] * of_face, len(numbers))

        between = np.eye(len(numbers)) - np.array([along(column) for column in columns])
        factors = ClassFactors(between[None], THREADS)

        def corrected(v: NDArray) -> NDArray:
            x = solve(v)
            shares = factors.solve(along(x)[None])[0][0]
            return x + np.einsum("g,gkm->km", shares, columns)

        return corrected

    def add_to(self, H: NDArray, *places: NDArray[np.intp]) -> None:
        """Add the matrix of some places, their rows and columns in the table, to theirs, (P, P)."""
        if self._groups is None:
            return
        scales, groups = self._scales[places], self._groups[places]
        across = scales * self._units[places]
        order = np.argsort(groups, kind="stable")
        for at in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            H[np.ix_(at, at)] -= np.multiply.outer(across[at], across[at])
        np.einsum("ii->i", H)[:] += np.square(scales)
