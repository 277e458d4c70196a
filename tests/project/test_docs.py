"""README and site: programs print what is shown, figures are the results', names are there."""

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
from matplotlib import pyplot
from support.markdown_code import run
from support.named_tests import defined_in

import fastsoftmax
from benchmarks.readme import measured, picture, report
from fastsoftmax import _neural, datasets, engines, formula, inference, onnx, plotting

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROGRAMS = [ROOT / "README.md", *sorted([*DOCS.glob("guide/*.md"), *DOCS.glob("lecture/*.md")])]
SOURCE = ROOT / "src" / "fastsoftmax"
DESIGN = sorted([*DOCS.glob("design/*.md"), *DOCS.glob("experiments/*.md")])
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_print_what_is_shown(path, monkeypatch, tmp_path):
    """Numbers within rounding, which differs between processors; 3e-7 to one significant digit."""
    text = path.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    printed = run(text, path.name)
    pyplot.close("all")
    pyplot.switch_backend(before)
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", text)
    for number, shown in zip(NUMBER.findall(printed), NUMBER.findall(text), strict=True):
        tolerance = {"rel": 0.5, "abs": 0} if "e" in shown else {"rel": 0.1, "abs": 0.02}
        assert float(number) == pytest.approx(float(shown), **tolerance)


def test_readme_has_the_figures_of_the_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == report.with_tables(text), "run python -m benchmarks.readme.report"


@pytest.mark.parametrize("name", measured.PAGES)
def test_measured_has_the_tables_of_the_results(name):
    text = measured.path(name).read_text(encoding="utf-8")
    assert text == measured.page(name), "run python -m benchmarks.readme.measured"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_picture_shows_the_figures_of_the_table():
    assert picture.PICTURE.is_file()
    table = report.against_the_fastest()
    for problem in picture.PROBLEMS:
        times = picture.times(problem)
        ours = times.pop("fastsoftmax")[0]
        fastest = min(seconds for seconds, there in times.values() if there)
        (line,) = [line for line in table.splitlines() if f"**{ours:.3g} s**" in line]
        assert f"| {fastest:.3g} s," in line


@pytest.mark.parametrize(
    "module",
    [fastsoftmax, _neural, plotting, datasets, engines, onnx, inference, formula],
)
def test_the_reference_lists_every_public_name(module):
    text = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    assert set(module.__all__) - {"datasets"} <= listed


@pytest.mark.parametrize("page", ["comparison", "promises"])
def test_tests_that_a_page_names_are_there(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", text)
    assert len(named) > 10
    for file, name in named:
        assert name in defined_in(file)


@cache
def source_text():
    return "\n".join(
        path.read_text(encoding="utf-8")
        for path in SOURCE.rglob("*")
        if path.suffix in {".py", ".pyx", ".pxd", ".h"}
    )


@pytest.mark.parametrize("path", DESIGN, ids=lambda path: path.stem)
def test_design_names_files_and_constants_that_are_there(path):
    text = path.read_text(encoding="utf-8")
    places = SOURCE, ROOT, *(SOURCE / "_engine" / name for name in ("objective", "solvers"))
    named = set(re.findall(r"`([\w/]+\.(?:pyx?|pxd|h|md))`", text))
    assert not {name for name in named if not any((place / name).is_file() for place in places)}
    constants = text.partition("**Constants.**")[2]
    for names, file in re.findall(r"((?:`\w+`[,;\s]*(?:and\s+)?)+)in\s+`([\w/.]+)`", constants):
        code = (SOURCE / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"\b{name}\b", code), f"{name} in {file}"


def test_design_has_the_names_that_code_uses_for_a_term():
    """A private name that is gone has to go from the glossary, too."""
    gone = {
        (path.stem, name)
        for path in DESIGN
        for names in re.findall(
            r"((?:`\w+`(?:,\s|\sand\s)?)+)\sin\scode", path.read_text(encoding="utf-8")
        )
        for name in re.findall(r"`(\w+)`", names)
        if not re.search(rf"\b{name}\b", source_text())
    }
    assert not gone


def test_pages_link_to_pages_that_are_there():
    wrong = {
        (str(path.relative_to(ROOT)), link)
        for path in [ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("*/*.md")]
        for link in re.findall(r"\]\(([^)#:\s]+)[^)\s]*\)", path.read_text(encoding="utf-8"))
        if not (path.parent / link).exists() and "gallery/" not in link
    }
    assert not wrong


CODE = re.compile(r"`([^`\n]+)`|^ {4,}(\S.*)$", re.MULTILINE)
PATH = re.compile(
    r"(?<![\w/.<>-])(\.?\w[\w.]*/[\w./-]*|\w+\.(?:pyx?|pxd|h|md|toml|cff|npz|txt))(?![\w/<(])"
)
# what commands make, and what stands for a name
MADE = {
    "docs/_build",
    "build/editable",
    "build/settings.txt",
    ".venv/bin/activate",
    "1/20",
    "20/20",
    "PWD/src",
}
MADE |= {"tests/NAME_OF_PACKAGE"}
ENTRIES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", DOCS / "stability.md"]
ENTRIES += sorted(DOCS.glob("design/*.md"))


def paths_named(text):
    """Paths of files and folders in the code of a page, in backticks or indented."""
    return {path for code in CODE.findall(text) for path in PATH.findall("".join(code))}


@cache
def paths_there():
    """All files and folders, each with a slash before and behind it."""
    there = [*ROOT.glob("*"), *(path for top in ROOT.glob("*/") for path in top.rglob("*"))]
    return "".join(f"/{path.relative_to(ROOT)}/\n" for path in there)


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_paths_that_a_page_names_are_there(path):
    named = paths_named(path.read_text(encoding="utf-8")) - MADE
    assert not {name for name in named if f"/{name.strip('/')}/\n" not in paths_there()}


def test_paths_are_found():
    text = "`src/a.py`, [b](b.md), `<name>.pyx`, `c/`\n\n    run d/e --to f.md\n1/2 `x / y`\n"
    assert paths_named(text) == {"src/a.py", "c/", "d/e", "f.md"}


def test_files_of_tests_and_benchmarks_that_are_named_are_there():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md"), *DOCS.glob("*/*.md")]
    text = source_text() + "".join(path.read_text(encoding="utf-8") for path in pages)
    named = set(re.findall(r"(?:tests|benchmarks)/[\w/]+\.\w+", text))
    assert len(named) > 10
    assert not {name for name in named if not (ROOT / name).is_file()}


PUBLIC = [getattr(fastsoftmax, name) for name in fastsoftmax.__all__]
DESCRIBED = [each for each in PUBLIC if inspect.isfunction(each) or hasattr(each, "fit")]
PARAMETER = re.compile(r"^    ([a-z_A-Z0-9, ]+) : .*default=(?!float64$)(.+)$", re.MULTILINE)


@pytest.mark.parametrize("described", DESCRIBED, ids=lambda described: described.__name__)
def test_defaults_are_those_of_the_docstring(described):
    parameters = inspect.signature(described).parameters
    found = {}
    for names, values in PARAMETER.findall(inspect.getdoc(described).replace("\n", "\n    ")):
        names = names.split(", ")
        values = ast.literal_eval(values.replace("np.inf", "1e999"))
        found |= dict(zip(names, values if len(names) > 1 else [values], strict=True))
    assert len(found) > 4 or inspect.isfunction(described)
    assert found == {name: parameters[name].default for name in found}


def test_each_promise_names_its_test():
    lines = (DOCS / "promises.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 15
    assert all("::" in row for row in rows)
