"""The compiled kernels, of the one build that suits this processor.

Every group of kernels exists once for each precision and processor level that was built, as
``fastsoftmax._core.<level>_<f32|f64>.<group>_kernels``, which holds a table of C functions. The
module ``fastsoftmax._core.<folder>.<group>``, compiled once, checks what Python passes and calls
them. The level is chosen here, at import: the highest that the processor runs, or the one that the
environment variable ``FASTSOFTMAX_ISA`` names.
"""

import os
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from fastsoftmax._core import _loaded, _openmp
from fastsoftmax._core._caches import Caches, detect

_by_user, _before = _openmp.set_by_user(), _loaded.libraries()
with _openmp.spinning_briefly():
    from fastsoftmax._core import _cpu

    openmp_library = os.path.realpath(_cpu.start_openmp())
#: whether another library had loaded the runtime of OpenMP before
openmp_was_loaded = openmp_library in _before
#: whether its threads spin for long, for that reason
spins_long = openmp_was_loaded and not _by_user

LEVELS = ("native", "v4", "v3", "v2", "plain")  # the best first
KERNELS = {
    "simd": ("machine",),
    "loss": ("softmax", "cross_entropy", "elementwise"),
    "linear": ("linear",),
    "sparse": ("sparse", "diagonals", "merged_features"),
    "hessian": ("gram", "sampling", "coupling", "cholesky", "low_rank"),
    "solver": ("line", "dual", "vectors", "standardised", "coordinate"),
    "network": ("network",),
}


def waiting() -> str:
    """How OpenMP's threads wait at a barrier, in words."""
    if _by_user:
        return "waiting as the environment says"
    if spins_long:
        return "spinning for long, as another library loaded OpenMP before; one for short calls"
    return "spinning briefly at barriers"


def is_built(level: str) -> bool:
    """Whether this installation has kernels for the level."""
    return (Path(__file__).parent / f"{level}_f32").is_dir()


def runnable() -> list[str]:
    """The levels of this installation that this processor can run, the best first."""
    return [level for level in LEVELS if is_built(level) and _cpu.supports(level)]


def _choose() -> str:
    built = [level for level in LEVELS if is_built(level)]
    wanted = os.environ.get("FASTSOFTMAX_ISA", "").strip()
    if wanted and wanted not in runnable():
        state = "which this processor cannot run" if wanted in built else "which was not built"
        raise ImportError(
            f"FASTSOFTMAX_ISA: expected one of {', '.join(runnable())}, got {wanted!r}, {state}"
        )
    if not runnable():
        raise ImportError(
            f"fastsoftmax was built for {', '.join(built) or 'no processor level'}, none of which "
            "this processor can run; build it here: pip install --no-binary fastsoftmax fastsoftmax"
        )
    return wanted or runnable()[0]


def load(precision: str, dtype: np.dtype, caches: Caches) -> SimpleNamespace:
    """The groups of kernels of one precision, f32 or f64, for such caches."""

    def bound(folder, group):
        compiled = import_module(f"fastsoftmax._core.{level}_{precision}.{group}_kernels")
        binding = import_module(f"fastsoftmax._core.{folder}.{group}")
        return binding.Kernels(compiled.capsule, dtype.itemsize, caches)

    return SimpleNamespace(
        **{group: bound(folder, group) for folder, groups in KERNELS.items() for group in groups}
    )


level = _choose()
caches = detect()
_by_dtype = {
    np.dtype(dtype): load(precision, np.dtype(dtype), caches)
    for precision, dtype in (("f32", np.float32), ("f64", np.float64))
}


def kernels(dtype: np.dtype) -> SimpleNamespace:
    """The groups of kernels that compute in this dtype, float32 or float64."""
    return _by_dtype.get(dtype) or _by_dtype[np.dtype(dtype)]


def _load_small_newton():
    wide, narrow = kernels(np.dtype(np.float64)), kernels(np.dtype(np.float32))
    of_wide = wide.linear, wide.line, wide.dual, wide.gram, wide.cholesky
    groups = *of_wide, narrow.gram, narrow.cholesky
    binding = import_module("fastsoftmax._core.small.small_newton")
    return binding.Kernels([group.capsule for group in groups], 8, caches)


#: Newton's method for small problems, on kernels of float64
small_newton = _load_small_newton()
