"""The Hessian of softmax losses from the Grams of pairs of classes."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._core import kernels
from fastsoftmax._engine.linalg.memory import empty
from fastsoftmax._runtime.threads import team


def assemble_joint_hessian(
    grams: NDArray,
    shared: NDArray,
    shares: NDArray[np.float64],
    common: NDArray[np.float64],
    ridge: NDArray[np.float64],
    n_threads: int,
    out: NDArray | None = None,
) -> NDArray:
    """Σ (e_k - e_l)(e_k - e_l)ᵀ ⊗ G of pairs + (diag(shares) + zzᵀ) ⊗ shared + I ⊗ diag(ridge),
    z being `common`.

    Of which the lower triangle is made, (1, K·size, K·size), in `out` if it suits, from Grams
    (K(K - 1)/2, size, size): that of classes k > l is number k(k - 1)/2 + l.
    """
    size = len(shares) * grams.shape[1]
    shared = shared.astype(grams.dtype, copy=False)
    if out is None or out.dtype != grams.dtype:
        out = empty((1, size, size), grams.dtype)
    kernels(grams.dtype).coupling.assemble(
        grams, shared, shares, common, ridge, out, team(n_threads, out.size)
    )
    return out
