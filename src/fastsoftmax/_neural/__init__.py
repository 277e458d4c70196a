"""Networks of dense layers, trained by compiled epochs."""

from fastsoftmax._neural.classifier import MLPClassifier
from fastsoftmax._neural.network import Network, Pass
from fastsoftmax._neural.regressor import MLPRegressor
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.training import Epoch, RegressionEpoch, State

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
