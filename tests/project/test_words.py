"""The project's words: identifiers that gave way to the field's terms, and rates with "per"."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = [
    path
    for folder in ("src", "tests", "benchmarks", "tools")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".pyx", ".pxd", ".h"}
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Of each term (docs/design/glossary.md) the identifiers that it replaced.
FORMER = {
    "evaluate": "look looks Look LOOK SELDOM",
    "shrinking": "Awake awake Rest _rest rouse roused _restless doubts DOUBTS surest _surest",
    "subsample": "scout scouted tilt misled _misled SCOUTED MISLED SCOUTING PASSING",
    "passes per evaluation": "cheap CHEAP",
    "incremental_logits": "drifts",
    "verify_logits": "recompute",
    "update_active_rows": "settle",
    "way_back": "risen",
    "line": "aim set_direction",
    "displaced": "_stands _current_step",
    "to_float32": "narrows narrowed",
    "to_float64": "widen widened",
    "joint Hessian": "CoupledGrams coupled_grams",
    "projected class mean": "gauge GaugeFree",
    "rebuild schedule": "REPAID VENTURE STEADY PATIENCE HARD _tired _resort far_moved FAR_MOVED",
    "reference weights": "Watched _watch WATCHED",
    "curvature mass": "start_strengths _strengths",
    "eliminated class": "spared",
    "transposed": "turned turned_logits turned_weights turn_rows turn_weights ROWS_TURNED TURNED",
    "partition": "stripe stripes Stripes n_stripes run_stripe run_stripes by_stripes brief",
    "block of rows": "band bands rows_of_band band_rows BAND BAND_BYTES",
    "converted rows": "lot LOT_BYTES",
    "pack": "n_chunks CHUNK_BYTES",
    "merged features": "folded unfold fold_row",
    "sum across lanes": "FOLD FOLDED FS_FOLD folded_logits",
    "indicators, missing": "switches UNKNOWN",
    "scratch, output": "room require_room",
    "record, notify, raise_history": "tell lift _told",
    "warm start": "Carry carry carry_of",
    "null loss": "blind blind_loss",
    "sample_rows": "DRAWS _draws Draw draw_pairs",
}
BANNED = {name: term for term, names in FORMER.items() for name in names.split()}
SKIPPED = {"test_words.py"}
# what a Cython or C file has beside names: strings and comments
ASIDE = re.compile(r'"""(?:.|\n)*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*|/\*(?:.|\n)*?\*/')
ASIDE_C = re.compile(r'"[^"\n]*"|//[^\n]*|/\*(?:.|\n)*?\*/')
# "ms a row", "one pass a gradient": what is meant is "per"
RATES = re.compile(
    r"\b(?:pass|passes|ms|µs|ns|seconds|microseconds|milliseconds|bytes|flops|multiply-adds|rows"
    r"|labels?|numbers|one) an? (?:gradient|row|class|column|feature|logit|second|pass|iteration"
    r"|step|thread|call)\b"
)


def names_in(path):
    """The NAME tokens of a file, with their lines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.string, token.start[0]
        return
    aside = ASIDE_C if path.suffix == ".h" else ASIDE
    text = aside.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for number, line in enumerate(text.split("\n"), 1):
        for name in re.findall(r"[A-Za-z_]\w*", line):
            yield name, number


def test_former_names_are_gone():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name} ({BANNED[name]})"
        for path in CODE
        if path.name not in SKIPPED
        for name, line in names_in(path)
        if name in BANNED
    ]
    assert not found, "\n".join(found)


def test_a_class_of_these_names_is_one():
    """Each was the name of several classes."""
    text = "".join(
        path.read_text(encoding="utf-8") for path in CODE if path.is_relative_to(ROOT / "src")
    )
    for name in ("Blocks", "Rows", "Standardised"):
        assert len(re.findall(rf"^ *class {name}\b", text, re.MULTILINE)) == 1


SOURCES = [path for path in CODE if path.is_relative_to(ROOT / "src")]


@pytest.mark.parametrize("path", PAGES + SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rates_are_written_with_per(path):
    found = RATES.findall(path.read_text(encoding="utf-8"))
    assert not found
