"""Pictures of fits, in the manner of scikit-learn's displays; matplotlib is imported when drawn."""

from fastsoftmax.plotting._comparison import ComparisonDisplay
from fastsoftmax.plotting._convergence import ConvergenceDisplay
from fastsoftmax.plotting._history import HistoryDisplay
from fastsoftmax.plotting._path import PathDisplay
from fastsoftmax.plotting._weights import WeightsDisplay

__all__ = [
    "ComparisonDisplay",
    "ConvergenceDisplay",
    "HistoryDisplay",
    "PathDisplay",
    "WeightsDisplay",
]
