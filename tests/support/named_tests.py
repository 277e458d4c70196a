"""The tests that documentation names."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def defined_in(file):
    """Names of the tests in a file of this name, the only one of it below tests/."""
    (path,) = TESTS.rglob(file)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
