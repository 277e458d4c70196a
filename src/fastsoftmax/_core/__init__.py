"""The compiled kernels, of the one build that suits this processor.

Every group of kernels exists once for each precision and processor level that was built, as
``fastsoftmax._core.<level>_<f32|f64>.<group>_kernels``, which holds a table of C functions. The
module ``fastsoftmax._core.<folder>.<group>``, compiled once, checks what Python passes and calls
them. The level is chosen here, at import: the highest that the processor runs, or the one that the
environment variable ``FASTSOFTMAX_ISA`` names. A group is loaded when it is first used.

Two levels come last, so that they have to be named: ``v4_amx`` gives logits and gradients of many
classes to the matrix units of a processor, ``v4_amx_emulated`` computes the same on any processor
of v4. Their other kernels are v4's.
"""

import os
import re
from importlib import import_module
from typing import Any

import numpy as np

from fastsoftmax._core import _loaded, _openmp
from fastsoftmax._core._caches import Caches, detect


def _compiled(name: str) -> Any:
    try:
        return import_module(f"fastsoftmax._core.{name}")
    except ImportError as error:  # another Python than it was built for, or a library is missing
        raise ImportError(
            f"fastsoftmax._core.{name}: expected a compiled module that this Python and system can "
            f"load ({error}); build it here, in a checkout or an unpacked source archive: "
            "pip install ."
        ) from error


# how the loaders of glibc, musl and macOS say so
NO_MEMORY = re.compile(
    "failed to map|annot (allocate|map|change)|out of memory|errno=12", re.IGNORECASE
)


def _on_demand(name: str) -> Any:
    """A compiled module whose loading may find no memory, which is a MemoryError.

    Others of the same folder have been loaded before: there is no other reason not to map it.
    """
    try:
        return import_module(f"fastsoftmax._core.{name}")
    except ImportError as error:
        if not NO_MEMORY.search(str(error)):
            raise
        raise MemoryError(f"no memory was left to load fastsoftmax._core.{name}") from error


_by_user, _before = _openmp.set_by_user(), _loaded.libraries()
_system = _compiled("_system")
with _openmp.spinning_briefly(_system.turn()):
    _cpu = _compiled("_cpu")
    openmp_library = _loaded.file_of(_cpu.start_openmp())
#: whether another library had loaded the runtime of OpenMP before
openmp_was_loaded = openmp_library in _before
#: whether its threads spin for long, for that reason
spins_long = openmp_was_loaded and not _by_user

LEVELS = ("native", "v4", "v3", "v2", "plain", "v4_amx", "v4_amx_emulated")  # the best first
UNITS = "matrix_units_kernels"  # in the place of the group `linear`, in float32
KERNELS = {
    "simd": ("machine",),
    "loss": ("softmax", "cross_entropy", "elementwise"),
    "linear": ("linear",),
    "sparse": ("sparse", "diagonals", "merged_features"),
    "hessian": ("gram", "sampling", "coupling", "cholesky", "low_rank"),
    "solver": ("line", "dual", "vectors", "standardised", "coordinate", "group", "ascent"),
    "network": ("network",),
    "small": ("tiled",),
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
    return os.path.isdir(os.path.join(os.path.dirname(__file__), f"{level}_f32"))


def _is_runnable(level: str) -> bool:
    return is_built(level) and _cpu.supports(level)


def runnable() -> list[str]:
    """The levels of this installation that this processor can run, the best first."""
    return [level for level in LEVELS if _is_runnable(level)]


def _choose() -> str:
    wanted = os.environ.get("FASTSOFTMAX_ISA", "").strip()
    best = next(filter(_is_runnable, LEVELS), None)  # so the units are asked for only by name
    if wanted and not (wanted in LEVELS and _is_runnable(wanted)):
        built = wanted in LEVELS and is_built(wanted)
        state = "which this processor cannot run" if built else "which was not built"
        raise ImportError(
            f"FASTSOFTMAX_ISA: expected one of {', '.join(runnable())}, got {wanted!r}, {state}"
        )
    if best is None:
        raise ImportError(
            f"fastsoftmax was built for {', '.join(filter(is_built, LEVELS)) or 'no level'}, none "
            "of which this processor can run; build it here, in a checkout or an unpacked source "
            "archive: FASTSOFTMAX_BUILD_ISA=native pip install ."
        )
    return wanted or best


class Groups:
    """The groups of kernels of one precision and level, for such caches, as attributes."""

    def __init__(self, dtype: np.dtype, caches: Caches, level: str) -> None:
        self._dtype, self._caches, self._level = dtype, caches, level

    def __getattr__(self, group: str) -> Any:  # once: then it is an attribute
        folder = next((folder for folder, names in KERNELS.items() if group in names), None)
        if folder is None:
            raise AttributeError(f"no group of kernels is called {group!r}")
        size = self._dtype.itemsize
        module = f"{self._level}_f{8 * size}.{group}_kernels"
        if self._level in ("v4_amx", "v4_amx_emulated"):
            of_units = group == "linear" and size == 4
            module = f"{self._level}_f32.{UNITS}" if of_units else f"v4_f{8 * size}.{group}_kernels"
        compiled, binding = _on_demand(module), _on_demand(f"{folder}.{group}")
        loaded = binding.Kernels(compiled.capsule, size, self._caches)
        setattr(self, group, loaded)
        return loaded


level = _choose()
caches = detect()
_by_dtype = {np.dtype(real): Groups(np.dtype(real), caches, level) for real in ("f4", "f8")}


def kernels(dtype: np.dtype) -> Groups:
    """The groups of kernels that compute in this dtype, float32 or float64."""
    return _by_dtype.get(dtype) or _by_dtype[np.dtype(dtype)]


def _small_newton() -> Any:
    wide, narrow = kernels(np.dtype(np.float64)), kernels(np.dtype(np.float32))
    of_wide = wide.tiled, wide.line, wide.dual, wide.cholesky
    groups = *of_wide, narrow.tiled, narrow.cholesky
    binding = _on_demand("small.small_newton")
    return binding.Kernels([group.capsule for group in groups], 8, caches)


def __getattr__(name: str) -> Any:
    if name == "small_newton":  # Newton's method for small problems, on kernels of float64
        globals()[name] = _small_newton()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
