"""docs/design/index.md leads to every file; a fit calls those of the walks, in their order."""

import inspect
import re
import sys
from pathlib import Path

import pytest
from support.problems import softmax_rows

import fastsoftmax

ROOT = Path(__file__).parents[2]
PACKAGE = str(Path(fastsoftmax.__file__).parent)
PAGE = (ROOT / "docs" / "design" / "index.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "fastsoftmax"


def walk(title):
    """The files of the numbered steps of a walk, in order."""
    text = PAGE.partition("## Three walks")[2].partition(f"**{title}")[2].partition("\n**")[0]
    steps = re.findall(r"^\d+\. .*(?:\n {4}.*)*", text, re.MULTILINE)
    return [re.findall(r"`([\w/]+\.(?:pyx?|pxd))`", step) for step in steps]


# of which a fit makes tuples alone
TUPLES = {"_engine/data/batch.py"}
# a file for each display, command and engine: the page names the folder
BY_NAME = ("plotting/", "_commands/", "_runtime/engines/")


def test_the_page_leads_to_every_file():
    """It names the file, the kernels that belong to it, or the folder of its kind."""
    named = set(re.findall(r"`([\w/]+(?:\.\w+|/))`", PAGE))
    missing = set()
    for path in SOURCE.rglob("*"):
        file = str(path.relative_to(SOURCE))
        if path.suffix not in {".py", ".pyx", ".pxd", ".h"} or path.name == "__init__.py":
            continue
        kernels = path.with_name(path.stem.removesuffix("_kernels") + "_kernels.pyx")
        names = {file, str(kernels.relative_to(SOURCE))}
        if not names & named and not file.startswith(BY_NAME):
            missing.add(file)
    assert not missing


@pytest.fixture(scope="module")
def calls():
    """(file, function) of the functions of the package that a fit calls, in order."""
    X, y = softmax_rows(20000, 60, 5)
    found = []

    def note(frame, event, arg):
        code = frame.f_code
        is_function = code.co_flags & inspect.CO_OPTIMIZED  # rather than a module that is imported
        if event == "call" and is_function and code.co_filename.startswith(PACKAGE):
            file = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            found.append((file, code.co_qualname))

    fit = fastsoftmax.fit  # imported here
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        fit(X, y)
    finally:
        sys.setprofile(before)
    return found


@pytest.fixture(scope="module")
def files(calls):
    return [file for file, _ in calls]


def first_files(title):
    """The first file of each step, as far as Python runs it."""
    first = (step[0] for step in walk(title) if step)
    return [file for file in first if file.endswith(".py") and file not in TUPLES]


def comes_after(files, order):
    """The first file of an order that does not come, in some files, after those before it."""
    rest = iter(files)
    return next((file for file in order if file not in rest), None)


@pytest.mark.parametrize("title", ["X, from", "y** (dense", "θ, through"])
def test_a_fit_calls_what_a_walk_names(title, files):
    steps = walk(title)
    assert len(steps) > 10
    named = {file for step in steps for file in step}
    assert all((SOURCE / file).exists() for file in named)
    assert not {file for file in named - TUPLES if file.endswith(".py")} - set(files)


def test_the_walk_of_X_is_in_order(files):
    first = [file for file in first_files("X, from") if not file.startswith("_core/")]
    # its class is called for products; the array that it holds is made before
    first = ["_engine/data/dense_array.py" if f.endswith("data/dense.py") else f for f in first]
    assert first == sorted(first, key=files.index)


def test_the_walk_of_y_is_in_order(files):
    assert comes_after(files, first_files("y** (dense")) is None


def test_the_walk_of_θ_is_in_order(calls):
    loop = [i for i, (_, name) in enumerate(calls) if name == "BlockPreconditioner.update"]
    iteration = [file for file, _ in calls[loop[3] : loop[4]]]
    order = first_files("θ, through")[1:]  # the loop itself is called once
    order.remove("_engine/solvers/proof.py")  # only near the end
    assert comes_after(iteration, order) is None


def test_the_order_of_files_is_checked():
    assert comes_after("abcab", "aab") is None
    assert comes_after("abc", "cb") == "b"


def test_walks_stay_in_few_packages():
    """At most eight, those inside `_engine` apart, and a file is named once."""
    for title in ("X, from", "y** (dense", "θ, through"):
        files = [file for step in walk(title) for file in step]
        packages = {"/".join(f.split("/")[: 2 if f.startswith("_engine") else 1]) for f in files}
        assert len(packages) <= 8, title
