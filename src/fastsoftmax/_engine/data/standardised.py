"""The model and vectors of a solver, in coordinates of features that are centred and scaled."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._runtime.threads import team

WORK = 4  # multiply-adds that a number is worth, for the number of threads


class Standardisation:
    """θ = (V, c): logits are V (x - shift) / scales + c / intercept_scale.

    Parameters
    ----------
    shape : (int, int)
        Of θ as a table: a row for each class, of its weights and, if there is one, its intercept.
    scales, shift : ndarray of shape (D,), float64
    intercept_scale : float
    constant : ndarray of shape (D,), bool
        Features whose weights stay as they are.
    n_threads : int
    """

    def __init__(
        self,
        shape: tuple[int, int],
        scales: NDArray[np.float64],
        shift: NDArray[np.float64],
        intercept_scale: float,
        constant: NDArray[np.bool_],
        n_threads: int,
    ) -> None:
        self._shape, self._constant = shape, constant
        self._of_weights = scales, shift, float(intercept_scale)
        self._scales = scales
        self._n_threads = n_threads

    def _team(self) -> int:
        return team(self._n_threads, WORK * self._shape[0] * self._shape[1])

    def _table(self, theta: NDArray) -> NDArray[np.float64]:
        return np.ascontiguousarray(theta, np.float64).reshape(self._shape)

    def model(self, theta: NDArray, dtype: np.dtype) -> tuple[NDArray, NDArray | None]:
        """(W, b) of θ, fresh."""
        k, d = self._shape[0], len(self._scales)
        W, b = np.empty((k, d), dtype), np.empty(k, dtype) if self._shape[1] > d else None
        kernels(dtype).standardised.model(self._table(theta), *self._of_weights, W, b, self._team())
        return W, b

    def gradient(
        self, theta: NDArray, by_W: NDArray, by_b: NDArray, ridge: float
    ) -> tuple[float, NDArray[np.float64]]:
        """½·ridge·‖W‖² at θ; the gradient by θ of that and of a loss whose gradients these are."""
        out = np.empty(self._shape)
        value = kernels(out.dtype).standardised.gradient(
            self._table(theta), np.ascontiguousarray(by_W, np.float64), by_b, ridge,
            *self._of_weights, self._constant, out, self._team(),
        )  # fmt: skip
        return value, out.ravel()

    def products(self, theta: NDArray, direction: NDArray) -> NDArray[np.float64]:
        """⟨W, W⟩, ⟨W, step⟩ and ⟨step, step⟩ of the weights."""
        out = np.empty(3)
        kernels(out.dtype).standardised.products(
            self._table(theta), self._table(direction), self._scales, out, self._team()
        )
        return out

    def norms(self, gradient: NDArray) -> tuple[float, float]:
        """max |∇F| with respect to (W, b), and ‖∇_W F‖² for centred features.

        They come from the gradient with respect to θ.
        """
        table = self._table(gradient)
        return kernels(table.dtype).standardised.norms(table, *self._of_weights, self._team())

    def project(self, theta: NDArray) -> NDArray[np.float64]:
        """θ less what all classes have in common."""
        out = np.empty(self._shape)
        kernels(out.dtype).standardised.centre(self._table(theta), out, self._team())
        return out.ravel()
