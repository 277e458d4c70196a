"""Models by formulas; needs formulaic and pandas."""

from fastsoftmax._linear.inference.formula import FormulaResults, fit

__all__ = ["FormulaResults", "fit"]
