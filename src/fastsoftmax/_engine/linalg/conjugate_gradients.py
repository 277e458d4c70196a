"""Linear equations of a matrix that is never made."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.dtypes import TINY


def conjugate_gradients(
    product: Callable[[NDArray], NDArray], right: NDArray, tol: float, most: int
) -> NDArray[np.float64]:
    """Solve Hx = right, H positive semi-definite and right in its range, from x = 0.

    Parameters
    ----------
    product : callable
        Of x: Hx, and the diagonal of H, which preconditions.
    right : ndarray
    tol : float
        The norm of the residual to be reached, as a share of that of `right`, both in the units of
        the diagonal.
    most : int
        Products.

    Returns
    -------
    ndarray
    """
    x, residual = np.zeros_like(right), right.copy()
    direction, slope, first = np.zeros_like(right), 1.0, 0.0
    _, diagonal = product(direction)
    inverse = 1 / np.maximum(diagonal, TINY)
    for _ in range(most):
        scaled = inverse * residual
        before, slope = slope, float(np.vdot(residual, scaled))
        first = first or slope
        if not slope > tol**2 * first:
            break
        direction = scaled + (slope / before if direction.any() else 0.0) * direction
        along, _ = product(direction)
        curvature = float(np.vdot(direction, along))
        if not curvature > 0:
            break
        x += slope / curvature * direction
        residual -= slope / curvature * along
    return x
