"""Softmax regression on a CPU, fast and exact.

Functions take arrays and return arrays; estimators follow scikit-learn's conventions and are
loaded on first use, so that the functions alone never import scikit-learn.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from fastsoftmax import datasets
from fastsoftmax._info import show_versions
from fastsoftmax.functional import (
    cross_entropy,
    linear_cross_entropy,
    linear_cross_entropy_value_and_grad,
    log_softmax,
    logsumexp,
    softmax,
)

if TYPE_CHECKING:
    from fastsoftmax.linear import SoftmaxRegression, fit

__version__ = _version("fastsoftmax")

__all__ = [
    "SoftmaxRegression",
    "cross_entropy",
    "datasets",
    "fit",
    "linear_cross_entropy",
    "linear_cross_entropy_value_and_grad",
    "log_softmax",
    "logsumexp",
    "show_versions",
    "softmax",
]

_ESTIMATORS = {"SoftmaxRegression": "linear", "fit": "linear"}


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        return getattr(import_module(f"fastsoftmax.{_ESTIMATORS[name]}"), name)
    raise AttributeError(f"module 'fastsoftmax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
