"""What an objective is given of the rows."""

from typing import NamedTuple, Self

from numpy.typing import NDArray

from fastsoftmax._engine.data import ByRow, Data
from fastsoftmax._engine.objective.loss import Loss, loss_of


class Observations(NamedTuple):
    """Rows of X with what they should be, and how much each counts.

    Attributes
    ----------
    data : Data
    targets : ndarray of shape (n,), int32, or (n, K) in the dtype of X or uint8
        Classes 0..K-1, or their probabilities, or which of the logits should be on, 1, or off, 0,
        or are not known, 2, each with a logistic function of its own.
    n_logits : int
        K, or 1 for two classes: the log-odds of code 1.
    weights : ndarray of shape (n,), optional
    offset : ndarray of shape (n, n_logits), optional
        Added to the logits.
    """

    data: Data
    targets: NDArray | ByRow
    n_logits: int
    weights: NDArray | ByRow | None = None
    offset: NDArray | ByRow | None = None

    @property
    def loss(self) -> Loss:
        return loss_of(self.targets, self.n_logits)

    @property
    def total_weight(self) -> float:
        return float(self.data.shape[0] if self.weights is None else self.weights.sum())

    def of_mean_weight_1(self, total_weight: float) -> Self:
        """The same, weights of any scale being numbers of the precision of X."""
        if self.weights is None:
            return self
        return self._replace(weights=self.weights / (total_weight / self.data.shape[0]))
