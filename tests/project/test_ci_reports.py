"""Reports of the longer checks (`.ci/long`) belong to this history of commits."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").exists())
REPORTS = sorted((ROOT / "docs" / "ci").glob("*.txt"))


def git(*args):
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_names_an_ancestor(path):
    text = path.read_text(encoding="utf-8")
    found = re.match(r"commit +([0-9a-f]{40})\ndate +\d{4}-\d\d-\d\d\nprocessor +\S.*\n", text)
    assert found, f"{path.name} does not begin with commit, date and processor"
    done = git("merge-base", "--is-ancestor", found[1], "HEAD")
    assert done.returncode == 0, f"{path.name}: run .ci/long {path.stem} again"


def test_every_report_has_its_check():
    checks = re.findall(r"^check_(\w+)\(\)", (ROOT / ".ci" / "long").read_text(), re.MULTILINE)
    assert {path.stem for path in REPORTS} <= set(checks)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_what_the_checks_run_is_committed():
    text = "".join((ROOT / ".ci" / name).read_text() for name in ("run", "long"))
    named = set(re.findall(r"\b(?:tests|tools)/[\w/.]+\.(?:py|c)\b", text))
    assert named - set(git("ls-files").stdout.split()) == set()
