"""Write the site's pages of measurements anew from the tables in benchmarks/results.

    python -m benchmarks.readme.measured

A page has the tables, each with the paragraph before it, which says what its columns are. What else
stands in the results, runs before and after and what was missed, is linked.
"""

import re
from pathlib import Path
from typing import NamedTuple

from benchmarks.readme.report import RESULTS, ROOT

FOLDER = ROOT / "docs" / "measured"
PICTURES = {
    "fit": "![gap against seconds in this run](../fit.png)",
    "sweep": "![a point per shape](../../benchmarks/results/sweep.png)",
    "sweep_zen4": "![a point per shape, Zen 4](../../benchmarks/results/sweep_zen4.png)",
}


class Section(NamedTuple):
    """A page of results, and how many of its tables are shown."""

    file: str
    tables: int = 9


PAGES = {
    "fits": (
        "Fits",
        "Seconds until a fit is within a relative gap of the optimum, beside the libraries that "
        "can do the same. The picture is of two threads of an AMD EPYC (Zen 5, AVX-512); a "
        "table has the same fits on an Intel Xeon.\n\n"
        "![Seconds to the optimum on five data sets](../optimum.png)",
        [
            Section("defaults"),
            Section("fit", tables=1),
            Section("fit_intel"),
            Section("sparse"),
            Section("penalties", tables=1),
            Section("dtypes"),
            Section("row_space"),
            Section("stream"),
            Section("probe"),
            Section("probe_peers"),
            Section("cv"),
        ],
    ),
    "kernels": (
        "Kernels",
        "Milliseconds of single calls: loss and gradient of the linear model, and functions of "
        "rows of logits.",
        [
            Section("gradients", tables=1),
            Section("sparse_passes"),
            Section("rows"),
            Section("autograd"),
            Section("sweep"),
            Section("sweep_zen4"),
        ],
    ),
    "networks": (
        "Networks",
        "Microseconds per training step of the networks of the lecture notes.",
        [Section("mlp")],
    ),
    "company": (
        "Beside other work",
        "What happens to times where other processes compute.",
        [Section("company")],
    ),
}


def shown(section: Section) -> str:
    """Headings, tables, and the paragraph before each table, of a page of results."""
    text = (RESULTS / f"{section.file}.md").read_text(encoding="utf-8").strip()
    blocks = re.split(r"\n\s*\n", text)
    kept, left = [], section.tables
    for i, block in enumerate(blocks):
        if block.startswith("|"):
            kept.append(block)
            left -= 1
            if not left:
                break
        elif block.startswith("#"):
            kept.append(f"#{block}")
        elif i == 1 or (blocks[i + 1 : i + 2] and blocks[i + 1].startswith("|")):
            kept.append(block)
    while kept[-1].startswith("#"):  # headings of what is left out
        kept.pop()
    if section.file in PICTURES:
        kept.append(PICTURES[section.file])
    kept.append(f"All of it: `benchmarks/results/{section.file}.md`.")
    return "\n\n".join(kept)


def page(name: str) -> str:
    """The text of a page of the site."""
    title, words, sections = PAGES[name]
    return "\n\n".join([f"# {title}", words, *map(shown, sections)]) + "\n"


def path(name: str) -> Path:
    return FOLDER / f"{name}.md"


if __name__ == "__main__":
    for name in PAGES:
        path(name).write_text(page(name), encoding="utf-8")
