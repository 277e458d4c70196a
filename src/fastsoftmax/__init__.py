"""Softmax regression on a CPU, with a proof of how close a fit is to its optimum.

Functions take arrays and return arrays; estimators follow scikit-learn's conventions. Both are
loaded when they are first used: importing the package only chooses the build of the kernels.
Functions of dense arrays need neither SciPy nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastsoftmax import _core as _core  # a processor it was not built for is an error at once
from fastsoftmax._runtime import renamed_modules, teams
from fastsoftmax._runtime.version import __version__ as __version__

if TYPE_CHECKING:
    from fastsoftmax import datasets
    from fastsoftmax import functional as functional
    from fastsoftmax._linear import (
        LogisticRegression,
        LogisticRegressionCV,
        SoftmaxPath,
        SoftmaxRegression,
        SoftmaxRegressionCV,
        certify,
        fit,
        fit_many,
        softmax_path,
    )
    from fastsoftmax._neural import Adaline, MLPClassifier, MLPRegressor
    from fastsoftmax._runtime.callbacks import FitState
    from fastsoftmax._runtime.versions import show_versions
    from fastsoftmax._saving.load import load
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

renamed_modules.install()
teams.note_forks()

__all__ = [
    "Adaline",
    "Blocks",
    "FitState",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MLPClassifier",
    "MLPRegressor",
    "Partitions",
    "SoftmaxPath",
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "binary_cross_entropy",
    "certify",
    "cross_entropy",
    "cross_entropy_value_and_grad",
    "datasets",
    "fit",
    "fit_many",
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
    "softmax_path",
    "softmax_vjp",
]

_LOADED_FROM = {
    "_linear": (
        "LogisticRegression",
        "LogisticRegressionCV",
        "SoftmaxPath",
        "SoftmaxRegression",
        "SoftmaxRegressionCV",
        "certify",
        "fit",
        "fit_many",
        "softmax_path",
    ),
    "_neural": ("Adaline", "MLPClassifier", "MLPRegressor"),
    "_runtime.callbacks": ("FitState",),
    "_runtime.versions": ("show_versions",),
    "_saving.load": ("load",),
    "blocks": ("Blocks",),
    "partitions": ("Partitions",),
}
_MODULE_OF = dict.fromkeys(__all__, "functional")  # but for those above
_MODULE_OF |= {name: module for module, names in _LOADED_FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ("datasets", "functional"):
        return import_module(f"fastsoftmax.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'fastsoftmax' has no attribute {name!r}")
    value = getattr(import_module(f"fastsoftmax.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
