"""Constants: where they come from, which make one dataclass, and that tests pass them."""

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


TOGETHER = 3  # constants of a module, beyond which some belong together


def test_constants_that_belong_together_are_a_dataclass():
    many = set()
    for path in SOURCE.rglob("*.py"):
        file = str(path.relative_to(SOURCE))
        if file.startswith(("_commands", "plotting")):
            continue
        if len(list(constants(path.read_text(encoding="utf-8")))) > TOGETHER:
            many.add(file)
    assert not many


def rules(text):
    """The dataclasses of a module whose fields are numbers, with their lines."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.decorator_list:
            fields = [f for f in node.body if isinstance(f, ast.AnnAssign)]
            if fields and all(f.value and is_number(f.value) for f in fields):
                yield node, fields


def test_rules_are_frozen_and_say_where_they_come_from():
    found = {}
    pages = {page.stem[:4]: page.stem for page in (ROOT / "docs" / "experiments").glob("0*.md")}
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node, fields in rules(text):
            found[node.name] = path
            assert "frozen=True" in ast.unparse(node.decorator_list[0]), node.name
            named = re.findall(r"\b(0\d{3})\b", ast.get_docstring(node))
            assert set(named) <= set(pages), node.name
            bare = [
                field.target.id
                for field in fields
                if "#" not in lines[field.lineno - 1] and "#" not in lines[field.lineno - 2]
            ]
            assert named or not bare, f"{node.name}: {', '.join(bare)}"
    assert len(found) > 40


def replaced(text):
    """Names in capitals that a test sets in a module: by `setattr`, or by assignment."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            names = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
            yield from (name.rpartition(".")[2] for name in names if isinstance(name, str))
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (t.attr for t in targets if isinstance(t, ast.Attribute))


def test_tests_pass_constants_rather_than_replace_them():
    ours = {
        name
        for path in SOURCE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        for name in [target.id]
        if name.isupper()
    }
    found = {
        f"{name} in {path.relative_to(ROOT)}"
        for path in (ROOT / "tests").rglob("*.py")
        for name in replaced(path.read_text(encoding="utf-8"))
        if name in ours
    }
    assert not found


def test_replaced_constants_are_found():
    text = "patch.setattr(a, 'B', 1)\npatch.setattr('a.b.C', 1)\nm.D = 2\nm.f(1)\nE = 3\n"
    assert set(replaced(text)) == {"B", "C", "D"}


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


# an entry of an enum, or a variable
CYTHON = re.compile(r"^(?: +|cdef \w+ )([A-Z][A-Z0-9_]*) = [-+*.\de ]+(#.*)?$")


def constants_of_kernels(text):
    """Names of a Cython file's numeric constants, and whether a comment is beside or above them."""
    above = ""
    for line in text.splitlines():
        if found := CYTHON.match(line):
            yield found[1], bool(found[2]) or above.lstrip().startswith("#")
        above = line


def test_constants_of_kernels_have_a_comment_or_a_page():
    known, bare = set(named_on_pages()), []
    for path in [*SOURCE.rglob("*.pyx"), *SOURCE.rglob("*.pxd")]:
        file = str(path.relative_to(SOURCE))
        for name, commented in constants_of_kernels(path.read_text(encoding="utf-8")):
            if not commented and (file, name) not in known:
                bare.append(f"{name} in {file}")
    assert not bare


def test_constants_of_kernels_are_found():
    text = "cdef enum:\n    A = 1\n    B = 4 * 1024  # b\n    # c\n    C = 3\n    D = A + 1\n"
    text += "cdef double E = -2.5e-3\n"
    found = [("A", False), ("B", True), ("C", True), ("E", False)]
    assert list(constants_of_kernels(text)) == found
