"""Modules under their former names, for models that were pickled by version 0.1.0.

A pickle names the module of each class in it. Public classes say "fastsoftmax", which stays; these
are the names from before, and those of the private classes inside fitted models. To be removed one
release after 0.2.
"""

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

FORMER = {
    "fastsoftmax.linear": "fastsoftmax._linear",
    "fastsoftmax.linear._online": "fastsoftmax._neural.online",
    "fastsoftmax.linear.adaline": "fastsoftmax._neural.adaline",
    "fastsoftmax.linear.logistic_regression": "fastsoftmax._linear.logistic_regression",
    "fastsoftmax.linear.softmax_regression": "fastsoftmax._linear.softmax_regression",
    "fastsoftmax.linear.softmax_regression_cv": "fastsoftmax._linear.softmax_regression_cv",
    "fastsoftmax.neural": "fastsoftmax._neural",
    "fastsoftmax.neural._estimator": "fastsoftmax._neural.estimator",
    "fastsoftmax.neural.classifier": "fastsoftmax._neural.classifier",
    "fastsoftmax.neural.network": "fastsoftmax._neural.network",
    "fastsoftmax.neural.regressor": "fastsoftmax._neural.regressor",
    "fastsoftmax.neural.rules": "fastsoftmax._neural.rules",
    "fastsoftmax.neural.schedules": "fastsoftmax._neural.schedules",
    "fastsoftmax.neural.training": "fastsoftmax._neural.training",
    "fastsoftmax.objective": "fastsoftmax._engine.objective",
    "fastsoftmax.objective.carry": "fastsoftmax._engine.objective.warm_start",
    "fastsoftmax.solvers": "fastsoftmax._engine.solvers",
    "fastsoftmax.solvers.base": "fastsoftmax._engine.solvers.base",
}


class Finder:
    """Finds a module by its former name: the same object as by its own."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """The specification of a former name, else None."""
        return ModuleSpec(fullname, self) if fullname in FORMER else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today in the place of the empty one."""
        former, name = module.__name__, FORMER[module.__name__]
        warnings.warn(
            f"{former} is private now: import from fastsoftmax itself, and pickle models anew",
            DeprecationWarning,
            stacklevel=2,
        )
        sys.modules[former] = import_module(name)


def install() -> None:
    """Let imports find former names, before the folders of renamed packages are searched."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
