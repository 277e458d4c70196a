"""Softmax regression on a CPU, fast and exact.

Functions take arrays and return arrays; estimators follow scikit-learn's conventions and are
loaded on first use, so that the functions alone never import scikit-learn.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from fastsoftmax import datasets
from fastsoftmax._runtime import renamed_modules
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.versions import show_versions
from fastsoftmax.blocks import Blocks
from fastsoftmax.functional import (
    binary_cross_entropy,
    cross_entropy,
    cross_entropy_value_and_grad,
    linear_cross_entropy,
    linear_cross_entropy_value_and_grad,
    log_sigmoid,
    log_softmax,
    logit,
    logsumexp,
    mae,
    mse,
    nll_loss,
    one_hot,
    sigmoid,
    softmax,
    softmax_vjp,
)
from fastsoftmax.partitions import Partitions

if TYPE_CHECKING:
    from fastsoftmax._linear import (
        LogisticRegression,
        LogisticRegressionCV,
        SoftmaxRegression,
        SoftmaxRegressionCV,
        certify,
        fit,
    )
    from fastsoftmax._neural import Adaline, MLPClassifier, MLPRegressor
    from fastsoftmax._saving.load import load

__version__ = _version("fastsoftmax")
renamed_modules.install()

__all__ = [
    "Adaline",
    "Blocks",
    "FitState",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MLPClassifier",
    "MLPRegressor",
    "Partitions",
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "binary_cross_entropy",
    "certify",
    "cross_entropy",
    "cross_entropy_value_and_grad",
    "datasets",
    "fit",
    "linear_cross_entropy",
    "linear_cross_entropy_value_and_grad",
    "load",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "mae",
    "mse",
    "nll_loss",
    "one_hot",
    "show_versions",
    "sigmoid",
    "softmax",
    "softmax_vjp",
]

_ESTIMATORS = {
    "Adaline": "_neural",
    "LogisticRegression": "_linear",
    "LogisticRegressionCV": "_linear",
    "MLPClassifier": "_neural",
    "MLPRegressor": "_neural",
    "SoftmaxRegression": "_linear",
    "SoftmaxRegressionCV": "_linear",
    "certify": "_linear",
    "fit": "_linear",
    "load": "_saving.load",
}


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        return getattr(import_module(f"fastsoftmax.{_ESTIMATORS[name]}"), name)
    raise AttributeError(f"module 'fastsoftmax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
