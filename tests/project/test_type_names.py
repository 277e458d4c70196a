"""Names of types that are text are not joined to others.

`Paths | ArrayLike` is evaluated when its module is loaded. Where `Paths` is text, that works only
as long as NumPy's `ArrayLike` is a union; in NumPy 2.5 it is a `TypeAliasType`, and the import
fails.
"""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "fastsoftmax"
MODULES = {
    path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))
}


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def joined_text(modules):
    """Where text, or a name that stands for it, is an operand of `|`."""
    names = {
        ast.unparse(node.target)
        for module in modules.values()
        for node in module.body
        if isinstance(node, ast.AnnAssign) and is_text(node.value)
    }
    for path, module in modules.items():
        for node in ast.walk(module):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
                for operand in (node.left, node.right):
                    if is_text(operand) or ast.unparse(operand) in names:
                        yield path.name, node.lineno


def test_no_text_is_joined_to_a_type():
    assert list(joined_text(MODULES)) == []


def test_it_would_be_found():
    planted = ast.parse('Paths: TypeAlias = "str"\ndef load(x: Paths | int, y: "A" | None): ...')
    assert list(joined_text({Path("planted.py"): planted})) == [("planted.py", 2)] * 2
