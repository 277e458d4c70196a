"""Logits of a data set, kept between passes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.data.row_sample import RowSample
from fastsoftmax._engine.data.tiles import WORK, Tiles
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._runtime.threads import team


class DualPoint(NamedTuple):
    """Sums over rows, times their weights, at probabilities a that are linearised from p."""

    loss: float  # of the losses at p
    divergence: float  # of KL(a || p), or a little more
    squares: float  # of each row's weight * (a - y)
    least_change: float  # the least a / p - 1, before it was limited to -1
    class_sums: NDArray[np.float64]  # of weight * (a - y), and of its magnitude: (2, K)


Step = tuple["StoredLogits", float]  # a change of logits, and how much of it


class StoredLogits(Tiles):
    """Logits, the loss along a line through them, and its derivatives.

    What is computed of them, probabilities and variances, is kept in the same way.
    """

    def along(
        self,
        change: "StoredLogits",
        t: float,
        targets: NDArray,
        weights: NDArray | None,
        scale: float,
        every: int = 1,
    ) -> NDArray[np.float64]:
        """φ, φ' and φ'' of ``scale`` times the weighted sum of losses at ``self + t * change``.

        Of the rows of one tile in `every`, and as many times that.
        """
        out = np.empty(3)
        self._kernel.along(
            self.tiles, change.tiles, t, targets, weights, self.n, every * scale, every, out,
            self._workspace, team(self.n_threads, WORK * self.tiles.size // every),
        )  # fmt: skip
        return out

    def gradient(
        self,
        targets: NDArray | None,
        weights: NDArray | None,
        step: Step | None,
        out: "StoredLogits",
        first: int,
    ) -> float:
        """The weighted sum of losses, and its gradient by these logits, moved first by a step, into
        the classes of `out` from the first on. Without targets these are taken for it."""
        change, t = (None, 0.0) if step is None else (step[0].tiles, step[1])
        return self._kernel.gradient(
            self.tiles, change, t, targets, weights, self.n, out.tiles, first, self._workspace,
            self._team(),
        )  # fmt: skip

    def probabilities(self, out: "StoredLogits | None" = None) -> "StoredLogits":
        """The softmax of each row, or the logistic function of each logit."""
        out = self.like() if out is None else out
        self._kernel.probabilities(self.tiles, self.logistic, self.n, out.tiles, self._team())
        return out

    def curve(
        self, change: "StoredLogits", weights: NDArray | None, out: "StoredLogits | None" = None
    ) -> None:
        """From a change d of the logits whose probabilities p these are: each row's weight times
        (diag(p) - p pᵀ) d, or p(1 - p) d of logistic functions, into `out` or in the place of d."""
        out = change if out is None else out
        self._kernel.curve(
            self.tiles, self.logistic, change.tiles, weights, self.n, out.tiles, self._team()
        )

    def dual_point(
        self,
        change: "StoredLogits",
        targets: NDArray,
        weights: NDArray | None,
        out: "StoredLogits",
        alpha: float = 1.0,
        shift: NDArray | None = None,
    ) -> DualPoint:
        """Probabilities a, linearised along a change of these logits, kept in the simplex and moved
        to y + alpha (a - y): each row's weight times what they are more than y into `out`, which
        may be the change itself (`_core/solver/dual_kernels.pyx`). A shift (K,) is added to the
        change of every row."""
        dtype, k = self.tiles.dtype, self.n_logits
        shift = np.zeros(k, dtype) if shift is None else shift.astype(dtype)
        sums, class_sums = np.empty(4), np.empty((2, k))
        kernels(dtype).dual.dual_point(
            self.tiles, change.tiles, shift, targets, weights, alpha, self.n, out.tiles, sums,
            class_sums, self._workspace, self._team(),
        )  # fmt: skip
        return DualPoint(*sums.tolist(), class_sums)

    def class_moments(self, weights: NDArray | None) -> NDArray[np.float64]:
        """Σ sᵢ pᵢₖ pᵢₗ over the rows, (K, K), of the probabilities that these are."""
        dtype, k = self.tiles.dtype, self.n_logits
        of_rows, out = np.zeros(len(self.tiles) * self.tiles.shape[2], dtype), np.empty((k, k))
        of_rows[: self.n] = 1 if weights is None else weights
        threads = team(self.n_threads, self.tiles.size * k // 2)
        kernels(dtype).dual.class_moments(self.tiles, of_rows, out, threads)
        return out

    def residuals(self, targets: NDArray, weights: NDArray | None) -> NDArray:
        """The largest weight * |p - y| of each row, (n,)."""
        out = np.empty(self.n, self.tiles.dtype)
        self._kernel.residuals(
            self.tiles, targets, weights, self.n, out, self._workspace, self._team()
        )
        return out

    def variances(self, weights: NDArray | None, out: "StoredLogits") -> None:
        """Each row's weight times p(1 - p) of each class, into the tiles of `out`."""
        self._kernel.variances(self.tiles, self.logistic, weights, self.n, out.tiles, self._team())

    def sample_rows(
        self, wanted: int, seed: int, emphasis: NDArray[np.float64] | None = None
    ) -> RowSample:
        """About so many rows per class, drawn by the weights that these tiles hold.

        An emphasis (n,), if there is one, makes some rows likelier to be drawn; factors make up for
        it. Whether a row is drawn depends on seed, class and row alone.
        """
        k = self.n_logits
        most = min(self.n, wanted + 8 * int(wanted**0.5) + 64)
        rows = empty((k, most), np.int32)
        factors = empty((k, most), self.tiles.dtype)
        counts, totals = np.empty(k, np.intp), np.empty(k)
        if emphasis is not None:
            padded = np.zeros(len(self.tiles) * self.tiles.shape[2], self.tiles.dtype)
            padded[: self.n] = emphasis
            emphasis = padded
        kernels(self.tiles.dtype).sampling.sample_rows(
            self.tiles, emphasis, self.n, wanted, seed, rows, factors, counts, totals, self._team()
        )
        return RowSample(rows, factors, counts, totals)

    def sample_pairs(
        self,
        wanted: int,
        seed: int,
        resistances: NDArray[np.float64],
        weights: NDArray | None = None,
        squares: NDArray[np.float64] | None = None,
        of: "StoredLogits | None" = None,
    ) -> RowSample:
        """So many rows and pairs of classes, drawn by the rows' weights times p_k p_l (r_k + r_l).

        p are the probabilities that these tiles hold, or that they get: the softmax `of` logits.
        The `resistances` r of the classes, (K,), and the squared lengths of the rows, (n,), where
        these are known, make some pairs likelier to be drawn; factors make up for it. The pair of
        classes k > l is number k(k - 1)/2 + l. What is drawn depends on the seed and on all rows.
        """
        squares = np.ones(self.n) if squares is None else squares
        emphasis = squares if weights is None else squares * weights
        pairs = self.n_logits * (self.n_logits - 1) // 2
        wanted += wanted % 2
        rows, factors = empty(wanted, np.int32), empty(wanted, self.tiles.dtype)
        counts, totals = np.empty(pairs, np.intp), np.empty(pairs)
        kernels(self.tiles.dtype).coupling.sample_pairs(
            None if of is None else of.tiles, self.tiles, emphasis, squares,
            resistances.astype(self.tiles.dtype), self.n, seed,
            rows, factors, counts, totals, self._workspace,
            team(self.n_threads, WORK * (self.tiles.size + wanted)),
        )  # fmt: skip
        return RowSample(rows, factors, counts, totals)
