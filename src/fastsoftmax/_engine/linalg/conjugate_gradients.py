"""Linear equations of a matrix that is never made."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.dtypes import TINY


def conjugate_gradients(
    product: Callable[[NDArray], NDArray],
    diagonal: NDArray[np.float64],
    right: NDArray[np.float64],
    enough: NDArray[np.float64],
    most: int,
) -> tuple[NDArray[np.float64], bool]:
    """Solve Hx = right, H positive semi-definite and right in its range, from x = 0.

    Parameters
    ----------
    product : callable
        Of x: Hx.
    diagonal : ndarray
        That of H, which preconditions.
    right : ndarray
    enough : ndarray
        What each number of the residual may be left with.
    most : int
        Products.

    Returns
    -------
    ndarray
    bool
        Whether the residual is as small.
    """
    x, residual = np.zeros_like(right), right.copy()
    direction, slope = np.zeros_like(right), 1.0
    inverse = 1 / np.maximum(diagonal, TINY)
    for _ in range(most):
        if (np.abs(residual) <= enough).all():
            return x, True
        scaled = inverse * residual
        before, slope = slope, float(np.vdot(residual, scaled))
        direction = scaled + (slope / before if direction.any() else 0.0) * direction
        along = product(direction)
        curvature = float(np.vdot(direction, along))
        if not curvature > 0:
            break
        x += slope / curvature * direction
        residual -= slope / curvature * along
    return x, bool((np.abs(residual) <= enough).all())
