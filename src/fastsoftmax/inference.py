"""Statistical inference: covariances, tests, marginal effects of fits without a penalty."""

from fastsoftmax._linear.inference.coefficients import Ratios
from fastsoftmax._linear.inference.facts import PseudoR2
from fastsoftmax._linear.inference.firth import FirthResults, firth
from fastsoftmax._linear.inference.hypotheses import ChiSquared, compare
from fastsoftmax._linear.inference.marginal_effects import MarginalEffects
from fastsoftmax._linear.inference.results import Results, results
from fastsoftmax._linear.inference.summary import Summary

__all__ = [
    "ChiSquared",
    "FirthResults", "MarginalEffects", "PseudoR2", "Ratios", "Results", "Summary", "compare",
    "firth",
    "results",
]  # fmt: skip
