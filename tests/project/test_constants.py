"""Numeric constants say where they come from: in a comment, or on the page of an experiment."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "fastsoftmax"
NAMED = re.compile(r"((?:`\w+`[,;\s]*(?:and\s+)?)+)in\s+`([\w/.]+)`")


def named_on_pages():
    """(file, name) of the constants that pages of experiments set."""
    for page in (ROOT / "docs" / "experiments").glob("0*.md"):
        constants = page.read_text(encoding="utf-8").partition("**Constants.**")[2]
        for names, file in NAMED.findall(constants):
            yield from ((file, name) for name in re.findall(r"`(\w+)`", names))


def is_number(node):
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(map(is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return is_number(node.left) or is_number(node.right)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) in {int, float}


def constants(text):
    """Names of a module's numeric constants, and whether a comment is beside or above them."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and is_number(node.value):
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            commented = "#" in lines[node.lineno - 1] or lines[node.lineno - 2].startswith("#")
            yield from ((name.id, commented) for name in names if name.id.isupper())


def test_constants_have_a_comment_or_a_page():
    known, bare = set(named_on_pages()), []
    for path in SOURCE.rglob("*.py"):
        file = str(path.relative_to(SOURCE))
        if file.startswith("_commands"):
            continue
        for name, commented in constants(path.read_text(encoding="utf-8")):
            if not commented and (file, name) not in known:
                bare.append(f"{name} in {file}")
    assert not bare


def test_constants_are_found():
    text = "A = 1\nB = 2  # b\n# c\nC, D = -3, 1 << 4\nE = 'e'\nf = 5\n"
    assert list(constants(text)) == [("A", False), ("B", True), ("C", True), ("D", True)]
