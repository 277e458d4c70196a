"""Small shapes for the matrix units, which leave them to v4 otherwise."""

import ctypes
from importlib import import_module
from pathlib import Path


def serve_from(size, level):
    """Of so many classes and features on the units are used, in this process."""
    module = import_module(f"fastsoftmax._core.{level}_f32.matrix_units_kernels")
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    least = address(module.capsule_of_least, b"least")
    ctypes.c_ssize_t.from_address(least).value = size


def program_from(size, level, program):
    """A program of its own process that does so first."""
    return f"{Path(__file__).read_text()}\nserve_from({size}, {level!r})\n{program}"
