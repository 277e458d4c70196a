"""Solvers: each minimises an Objective and never sees X. A new one is one file, imported here."""

from fastsoftmax._engine.solvers import (
    auto,
    dual_ascent,
    gradient_descent,
    lbfgs,
    newton,
    preconditioned,
    proximal_newton,
)
from fastsoftmax._engine.solvers.base import (
    SEPARABLE,
    SOLVERS,
    Iteration,
    Options,
    Result,
    Tolerance,
    find,
    known,
)
from fastsoftmax._engine.solvers.bound import certificate_at

__all__ = [
    "SEPARABLE",
    "SOLVERS",
    "Iteration",
    "Options",
    "Result",
    "Tolerance",
    "auto",
    "certificate_at",
    "dual_ascent",
    "find",
    "gradient_descent",
    "known",
    "lbfgs",
    "newton",
    "preconditioned",
    "proximal_newton",
]
