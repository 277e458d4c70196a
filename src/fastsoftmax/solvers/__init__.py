"""Solvers: each minimises an Objective and never sees X. A new one is one file, imported here."""

from fastsoftmax.solvers import lbfgs, preconditioned
from fastsoftmax.solvers.base import SOLVERS, Iteration, Options, Result

__all__ = ["SOLVERS", "Iteration", "Options", "Result", "lbfgs", "preconditioned"]
