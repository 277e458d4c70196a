"""Single places of the Python layer changed, each run against the tests that run its line.

    python tests/support/mutation.py FOLDER COUNT [SEED [TESTS ...]]

needs `coverage`. What each test runs is recorded once and kept in FOLDER, as are the results, so
that a run that was ended goes on. A change that no test notices has to be listed in
`mutation_survivors.txt`, as equivalent, as a matter of speed only, or as mended by a new test;
otherwise it is printed, and the exit status is 1. Those listed as equivalent or speed are not run
again. Which places a seed takes does not depend on other places, so that a listed one stays.

Each change is tried in a fork of a process that has imported what the tests import of others.
"""

import ast
import hashlib
import importlib.util
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections import Counter, defaultdict
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]
VERDICTS = Path(__file__).with_name("mutation_survivors.txt")
LEFT_OUT = ("_commands", "plotting")  # whose text and pictures no number tells
NOT_RUN = ("project", "campaigns")  # which read the sources, or take long
IMPORTED = ("hypothesis", "mpmath", "numpy", "scipy.optimize", "scipy.sparse",
            "scipy.special", "sklearn.linear_model", "sklearn.utils.estimator_checks")  # fmt: skip
BUDGET = 60  # seconds of tests for each change, as they take while what they run is recorded
FIRST = 20  # tests that are run by themselves, as most changes are noticed by one of them
SECONDS = 3600  # until a change counts as noticed because its tests wait for ever
WORKERS = len(os.sched_getaffinity(0))
FORK = multiprocessing.get_context("fork")

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


class Mutant(NamedTuple):
    """One change; `text` is its line with the change within."""

    file: str
    place: int
    line: int
    text: str


def mutants(package):
    """All there are."""
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.startswith(LEFT_OUT):
            continue
        source = path.read_text(encoding="utf-8")
        places = Places()
        places.visit(ast.parse(source))
        for number, node in enumerate(places.found):
            yield Mutant(name, number, node.lineno, shown(source.splitlines(), node))


def shown(lines, node):
    """The line of the node, with what becomes of it: "if [n < 2 → n <= 2]:"."""
    before = lines[node.lineno - 1].encode()[: node.col_offset].decode()
    after = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
    return f"{before}[{ast.unparse(node)} → {ast.unparse(changed(node))}]{after}".strip()


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
    """file → line → tests that run it; test → what pytest calls it, seconds; of those that pass."""
    kept = folder / "recorded.json"
    if not kept.exists():
        modules = sorted({path for each in tests for path in test_modules(Path(each))})
        side_by_side(record_all, folder, package, modules)
        lines, known = defaultdict(lambda: defaultdict(set)), {}
        for module in modules:
            known |= json.loads(part(folder, module, "json").read_text())
            read_lines(part(folder, module, "coverage"), package, lines)
        found = {
            name: {line: sorted(names & known.keys()) for line, names in of_file.items()}
            for name, of_file in lines.items()
        }
        kept.write_text(json.dumps([found, known]))
    return json.loads(kept.read_text())


def test_modules(path):
    if path.is_file():
        return [path]
    return [p for p in path.rglob("test_*.py") if p.relative_to(TESTS).parts[0] not in NOT_RUN]


def part(folder, module, kind):
    """The file with what is recorded of one module of tests."""
    return folder / "parts" / f"{'.'.join(module.relative_to(TESTS).with_suffix('').parts)}.{kind}"


def record_all(worker, folder, package, modules):
    (folder / "parts").mkdir(exist_ok=True)
    for module in modules[worker::WORKERS]:
        if not part(folder, module, "json").exists():
            forked(part(folder, module, "log"), record, folder, package, module)


def record(folder, package, module):
    """Run a module of tests, and keep what each of its tests runs, and how long it takes."""
    from coverage import Coverage

    clock = Clock()
    measured = Coverage(str(part(folder, module, "coverage")), source=[str(package)])
    measured.set_option("run:dynamic_context", "test_function")
    measured.start()
    run_tests(str(module), plugins=[clock])
    measured.stop()
    measured.save()
    part(folder, module, "json").write_text(json.dumps(clock.of_passed()))


class Clock:
    """The seconds of processors that tests take, which a busy machine does not lengthen."""

    def __init__(self):
        self._seconds, self._failed = defaultdict(float), set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        before = sum(os.times()[:4])
        result = yield
        self._seconds[function(item.nodeid)] += sum(os.times()[:4]) - before
        return result

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self._failed.add(function(report.nodeid))

    def of_passed(self):
        """Coverage's "tests.linear.test_cv.test_a_callback" → the name for pytest, and seconds."""
        return {
            test.replace(".py::", ".").replace("::", ".").replace("/", "."): (test, seconds)
            for test, seconds in self._seconds.items()
            if test not in self._failed
        }


def function(nodeid):
    """A test without its parameters."""
    return nodeid.partition("[")[0]


