"""Docstrings of all public names are complete and in order, by numpydoc's rules."""

import inspect
from importlib import import_module
from importlib.util import find_spec

import pytest

import fastsoftmax
from fastsoftmax import datasets, formula, inference, onnx, plotting

validation = pytest.importorskip("numpydoc.validate")

# What numpydoc asks besides: a type and a description of parameters that are "as of" another's or
# whose shape says all (PR04, PR07, PR08, RT03); summaries that begin with a verb, where here a noun
# is the result (SS05); second paragraphs, "See Also" and examples everywhere.
FREE = {"PR04", "PR07", "PR08", "RT03", "SS05", "ES01", "SA01", "EX01"}
MODULES = [fastsoftmax, datasets, plotting, onnx, inference, formula]
if find_spec("torch") is not None:
    MODULES.append(import_module("fastsoftmax.torch"))


def public():
    """Functions and classes by name."""
    for module in MODULES:
        for name in module.__all__:
            found = getattr(module, name)
            if not inspect.ismodule(found):
                yield f"{module.__name__}.{name}", found


def members(name, found):
    """What a class of ours defines, by name."""
    for own, member in inspect.getmembers(found) if inspect.isclass(found) else ():
        where = getattr(getattr(member, "fget", member), "__module__", None) or ""
        if not own.startswith("_") and where.startswith("fastsoftmax"):
            yield f"{name}.{own}"


PUBLIC = dict(public())
NAMES = [*PUBLIC, *(name for known in PUBLIC.items() for name in members(*known))]


OF_FUNCTIONS = {inference.MarginalEffects, inference.Results, inference.Summary}


def is_result(name):
    """Whether it is a class that functions make objects of; users do not."""
    found = PUBLIC.get(name)
    return inspect.isclass(found) and issubclass(found, (tuple, *OF_FUNCTIONS))


def is_tuple(name):
    found = PUBLIC.get(name)
    return inspect.isclass(found) and issubclass(found, tuple)


@pytest.mark.parametrize("name", NAMES)
def test_docstring(name):
    free = FREE | ({"PR01"} if is_result(name) else set())  # its attributes are documented
    errors = validation.validate(name)["errors"]
    assert not [(code, text) for code, text in errors if code not in free]


@pytest.mark.parametrize("name", [name for name in PUBLIC if not is_tuple(name)])
def test_example(name):
    assert ">>>" in inspect.getdoc(PUBLIC[name])


# Texts are repeated, since editors show what stands in the source; these may differ.
OF_THEIR_OWN = {"hidden_layer_sizes", "loss", "validation_fraction"}


def test_networks_describe_their_parameters_in_the_same_words():
    docscrape = pytest.importorskip("numpydoc.docscrape")
    one, other = (
        {p.name: p for p in docscrape.ClassDoc(model)["Parameters"]}
        for model in (fastsoftmax.MLPClassifier, fastsoftmax.MLPRegressor)
    )
    assert sorted(one) == sorted(other)
    assert {name for name in one if one[name] != other[name]} == OF_THEIR_OWN
