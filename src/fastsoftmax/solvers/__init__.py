"""Solvers: each minimises an Objective and never sees X. A new one is one file, imported here."""

from fastsoftmax.solvers import (
    auto,
    gradient_descent,
    lbfgs,
    newton,
    preconditioned,
    proximal_newton,
)
from fastsoftmax.solvers.base import SOLVERS, Iteration, Options, Result, State, find, known

__all__ = [
    "SOLVERS",
    "Iteration",
    "Options",
    "Result",
    "State",
    "auto",
    "find",
    "gradient_descent",
    "known",
    "lbfgs",
    "newton",
    "preconditioned",
    "proximal_newton",
]
