"""No class has so many methods that it must be more than one idea."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "fastsoftmax"
MOST = 16  # methods and properties, private ones too; a property with a setter is one


def methods(node):
    return {f.name for f in node.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)}


CLASSES = {
    f"{path.relative_to(SOURCE)}:{node.name}": methods(node)
    for path in sorted(SOURCE.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
}


def test_classes_are_found():
    assert "value_and_grad" in CLASSES["_engine/objective/objective.py:Objective"]


@pytest.mark.parametrize("name", CLASSES)
def test_no_class_is_large(name):
    assert len(CLASSES[name]) <= MOST
