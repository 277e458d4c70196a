"""What the page of a class lists: methods and properties that this package documents.

Not parameters, which are fields of dataclasses and in the docstring, nor what scikit-learn's or
Python's base classes bring along.
"""

import inspect
from collections.abc import Iterable
from types import ModuleType


def members(kind: type) -> dict[str, list[str]]:
    """Names of the methods and of the properties."""
    fields = {*getattr(kind, "__dataclass_fields__", ()), *getattr(kind, "_fields", ())}
    found = {"Methods": [], "Properties": []}
    for name in dir(kind):
        if name.startswith("_") or name.endswith("_request") or name in fields:
            continue  # scikit-learn makes set_fit_request and the like
        owner = next(base for base in kind.__mro__ if name in vars(base))
        if not owner.__module__.startswith("fastsoftmax"):
            continue
        member = vars(owner)[name]
        if isinstance(member, property):
            found["Properties"].append(name)
        elif callable(getattr(kind, name)) and inspect.getdoc(member):
            found["Methods"].append(name)
    return found


def of_modules(modules: Iterable[ModuleType]) -> dict[str, dict[str, list[str]]]:
    """The same of all public classes, by their full name."""
    return {
        f"{module.__name__}.{name}": members(getattr(module, name))
        for module in modules
        for name in module.__all__
        if inspect.isclass(getattr(module, name))
    }
