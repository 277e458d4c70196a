"""Solvers: each minimises an Objective and never sees X."""

from fastsoftmax.solvers.base import Iteration, Result
from fastsoftmax.solvers.lbfgs import minimize_lbfgs

__all__ = ["Iteration", "Result", "minimize_lbfgs"]
