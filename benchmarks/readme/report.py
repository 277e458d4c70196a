"""Write README's table anew from the tables in benchmarks/results.

    python -m benchmarks.readme.report

The site's first page shows the same table. Those it is taken from are made by each topic's
report from runs of pytest-benchmark; `bench.py` beside it says how at its top.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"


class Line(NamedTuple):
    """A line of README's table, and the row of the results that it is taken from."""

    words: str
    file: str
    row: str
    peers: tuple[str, ...]
    unit: str = "s"


TRAINERS = (
    "scikit-learn newton-cg", "scikit-learn lbfgs", "scikit-learn newton-cholesky",
    "scikit-learn-intelex", "torch L-BFGS", "cyanure",
)  # fmt: skip
LINES = (
    Line("MNIST, 60000×784, 10 classes, C = 1", "fit", "mnist, C=1", TRAINERS),
    Line("letter, 20000×16, 26 classes, C = 1", "fit", "letter, C=1", TRAINERS),
    Line("embeddings, 50000×384, 20 classes, C = 100", "fit", "20ng-chunks, C=100", TRAINERS),
    Line("embeddings, 10003×384, 77 classes, C = 1", "fit", "banking77, C=1", TRAINERS),
    Line("embeddings, 50000×512, 1000 classes, C = 1", "fit", "50000×512, K=1000", TRAINERS),
    Line("sparse TF-IDF, 11314×130107, 20 classes, C = 10", "sparse", "20newsgroups, C=10",
         ("lbfgs", "newton-cg")),
    Line("the same, L1 penalty, C = 1", "penalties", "20newsgroups, l1_ratio=1, C=1", ("saga",)),
    Line("loss + gradient, 60000×784, 10 classes, float32", "gradients", "60000×784, K=10, float32",
         ("numpy", "scikit-learn", "torch"), "ms"),
    Line("the same of uint8", "dtypes", "60000×784, K=10, uint8", ("numpy", "torch"), "ms"),
    Line("network 784→10, a step of batch 1", "mlp", "784→10, sgd, batch 1",
         ("numpy", "scikit-learn", "torch"), "µs"),
    Line("softmax of 100000×10, float32", "rows", "softmax 100000×10",
         ("numpy", "scipy", "torch"), "ms"),
)  # fmt: skip
NAMES = {"numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch", "torch L-BFGS": "PyTorch L-BFGS"}
NAMES |= {solver: f"scikit-learn {solver}" for solver in ("lbfgs", "newton-cg", "saga")}


def found(file: str, row: str) -> dict[str, str]:
    """Column -> cell of the first row of that name in the tables of a page of results."""
    header: list[str] = []
    text = (ROOT / "benchmarks" / "results" / f"{file}.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif cells[0] == row:
            return dict(zip(header, cells, strict=True))
    raise LookupError(f"results/{file}.md: no row {row!r}")


def reached(cell: str, file: str) -> bool:
    """Whether the peer reached the gap: a page says in brackets what gap there was instead."""
    return not (cell.startswith(">") or "not reached" in cell or (file == "fit" and "(" in cell))


def formatted(line: Line) -> str:
    cells = found(line.file, line.row)
    ours = number(cells["fastsoftmax"])
    peers = {peer: cells[peer] for peer in line.peers if cells.get(peer, "–") != "–"}
    ended = {peer: cell for peer, cell in peers.items() if reached(cell, line.file)}
    more = "" if ended else "more than "
    best = min(ended or peers, key=lambda peer: number(peers[peer]))
    theirs = number(peers[best])
    return (
        f"| {line.words} | {more}{theirs:.3g} {line.unit}, {NAMES.get(best, best)} "
        f"| **{ours:.3g} {line.unit}** | {'> ' if more else ''}{theirs / ours:.1f} |"
    )


def number(cell: str) -> float:
    return float(re.search(r"[\d.]+", cell)[0])


def table() -> str:
    heads = "| | fastest other | fastsoftmax | × |\n|---|---:|---:|---:|\n"
    return heads + "\n".join(map(formatted, LINES)) + "\n"


def with_table(text: str) -> str:
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
