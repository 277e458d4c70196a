"""Names of types are types, not their text.

`Paths | ArrayLike` is evaluated when a module is loaded. Where `Paths` is text that works only as long
as NumPy's `ArrayLike` is a union; in NumPy 2.5 it is a `TypeAliasType`, and the import fails.
"""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "fastsoftmax"


def aliases():
    """(file, name, value) of each `Name: TypeAlias = …` of a module."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                yield path.name, ast.unparse(node.target), node.value


def test_no_alias_is_text():
    assert len(list(aliases())) > 2
    text = [(file, name) for file, name, value in aliases() if isinstance(value, ast.Constant)]
    assert text == []
