"""Linear classifiers."""

from fastsoftmax.linear.softmax_regression import SoftmaxRegression, fit

__all__ = ["SoftmaxRegression", "fit"]
