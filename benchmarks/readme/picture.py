"""Draw README's picture, seconds to the optimum against peers, from benchmarks/results.

    python -m benchmarks.readme.picture

A hollow mark is a peer whose tightest setting ended farther from the optimum than was asked.
"""

import re
from typing import NamedTuple

from matplotlib import pyplot, ticker

from benchmarks.readme.report import NAMES, RESULTS, ROOT, TRAINERS, found, number, reached

PICTURE = ROOT / "docs" / "optimum.png"
LIBRARY = {"lbfgs": "scikit-learn lbfgs", "newton-cg": "scikit-learn newton-cg"}
COLOURS = {
    "scikit-learn": "#f7931e",
    "scikit-learn-intelex": "#00843d",
    "torch": "#c23a22",
    "cyanure": "#7a5195",
}
MARKS = {"newton-cg": "s", "newton-cholesky": "D", "lbfgs": "v", "L-BFGS": "v"}


class Problem(NamedTuple):
    """A row of the picture, and the row of the results that it shows."""

    words: str
    file: str
    row: str


PROBLEMS = (
    Problem("MNIST\n60000×784, 10 classes", "fit", "mnist, C=1"),
    Problem("letter\n20000×16, 26 classes", "fit", "letter, C=1"),
    Problem("embeddings\n50000×384, 20 classes", "fit", "20ng-chunks, C=100"),
    Problem("embeddings\n10003×384, 77 classes", "fit", "banking77, C=1"),
    Problem("sparse TF-IDF\n11314×130107, 20 classes", "sparse", "20newsgroups, C=10"),
)


def processor(file: str) -> str:
    """Processor and threads of a page of results, as its second paragraph begins."""
    text = (RESULTS / f"{file}.md").read_text(encoding="utf-8")
    return re.match(r".+\n\n(.+?), (?:kernels|Python)", text)[1].replace(", 2 threads", "")


def times(problem: Problem) -> dict[str, tuple[float, bool]]:
    """Seconds of each library, and whether it came as near as was asked."""
    cells = found(problem.file, problem.row)
    wanted = {"fastsoftmax", *TRAINERS, *LIBRARY}
    return {
        LIBRARY.get(name, name): (number(cell), reached(cell, problem.file))
        for name, cell in cells.items()
        if name in wanted and cell != "–"
    }


def style(library: str) -> dict[str, object]:
    if library == "fastsoftmax":
        return {"color": "#1f5fbf", "marker": "o", "markersize": 11, "zorder": 3}
    package, _, solver = library.partition(" ")
    return {"color": COLOURS[package], "marker": MARKS.get(solver, "o"), "markersize": 7}


def draw():
    figure, axes = pyplot.subplots(figsize=(8.4, 4.6), layout="constrained")
    drawn = {}
    for y, problem in enumerate(PROBLEMS):
        entries = times(problem)
        seconds = [s for s, _ in entries.values()]
        axes.plot([min(seconds), max(seconds)], [y, y], color="0.85", linewidth=1, zorder=0)
        for library, (s, there) in entries.items():
            hollow = {"markerfacecolor": "white", "zorder": 1.9}  # behind the others
            shown = style(library) | ({} if there else hollow)
            (line,) = axes.plot(s, y, linestyle="none", **shown)
            if there or library not in drawn:
                drawn[library] = line
        ours = entries["fastsoftmax"][0]
        axes.annotate(f"{ours:.2g} s", (ours, y), (0, 9), textcoords="offset points", ha="center")
    axes.set(xscale="log", xlim=(0.01, 100), ylim=(len(PROBLEMS) - 0.5, -0.6))
    axes.set_xlabel("seconds (hollow: the peer ended farther from the optimum than was asked)")
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.set_yticks(range(len(PROBLEMS)), [problem.words for problem in PROBLEMS])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    order = sorted(drawn, key=lambda name: (name != "fastsoftmax", name))
    labels = [NAMES.get(name, name) for name in order]
    figure.legend([drawn[name] for name in order], labels, loc="outside lower center", ncols=4)
    machines = dict.fromkeys(processor(problem.file) for problem in PROBLEMS)
    figure.suptitle(f"Time to the optimum on two threads: {' and '.join(machines)}")
    return figure


if __name__ == "__main__":
    draw().savefig(PICTURE, dpi=120, metadata={"Software": None})
