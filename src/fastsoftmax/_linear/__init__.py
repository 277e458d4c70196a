"""Linear classifiers."""

from fastsoftmax._linear.certifying import Certificate, certify
from fastsoftmax._linear.fitting import fit
from fastsoftmax._linear.logistic_regression import LogisticRegression
from fastsoftmax._linear.logistic_regression_cv import LogisticRegressionCV
from fastsoftmax._linear.many import fit_many
from fastsoftmax._linear.path import SoftmaxPath, softmax_path
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._linear.softmax_regression_cv import SoftmaxRegressionCV

__all__ = [
    "Certificate",
    "LogisticRegression",
    "LogisticRegressionCV",
    "SoftmaxPath",
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "certify",
    "fit",
    "fit_many",
    "softmax_path",
]
