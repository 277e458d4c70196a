"""Defaults are those that the docstrings state."""

import inspect
import re
from ast import literal_eval

import numpy as np
import pytest

import fastsoftmax
from fastsoftmax import datasets, engines, formula, functional, inference, plotting

DEFAULTS = re.compile(r"^(\w[\w, ]*) : .*default=(.+)$", re.MULTILINE)
MODULES = fastsoftmax, datasets, engines, formula, functional, inference, plotting


def stated(found):
    """(parameter, default) of a docstring; several parameters have a default each, or one."""
    for names, defaults in DEFAULTS.findall(inspect.getdoc(found) or ""):
        names = names.split(", ")
        values = defaults.split(", ") if len(names) > 1 else [defaults]
        for i, name in enumerate(names):
            yield name, values[i % len(values)]


def documented():
    """Public functions, classes and their methods whose docstrings state a default."""
    for module in MODULES:
        for name in module.__all__:
            found = getattr(module, name)
            each = {name: found}
            if inspect.isclass(found):
                each |= {f"{name}.{own}": m for own, m in vars(found).items() if own[0] != "_"}
            for where, one in each.items():
                if callable(one) and any(stated(one)):
                    yield pytest.param(one, id=f"{module.__name__}.{where}")


@pytest.mark.parametrize("found", list(documented()))
def test_defaults(found):
    parameters = inspect.signature(found).parameters
    for name, text in stated(found):
        expected = np.float64 if text == "float64" else literal_eval(text)
        default = parameters[name].default
        assert (type(default), default) == (type(expected), expected), name