def tests_of(file, line, package, lines):
    """Tests that run a line; all of its module's for what runs when that is imported, by chance for
    the test that comes first."""
    tree = ast.parse((package / file).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    of_file = lines[file]
    if any(each.body[0].lineno <= line <= each.end_lineno for each in functions):
        return of_file[str(line)]
    return set(chain(*of_file.values()))


def read_lines(path, package, lines):
    """Add file → line → contexts of one recording; of tests that are all skipped there is none."""
    from coverage import CoverageData

    data = CoverageData(str(path))
    data.read()
    for measured in data.measured_files():
        of_file = lines[Path(measured).relative_to(package).as_posix()]
        for line, contexts in data.contexts_by_lineno(measured).items():
            of_file[line] |= set(contexts)


def side_by_side(function, *arguments):
    """function(worker, *arguments) in a process for each processor."""
    workers = [FORK.Process(target=function, args=(i, *arguments)) for i in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def forked(log, function, *arguments, seconds=None):
    """Whether function(*arguments) ends well in a fork and in time; what it prints goes to log."""
    process = FORK.Process(target=apart, args=(log, function, *arguments))
    process.start()
    process.join(seconds)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode == 0


def apart(log, function, *arguments):
    os.setsid()  # so that what it starts ends with it
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    function(*arguments)


def run_tests(*arguments, plugins=()):
    os.chdir(TESTS.parent)
    common = ["-q", "-p", "no:cacheprovider", "--assert=plain"]
    return pytest.main([*common, *arguments], plugins=plugins)


def chosen(tests):
    """Of tests as pytest calls them and their seconds the quickest, and how long these take."""
    tests = sorted(tests, key=lambda test: test[1])
    until = list(accumulate(seconds for _, seconds in tests))
    count = max(1, sum(total <= BUDGET for total in until))
    return [name for name, _ in tests[:count]], until[count - 1]


def outcome(copy, mutant, tests, seconds):
    """ "noticed", or "survived"."""
    target = copy / "fastsoftmax" / mutant.file
    source = target.read_text(encoding="utf-8")
    target.write_text(mutated(source, mutant.place), encoding="utf-8")
    try:
        limit = 20 + 2 * int(seconds)
        survived = forked(copy / "log", notice, copy, tests, limit, seconds=SECONDS)
        return "survived" if survived else "noticed"
    finally:
        target.write_text(source, encoding="utf-8")


def notice(copy, tests, seconds):
    """Fail where the tests fail on a copy of the package, or take more seconds of a processor."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    sys.path.insert(0, str(copy))
    os.environ["PYTHONPATH"] = f"{copy}:{TESTS}"
    parts = (part for part in (tests[:FIRST], tests[FIRST:]) if part)
    failed = any(run_tests("-x", *part) for part in parts)
    sys.stdout.flush()
    os._exit(failed)  # what runs at the end of a process may wait for ever for workers of joblib


def verdicts():
    """(file, text) → equivalent, speed or mended."""
    found = {}
    for line in VERDICTS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            verdict, name, text, _ = line.split("\t")
            found[name, text] = verdict
    return found


def try_all(worker, folder, package, todo, lines, known):
    """Every WORKERS-th of the changes, and their outcomes in a file."""
    copy = folder / f"mutated-{worker}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(package, copy / "fastsoftmax")
    listed, kept = verdicts(), folder / f"results-{worker}.jsonl"
    before = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {tuple(mutant) for _, mutant in before}
    for mutant in todo[worker::WORKERS]:
        if mutant in done or listed.get((mutant.file, mutant.text)) in ("equivalent", "speed"):
            continue
        tests = [known[name] for name in tests_of(mutant.file, mutant.line, package, lines)]
        result = outcome(copy, mutant, *chosen(tests)) if tests else "not run"
        with kept.open("a", encoding="utf-8") as file:
            print(json.dumps([result, mutant]), file=file)
        print(result, *mutant, sep="\t", file=sys.stderr, flush=True)


def main(folder, count, seed, tests):
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}
    package = Path(importlib.util.find_spec("fastsoftmax").origin).parent
    for name in IMPORTED:
        importlib.import_module(name)
    lines, known = recorded(folder, package, tests)
    every = [m for m in mutants(package) if str(m.line) in lines.get(m.file, {})]
    every.sort(key=lambda m: hashlib.sha256(f"{seed} {m.file} {m.text}".encode()).digest())
    todo = every[:count]
    side_by_side(try_all, folder, package, todo, lines, known)
    return report(todo, folder)


def report(todo, folder):
    """Print how many were noticed, and those that were not and are not listed."""
    results = [json.loads(line) for path in folder.glob("results-*.jsonl") for line in path.open()]
    outcomes = {tuple(mutant): result for result, mutant in results}
    known, counts = verdicts(), Counter()
    for mutant in todo:
        result = outcomes.get(mutant, "not tried")
        if result != "noticed":
            result = known.get((mutant.file, mutant.text), result)
        counts[result] += 1
        if result in ("survived", "not run", "not tried"):
            print(f"{result}: {mutant.file}, line {mutant.line}: {mutant.text}")
    print(f"{len(todo)} changes: {', '.join(f'{result} {n}' for result, n in counts.items())}")
    return any(counts[each] for each in ("survived", "not run", "not tried"))


if __name__ == "__main__":
    folder, count, *rest = sys.argv[1:]
    sys.exit(main(folder, int(count), int(rest[0]) if rest else 0, rest[1:] or [str(TESTS)]))
