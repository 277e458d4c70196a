"""Imports point one way: _core ← data ← objective ← solvers ← estimators."""

import ast
import re
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "fastsoftmax"

# A room is a module or a package right under fastsoftmax; what each may import besides itself.
ROOMS = {
    "_core": set(),
    "_threads": {"_core"},
    "_dtypes": set(),
    "_validation": {"_dtypes", "_threads", "_validation_arrays"},
    "_validation_arrays": {"_dtypes"},
    "_validation_blocks": set(),
    "_validation_inference": {"_validation"},
    "_validation_networks": {"_dtypes", "_sklearn", "_validation"},
    "_validation_plotting": {"_sklearn"},
    "_validation_folds": set(),
    "_validation_saved": set(),
    "_validation_sparse": {"_validation"},
    "_validation_targets": {"_validation", "_validation_arrays"},
    "_typing": set(),
    "_progress": set(),
    "_sklearn": set(),
    "_info": {"_core", "_threads"},
    "_baseline": set(),
    "blocks": {"_dtypes", "_validation", "_validation_blocks", "_validation_sparse"},
    "data": {"_core", "_dtypes", "_threads", "_validation"},
    "objective": {"data", "_validation"},
    "solvers": {"objective", "_validation"},
    "datasets": {"_validation"},
    "saving": {"_sklearn", "_validation_saved"},
    "functional": {"_core", "_threads", "_typing", "_validation", "_validation_sparse", "data"},
    "linear": {
        *("_dtypes", "_progress", "_sklearn", "_threads", "_typing", "_validation"),
        *("_validation_blocks", "_validation_folds", "_validation_inference"),
        *("_validation_networks", "_validation_saved", "_validation_sparse"),
        *("_validation_targets", "blocks", "data", "functional", "neural", "objective"),
        *("saving", "solvers"),
    },
    "neural": {
        *("_core", "_dtypes", "_progress", "_sklearn", "_threads", "_validation"),
        *("_validation_folds", "_validation_networks", "_validation_saved", "data", "functional"),
        *("saving",),
    },
    "_loading": {"linear", "neural", "saving"},
    "plotting": {"_validation_plotting"},
    "_commands": {
        *("_baseline", "_core", "_info", "_sklearn", "_threads", "_validation_plotting"),
        *("datasets", "functional", "linear", "neural", "plotting"),
    },
    "__main__": {"_commands"},
    "__init__": {"_info", "_loading", "blocks", "datasets", "functional", "linear", "neural"},
}
REQUIRED = {"numpy", "scipy"}
NEVER = {"benchmarks", "conftest", "examples", "optimum", "pytest", "reference", "tests"}

PYTHON = sorted(SOURCE.rglob("*.py"))
CYTHON = sorted([*SOURCE.rglob("*.pyx"), *SOURCE.rglob("*.pxd")])


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def name_of(path):
    return str(path.relative_to(SOURCE))


def imported(tree, *, at_module_level=False):
    """Dotted names of what is imported; `from a import b` gives a.b, as b may be a module."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (at_module_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            waiting.extend(ast.iter_child_nodes(node))


def own_rooms(tree):
    """Rooms that are imported; "__init__" for a public name of the package itself."""
    for name in imported(tree):
        package, _, rest = name.partition(".")
        if package == "fastsoftmax":
            room = rest.partition(".")[0]
            yield room if room in ROOMS else "__init__"


def packages(tree, **how):
    return {name.partition(".")[0] for name in imported(tree, **how)}


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in PYTHON + CYTHON} == set(ROOMS)


def test_the_table_has_no_cycle():
    left = dict(ROOMS)
    while left:
        ground = {room for room, above in left.items() if not above & set(left)}
        assert ground, f"a cycle among {sorted(left)}"
        for room in ground:
            del left[room]


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_rooms_import_what_lies_below(path):
    room = room_of(path)
    wrong = set(own_rooms(parse(path))) - ROOMS[room] - {room}
    assert not wrong, f"{room} may import {sorted(ROOMS[room])}"


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_other_packages(path):
    tree = parse(path)
    assert not packages(tree) & NEVER
    own = {"fastsoftmax"} | ({"sklearn"} if room_of(path) == "_sklearn" else set())
    assert ("sklearn" in packages(tree)) <= ("sklearn" in own)
    optional = packages(tree, at_module_level=True) - REQUIRED - own - sys.stdlib_module_names
    assert not optional, "optional packages are imported where they are used"


CIMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import|c?import\s+([\w., ]+))", re.MULTILINE)


def cython_imports(text):
    for module, modules in CIMPORT.findall(text):
        yield from [module] if module else (name.split()[0] for name in modules.split(","))


@pytest.mark.parametrize("path", CYTHON, ids=name_of)
def test_kernels_import_kernels_only(path):
    for module in cython_imports(path.read_text(encoding="utf-8")):
        assert not module.startswith("."), "a relative cimport looks inside v2/"
        package, _, rest = module.partition(".")
        assert package in {"fastsoftmax", "numpy", "libc", "cython", "cpython", "openmp"}
        assert package != "fastsoftmax" or rest.startswith("_core.")


@pytest.mark.parametrize(
    "path", [path for path in SOURCE.rglob("*") if path.is_file()], ids=name_of
)
def test_no_file_is_long(path):
    if path.suffix in {".py", ".pyx", ".pxd", ".pxi", ".h", ".c"}:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


# The checks above are no use if they find nothing.
@pytest.mark.parametrize(
    ("code", "rooms"),
    [
        ("import fastsoftmax.objective", {"objective"}),
        ("from fastsoftmax import _core, softmax", {"_core", "__init__"}),
        ("from fastsoftmax.data.dense import DenseData as D", {"data"}),
        ("def f():\n    if 1:\n        from fastsoftmax.linear import fit", {"linear"}),
        ("import numpy, os.path", set()),
    ],
)
def test_imports_are_found(code, rooms):
    assert set(own_rooms(ast.parse(code))) == rooms


def test_imports_at_module_level_are_told_from_others():
    tree = ast.parse("import a.b\ntry:\n    import c\nfinally: 0\ndef f():\n    import d\n")
    assert packages(tree) == {"a", "c", "d"}
    assert packages(tree, at_module_level=True) == {"a", "c"}


def test_cimports_are_found():
    text = (
        "cimport numpy as cnp\nfrom fastsoftmax.x cimport (\n  a)\n from .b cimport c\nimport d, e"
    )
    assert list(cython_imports(text)) == ["numpy", "fastsoftmax.x", ".b", "d", "e"]
