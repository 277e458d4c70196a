"""Networks of dense layers and single neurons, trained by compiled epochs; the online rule."""

from fastsoftmax._neural.adaline import Adaline
from fastsoftmax._neural.classifier import MLPClassifier
from fastsoftmax._neural.network import Network, Pass
from fastsoftmax._neural.regressor import MLPRegressor
from fastsoftmax._neural.rules import Rule
from fastsoftmax._neural.training import Epoch, RegressionEpoch

__all__ = [
    "Adaline",
    "Epoch",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "Pass",
    "RegressionEpoch",
    "Rule",
]
