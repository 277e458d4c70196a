"""Solvers: each minimises an Objective and never sees X. A new one is one file, imported here."""

from fastsoftmax._engine.solvers import (
    auto,
    gradient_descent,
    lbfgs,
    newton,
    preconditioned,
    proximal_newton,
)
from fastsoftmax._engine.solvers.base import SOLVERS, Iteration, Options, Result, State, find, known
from fastsoftmax._engine.solvers.bound import certificate_at
from fastsoftmax._engine.solvers.proof import PRODUCTS
from fastsoftmax._engine.solvers.small import Small, is_small, minimize_small

__all__ = [
    "PRODUCTS",
    "SOLVERS",
    "Iteration",
    "Options",
    "Result",
    "Small",
    "State",
    "auto",
    "certificate_at",
    "find",
    "gradient_descent",
    "is_small",
    "known",
    "lbfgs",
    "minimize_small",
    "newton",
    "preconditioned",
    "proximal_newton",
]
