"""Imports point one way: _core ← linalg ← data ← objective ← line_search ← curvature ← solvers.

`TYPE_CHECKING` counts as any other import does.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from fastsoftmax import _core

SOURCE = Path(__file__).parents[2] / "src" / "fastsoftmax"

# What each package, or module right under fastsoftmax, may import besides itself and _runtime.
ALLOWED = {
    "_core": set(),
    "_runtime": {"_core"},
    "_validation": set(),
    "_engine.linalg": {"_core"},
    "_engine.data": {"_core", "_engine.linalg"},
    "_engine.objective": {"_engine.data", "_engine.linalg", "_validation"},
    "_engine.line_search": {"_engine.data", "_engine.linalg", "_engine.objective"},
    "_engine.curvature": {
        *("_engine.data", "_engine.linalg", "_engine.line_search", "_engine.objective"),
    },
    "_engine.solvers": {
        *("_engine.curvature", "_engine.data", "_engine.linalg", "_engine.line_search"),
        *("_engine.objective", "_validation"),
    },
    "_engine.small": {"_core", "_engine.data", "_engine.objective", "_engine.solvers"},
    "_saving": {"_validation"},
    "blocks": {"_validation"},
    "engines": set(),
    "partitions": {"_validation"},
    "functional": {"_core", "_engine.data", "_validation"},
    "datasets": {"_validation"},
    "_neural": {"_core", "_engine.data", "_engine.linalg", "_saving", "_validation", "functional"},
    "_linear": {
        *("_engine.curvature", "_engine.data", "_engine.line_search", "_engine.linalg"),
        *("_engine.objective", "_engine.small", "_engine.solvers"),
        *("_neural", "_saving", "_validation", "blocks", "functional", "partitions"),
    },
    "plotting": {"_validation"},
    "inference": {"_linear"},
    "formula": {"_linear"},
    "torch": {"_validation", "functional"},
    "onnx": {"_linear", "_neural"},
    "_commands": {
        "_core",
        "_linear",
        "_neural",
        "_validation",
        "datasets",
        "functional",
        "plotting",
    },
    "__main__": {"_commands"},
    "__init__": {
        *(
            "_core",
            "_linear",
            "_neural",
            "_saving",
            "blocks",
            "datasets",
            "functional",
            "partitions",
        ),
    },
}
REQUIRED = {"numpy", "scipy"}  # `torch`, imported only on request, needs PyTorch besides
NEVER = {"benchmarks", "campaigns", "conftest", "examples", "pytest", "support", "tests"}

PYTHON = sorted(SOURCE.rglob("*.py"))
CYTHON = sorted([*SOURCE.rglob("*.pyx"), *SOURCE.rglob("*.pxd")])


def module_of(path):
    """Its dotted name below fastsoftmax; "__init__" for the package itself."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


MODULES = {module_of(path): path for path in PYTHON}


def package_of(module):
    """The entry of the table that a module belongs to."""
    head, _, rest = module.partition(".")
    return f"_engine.{rest.partition('.')[0]}" if head == "_engine" and rest else head


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


def own_modules(tree):
    """Modules of fastsoftmax that are imported, without "fastsoftmax."."""
    for name in imported(tree):
        package, _, rest = name.partition(".")
        if package == "fastsoftmax":
            parent = rest.rpartition(".")[0]
            yield rest if rest in MODULES else parent if parent in MODULES else "__init__"


def packages(tree, **how):
    return {name.partition(".")[0] for name in imported(tree, **how)}


@cache
def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def circles(graph):
    """Sets of more than one module that reach each other (Tarjan 1972)."""
    order, low, stack, found = {}, {}, [], []

    def visit(module):
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in graph[module]:
            if other not in order:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], order[other])
        if low[module] == order[module]:
            at = stack.index(module)
            found.append(set(stack[at:]))
            del stack[at:]

    for module in graph:
        if module not in order:
            visit(module)
    return [circle for circle in found if len(circle) > 1]


def test_every_package_is_in_the_table():
    assert {package_of(module) for module in MODULES} - {"_engine"} == set(ALLOWED)


def test_the_table_has_no_circle():
    graph = {name: above | ({"_runtime"} - {name, *above}) for name, above in ALLOWED.items()}
    graph["_core"] = graph["_runtime"] - {"_core"}  # the one below _runtime
    assert not circles(graph)


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_packages_import_what_lies_below(path):
    package = package_of(module_of(path))
    wrong = {package_of(module) for module in own_modules(parse(path))}
    wrong -= ALLOWED.get(package, set()) | {package, "_runtime"}
    assert not wrong, f"{package} may import {sorted(ALLOWED[package])}"


