"""Networks of dense layers, trained by compiled epochs."""

from fastsoftmax.neural.classifier import MLPClassifier
from fastsoftmax.neural.network import Network, Pass
from fastsoftmax.neural.regressor import MLPRegressor
from fastsoftmax.neural.rules import Rule
from fastsoftmax.neural.training import Epoch, RegressionEpoch, State

__all__ = [
    "Epoch",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "Pass",
    "RegressionEpoch",
    "Rule",
    "State",
]
