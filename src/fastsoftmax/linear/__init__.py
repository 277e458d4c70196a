"""Linear classifiers."""

from fastsoftmax.linear._certify import Certificate, certify
from fastsoftmax.linear._fit import fit
from fastsoftmax.linear.adaline import Adaline
from fastsoftmax.linear.logistic_regression import LogisticRegression
from fastsoftmax.linear.softmax_regression import SoftmaxRegression
from fastsoftmax.linear.softmax_regression_cv import SoftmaxRegressionCV

__all__ = [
    "Adaline",
    "Certificate",
    "LogisticRegression",
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "certify",
    "fit",
]