def test_modules_import_one_way():
    graph = {module: set(own_modules(parse(path))) - {module} for module, path in MODULES.items()}
    assert not circles(graph)


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_other_packages(path):
    tree = parse(path)
    assert not packages(tree) & NEVER
    module = module_of(path)
    may = {"sklearn"} if module == "_runtime.sklearn_compat" else set()
    own = {"fastsoftmax"} | may | ({"torch"} if package_of(module) == "torch" else set())
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


# What the files of each folder of _core cimport, besides their own and those right under _core.
FOLDERS = {
    "simd": set(),
    "gemm": {"simd"},
    "loss": {"gemm", "simd"},
    "linear": {"gemm", "loss", "simd"},
    "sparse": {"gemm", "linear", "simd"},
    "hessian": {"gemm", "loss", "simd"},
    "solver": {"gemm", "linear", "loss", "simd", "sparse"},
    "network": {"gemm", "loss", "simd"},
    "small": {"gemm", "hessian", "linear", "simd", "solver"},
}


def test_folders_of_kernels_import_one_way():
    found = {folder: set() for folder in FOLDERS}
    for path in CYTHON:
        folder = path.parent.name
        for module in cython_imports(path.read_text(encoding="utf-8")):
            inside = module.removeprefix("fastsoftmax._core.").split(".")
            if folder != "_core" and len(inside) == 2 and inside[0] in FOLDERS:
                found[folder].add(inside[0])
    assert {folder: names - {folder} for folder, names in found.items()} == FOLDERS
    below = []  # the folders that import only those before them
    while rest := [folder for folder in FOLDERS if folder not in below]:
        free = [folder for folder in rest if FOLDERS[folder] <= set(below)]
        assert free, f"a circle of {rest}"
        below += free


def faces_python(path):
    """Whether the compiled module has Python objects: it is compiled once then."""
    return path.name in {
        "_cpu.pyx",
        "_system.pyx",
        "arrays.pxd",
        "recycled.pyx",
    } or "Binding" in path.read_text(encoding="utf-8")


KERNELS = [path for path in CYTHON if not faces_python(path)]
C_FUNCTION = re.compile(r"^cdef [^\n=]*\((?:[^()]|\([^()]*\))*\)(.*):$", re.MULTILINE)


@pytest.mark.parametrize("path", KERNELS, ids=name_of)
def test_kernels_hold_no_python_object(path):
    text = path.read_text(encoding="utf-8")
    assert "numpy" not in cython_imports(text)
    assert not re.findall(r"^\s*(?:def|class|cdef class|import|raise)\b", text, re.MULTILINE)
    assert {end.strip() for end in C_FUNCTION.findall(text)} <= {"noexcept nogil"}


def test_every_group_of_kernels_has_its_three_files():
    groups = {path.stem.removesuffix("_kernels") for path in KERNELS if path.suffix == ".pyx"}
    groups.remove("matrix_units")  # in the place of the group `linear`
    assert groups == {name for names in _core.KERNELS.values() for name in names}
    faces = {path.stem for path in CYTHON if path.suffix == ".pyx" and faces_python(path)}
    assert faces == groups | {"_cpu", "_system", "binding", "recycled", "small_newton"}
    assert {f"{name}_kernels" for name in groups} <= {path.stem for path in KERNELS}


@pytest.mark.parametrize(
    "path", [path for path in SOURCE.rglob("*") if path.is_file()], ids=name_of
)
def test_no_file_is_long(path):
    if path.suffix in {".py", ".pyx", ".pxd", ".pxi", ".h", ".c"}:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


# The checks above are no use if they find nothing.
@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import fastsoftmax._engine.objective", {"_engine.objective"}),
        ("from fastsoftmax import _core, softmax", {"_core", "__init__"}),
        ("from fastsoftmax._engine.data.dense import DenseData as D", {"_engine.data.dense"}),
        ("def f():\n    if 1:\n        from fastsoftmax._linear import model", {"_linear.model"}),
        ("import numpy, os.path", set()),
    ],
)
def test_imports_are_found(code, modules):
    assert set(own_modules(ast.parse(code))) == modules


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [{"b", "c"}]


def test_imports_at_module_level_are_told_from_others():
    tree = ast.parse("import a.b\ntry:\n    import c\nfinally: 0\ndef f():\n    import d\n")
    assert packages(tree) == {"a", "c", "d"}
    assert packages(tree, at_module_level=True) == {"a", "c"}


def test_cimports_are_found():
    text = (
        "cimport numpy as cnp\nfrom fastsoftmax.x cimport (\n  a)\n from .b cimport c\nimport d, e"
    )
    assert list(cython_imports(text)) == ["numpy", "fastsoftmax.x", ".b", "d", "e"]
