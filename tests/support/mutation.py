"""Single places of the Python layer changed, each run against the tests that run its line.

    python tests/support/mutation.py FOLDER COUNT [SEED [TESTS ...]]

needs `coverage`. What each test runs is recorded once and kept in FOLDER, as are the results, so
that a run that was ended goes on. A change that no test notices has to be listed in
`mutation_survivors.txt`, as equivalent, as a matter of speed only, or as mended by a new test;
otherwise it is printed, and the exit status is 1.
"""

import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from itertools import accumulate, chain
from pathlib import Path
from xml.etree import ElementTree

import fastsoftmax

TESTS = Path(__file__).parents[1]
VERDICTS = Path(__file__).with_name("mutation_survivors.txt")
LEFT_OUT = ("_commands", "plotting")  # whose text and pictures no number tells
NOT_RUN = ("project", "campaigns")  # which read the sources, or take long
BUDGET = 60  # seconds of tests for each change, as they take while what they run is recorded
SECONDS = 300

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


def changed(node):
    """Another node in its place; None for what is not changed."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            return ast.Compare(node.left, [COMPARISONS[type(op)]()], node.comparators)
        case ast.BinOp(op=op) if type(op) in OPERATORS and not text_in(node):
            return ast.BinOp(node.left, OPERATORS[type(op)](), node.right)
        case ast.BoolOp(op=op):
            return ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            return node.operand
        case ast.Constant(value=bool() as value):
            return ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            return ast.Constant(value + 1 if isinstance(value, int) else 2 * value + 1e-3)
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            return ast.Pass()
    return None


def text_in(node):
    return any(
        isinstance(each, ast.JoinedStr)
        or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in ast.walk(node)
    )


class Places(ast.NodeVisitor):
    """The nodes of a module that may be changed: none of annotations, messages and overloads."""

    def __init__(self):
        self.found = []

    def visit(self, node):
        if changed(node) is not None:
            self.found.append(node)
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not is_left_out(child):
                    self.visit(child)


def is_left_out(node):
    """Messages, what is for type checkers, and overloads."""
    if isinstance(node, ast.FunctionDef):
        return any(getattr(each, "id", "") == "overload" for each in node.decorator_list)
    if isinstance(node, ast.If):
        return getattr(node.test, "id", "") == "TYPE_CHECKING"
    return isinstance(node, ast.JoinedStr)


def mutants(package):
    """(file, number of the place, line, before, after) of all there are."""
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.startswith(LEFT_OUT):
            continue
        places = Places()
        places.visit(ast.parse(path.read_text(encoding="utf-8")))
        for number, node in enumerate(places.found):
            yield name, number, node.lineno, ast.unparse(node), ast.unparse(changed(node))


def mutated(source, number):
    """The module with one place changed."""
    tree = ast.parse(source)
    places = Places()
    places.visit(tree)
    target = places.found[number]

    class Change(ast.NodeTransformer):
        def visit(self, node):
            if node is target:
                return ast.copy_location(changed(node), node)
            return self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Change().visit(tree)))


def recorded(folder, package, tests):
    """file → line → tests that run it, as names of functions in files; test → seconds."""
    kept, durations = folder / "lines.json", folder / "durations.xml"
    if not kept.exists():
        settings = folder / "coveragerc"
        settings.write_text(
            f"[run]\ndynamic_context = test_function\nsource = {package}\n"
            f"data_file = {folder / 'coverage'}\n"
        )
        ignored = [f"--ignore={TESTS / name}" for name in NOT_RUN]
        subprocess.run(
            [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest", "-q",
             "-p", "no:cacheprovider", f"--junitxml={durations}", *ignored, *tests],
            stdout=sys.stderr, check=False,
        )  # fmt: skip
        from coverage import CoverageData

        data = CoverageData(str(folder / "coverage"))
        data.read()
        seen = {context.split(".")[-2] for context in data.measured_contexts() if context}
        modules = {path.stem for path in TESTS.rglob("test_*.py")}
        print(f"{len(seen & modules)} of {len(modules)} modules of tests recorded")
        found = {}
        for path in data.measured_files():
            lines = data.contexts_by_lineno(path)
            name = Path(path).relative_to(package).as_posix()
            found[name] = {n: sorted(set(filter(None, tests))) for n, tests in lines.items()}
        kept.write_text(json.dumps(found))
    seconds = defaultdict(float)
    for case in ElementTree.parse(durations).iter("testcase"):
        function = case.get("name").partition("[")[0]
        seconds[f"{case.get('classname')}.{function}"] += float(case.get("time"))
    return json.loads(kept.read_text()), seconds


def as_argument(context):
    """The test of a context such as "linear.test_cv.test_a_callback" for pytest."""
    *modules, function = context.split(".")
    modules = modules[modules.index("tests") + 1 :] if "tests" in modules else modules
    for i in range(len(modules), 0, -1):  # a class may follow the module
        path = TESTS.joinpath(*modules[:i]).with_suffix(".py")
        if path.exists():
            return "::".join([str(path), *modules[i:], function])
    return None


def chosen(tests, seconds):
    """Of the tests that run a line the quickest, as many as the budget allows."""
    tests = sorted(tests, key=lambda test: (seconds.get(test, 0.0), test))
    until = accumulate(seconds.get(test, 0.0) for test in tests)
    return [test for test, total in zip(tests, until, strict=True) if total <= BUDGET] or tests[:1]


def outcome(folder, package, mutant, tests):
    """ "noticed", "survived", or "not run" where no test runs the line."""
    name, number, _, _, _ = mutant
    arguments = [found for each in tests if (found := as_argument(each))]
    if not arguments:
        return "not run"
    target = folder / "mutated" / "fastsoftmax" / name
    source = (package / name).read_text(encoding="utf-8")
    target.write_text(mutated(source, number), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
             *arguments],
            env=os.environ | {"PYTHONPATH": f"{folder / 'mutated'}:{TESTS}"},
            capture_output=True, timeout=SECONDS,
        )  # fmt: skip
        return "survived" if done.returncode == 0 else "noticed"
    except subprocess.TimeoutExpired:
        return "noticed"
    finally:
        target.write_text(source, encoding="utf-8")


def verdicts():
    """(file, before, after) → equivalent, speed or mended."""
    found = {}
    if VERDICTS.exists():
        for line in VERDICTS.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                verdict, name, before, after, *_ = line.split("\t")
                found[name, before, after] = verdict
    return found


def main(folder, count, seed, tests):
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    package = Path(fastsoftmax.__file__).parent
    lines, seconds = recorded(folder, package, tests)
    shutil.copytree(package, folder / "mutated" / "fastsoftmax", dirs_exist_ok=True)
    everything = [m for m in mutants(package) if str(m[2]) in lines.get(m[0], {})]
    random.Random(seed).shuffle(everything)
    results, kept = {}, folder / f"results-{seed}.json"
    if kept.exists():
        results = dict(json.loads(kept.read_text()))
    for i, mutant in enumerate(everything[:count]):
        if str(i) in results:
            continue
        # what runs when a module is imported counts as run by all tests of the module
        of_file = lines[mutant[0]]
        tests = of_file[str(mutant[2])] or sorted(set(chain(*of_file.values())))
        tests = chosen(tests, seconds)
        results[str(i)] = [outcome(folder, package, mutant, tests), *mutant]
        kept.write_text(json.dumps(results))
        print(*results[str(i)], sep="\t", file=sys.stderr, flush=True)
    return report(results)


def report(results):
    """Print how many were noticed, and those that were not and are not listed."""
    known, counts = verdicts(), defaultdict(int)
    for result, name, _, line, before, after in results.values():
        if result != "noticed":
            result = known.get((name, before, after), result)
        counts[result] += 1
        if result in ("survived", "not run"):
            print(f"{result}: {name}, line {line}: {before} → {after}")
    print(f"{len(results)} changes: {dict(counts)}")
    return counts["survived"] + counts["not run"] > 0


if __name__ == "__main__":
    folder, count, *rest = sys.argv[1:]
    sys.exit(main(folder, int(count), int(rest[0]) if rest else 0, rest[1:] or [str(TESTS)]))
