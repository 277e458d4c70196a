"""Turn the JSON of a run of sparse/bench.py into the table that is committed.

python -m benchmarks.sparse.report run.json [more.json ...] > benchmarks/results/sparse.md
"""

import sys

from benchmarks.support import runs

GRADIENT, FIT, PREDICT = 4, 6, 0.2  # asked: times scikit-learn, twice; milliseconds per row


def main(*paths):
    groups = {}
    for path in paths:
        where, found = runs.read(path)
        groups |= found
    print("# Sparse X\n")
    print(f"{where} Medians; `×` is scikit-learn's time over fastsoftmax's.\n")
    gradients(of_kind(groups, "gradient"))
    fits(of_kind(groups, "fit"))
    predictions(of_kind(groups, "predict"))


def of_kind(groups, kind):
    return {
        name: entries
        for name, entries in groups.items()
        if next(iter(entries.values()))["extra_info"]["kind"] == kind
    }


def verdict(holds):
    return "yes" if holds else "**no**"


def gradients(groups):
    print("## One loss + gradient\n")
    print(
        "Milliseconds. *one call* is the function, which checks X and sums by rows; a fit "
        f"lays X out by columns once. The target is {GRADIENT}×, in float64; "
        "*asked* says whether it is met.\n"
    )
    print("| problem | scikit-learn | one call | in a fit | × one call | × in a fit | asked |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name, entries in groups.items():
        facts = entries["fastsoftmax"]["extra_info"]
        theirs, call, ours = (
            entries[peer]["stats"]["median"] * 1e3
            for peer in ("scikit-learn", "fastsoftmax, one call", "fastsoftmax")
        )
        n, d = facts["shape"]
        asked = verdict(theirs / ours >= GRADIENT) if name.endswith("float64") else "–"
        print(
            f"| {name} ({n}×{d}, {facts['entries']} entries, K={facts['classes']}) "
            f"| {theirs:.2f} | {call:.2f} | {ours:.2f} | {theirs / call:.1f} | "
            f"{theirs / ours:.1f} | {asked} |"
        )


def seconds_of(entry):
    return entry["extra_info"].get("seconds", entry["stats"]["median"])


def fits(groups):
    print("\n## Whole fits\n")
    print(
        "Seconds of the loosest setting tried whose objective is within 1e-6 of the optimum, "
        "float64; in brackets its relative gap, of the tightest one where none was. "
        f"The target is {FIT} times as fast as scikit-learn's faster solver; *asked* says whether "
        "it is met.\n"
    )
    print("| problem | optimum | lbfgs | newton-cg | fastsoftmax | × | asked |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name, entries in groups.items():
        cells, times = [], {}
        for peer in ("scikit-learn lbfgs", "scikit-learn newton-cg", "fastsoftmax"):
            if peer not in entries:
                cells.append("–")
                continue
            facts = entries[peer]["extra_info"]
            seconds = seconds_of(entries[peer])
            if facts["reached"]:
                times[peer] = seconds
            mark = "" if facts["reached"] else ", not reached"
            cells.append(f"{seconds:.3g} ({facts['points'][-1][1]:.0e}{mark})")
        ours = times.pop("fastsoftmax")
        ratio = min(times.values()) / ours if times else float("nan")
        optimum = entries["fastsoftmax"]["extra_info"]["optimum"]
        print(
            f"| {name} | {optimum:.3f} | {' | '.join(cells)} | {ratio:.1f} | "
            f"{verdict(ratio >= FIT)} |"
        )


def predictions(groups):
    print("\n## predict_proba, 500 classes\n")
    print(
        "Milliseconds per row of 20 Newsgroups, weights of float64. "
        f"The target is {PREDICT} ms for fastsoftmax; *asked* says whether it is met.\n"
    )
    print("| | scikit-learn | fastsoftmax | × | asked |")
    print("|---|---:|---:|---:|---|")
    for name, entries in groups.items():
        theirs, ours = (
            entries[peer]["stats"]["median"] * 1e3 / entries[peer]["extra_info"]["rows"]
            for peer in ("scikit-learn", "fastsoftmax")
        )
        print(
            f"| {name} | {theirs:.3f} | {ours:.3f} | {theirs / ours:.1f} | "
            f"{verdict(ours <= PREDICT)} |"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
