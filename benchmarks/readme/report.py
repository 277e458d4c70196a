"""Write README's tables anew from the tables in benchmarks/results.

    python -m benchmarks.readme.report

The site's first page shows the same tables. Those they are taken from are made by each topic's
report from runs of pytest-benchmark; `bench.py` beside it says how at its top.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


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
FASTEST = "the fastest that reach it"  # a column of names and numbers
LINES = (
    Line("MNIST, 60000×784, 10 classes, C = 1", "fit", "mnist, C=1", TRAINERS),
    Line("letter, 20000×16, 26 classes, C = 1", "fit", "letter, C=1", TRAINERS),
    Line("embeddings, 50000×384, 20 classes, C = 100", "fit", "20ng-chunks, C=100", TRAINERS),
    Line("embeddings, 10003×384, 77 classes, C = 1", "fit", "banking77, C=1", TRAINERS),
    Line("embeddings, 50000×512, 1000 classes, C = 1", "fit", "50000×512, K=1000", TRAINERS),
    Line("sparse TF-IDF, 11314×130107, 20 classes, C = 10", "sparse", "20newsgroups, C=10",
         ("lbfgs", "newton-cg")),
    Line("the same, L1 penalty, C = 1", "penalties", "20newsgroups, l1_ratio=1, C=1", ("saga",)),
    Line("the same text, two classes, C = 1, one thread", "binary",
         "20newsgroups-comp, C=1, 1 threads", (FASTEST,)),
    Line("loss + gradient, 60000×784, 10 classes, float32", "gradients", "60000×784, K=10, float32",
         ("numpy", "scikit-learn", "torch"), "ms"),
    Line("the same of uint8", "dtypes", "60000×784, K=10, uint8", ("numpy", "torch"), "ms"),
    Line("network 784→10, a step of batch 1", "mlp", "784→10, sgd, batch 1",
         ("numpy", "scikit-learn", "torch"), "µs"),
    Line("softmax of 100000×10, float32", "rows", "softmax 100000×10",
         ("numpy", "scipy", "torch"), "ms"),
)  # fmt: skip
DEFAULTS = (
    "MNIST, pixels 0..1, 60000×784, 10 classes",
    "embeddings, 10003×384, 77 classes",
    "sparse TF-IDF, 11314×130107, 20 classes",
)
NAMES = {"numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch", "torch L-BFGS": "PyTorch L-BFGS"}
NAMES |= {solver: f"scikit-learn {solver}" for solver in ("lbfgs", "newton-cg", "saga")}


def found(file: str, row: str) -> dict[str, str]:
    """Column -> cell of the first row of that name in the tables of a page of results."""
    header: list[str] = []
    text = (RESULTS / f"{file}.md").read_text(encoding="utf-8")
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
    name = re.match(r"[^\d]*", peers[best])[0].strip() if best == FASTEST else best
    stated = cells.get(f"× {best}") or cells.get(f"× {NAMES.get(best)}")  # of times not yet rounded
    ratio = number(stated) if stated else theirs / ours
    return (
        f"| {line.words} | {more}{theirs:.3g} {line.unit}, {NAMES.get(name, name)} "
        f"| **{ours:.3g} {line.unit}** | {'> ' if more else ''}{ratio:.1f} |"
    )


def number(cell: str) -> float:
    return float(re.search(r"[\d.]+", cell)[0])


def against_the_fastest() -> str:
    """Each problem beside the fastest other library that ends as near to the optimum."""
    heads = "| | fastest other | fastsoftmax | × |\n|---|---:|---:|---:|\n"
    return heads + "\n".join(map(formatted, LINES)) + "\n"


def against_the_defaults() -> str:
    """`LogisticRegression()` as people call it, and what `certify` says of it."""
    lines = ["| with the defaults | scikit-learn | its gap | fastsoftmax | its gap | × |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for problem in DEFAULTS:
        _, theirs, _, gap, ours, our_gap, ratio = found("defaults", problem).values()
        lines.append(f"| {problem} | {theirs} s | ≤ {gap} | **{ours} s** | ≤ {our_gap} | {ratio} |")
    return "\n".join(lines) + "\n"


TABLES = {"table": against_the_fastest, "defaults": against_the_defaults}


def with_tables(text: str) -> str:
    """The text with each table between the comments that begin and end it."""
    for name, made in TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = before + begin + made() + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")
