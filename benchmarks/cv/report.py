"""Turn the JSON of a run of cv/bench.py into the page that is committed."""

import sys

from benchmarks.cv.bench import CS, CV, FOLDS
from benchmarks.support import runs


def main(path):
    where, groups = runs.read(path)
    facts = {peer: entry["extra_info"] for peer, entry in groups["cv"].items()}
    base = facts[CV]["seconds"]
    print("# The choice of C by cross-validation\n")
    print(where + "\n")
    print(
        "MNIST's first 20000 rows, float32; 10 strengths from 1e-4 to 1e4 and 5 stratified folds, "
        "log-loss, and the fit of all rows with the best. One fold's time counts five times, and "
        "is without that fit. The excess of an objective is relative to ours, the largest of the "
        "folds.\n"
    )
    print("| | seconds | times ours | best C | its score | worst excess at C ≤ 1 | of all C |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    few = sum(CS <= 1)
    for peer, fact in facts.items():
        ratio, bound = fact["seconds"] / base * FOLDS / fact["folds"], fact["bound"]
        shown = f"{ratio:.1f}"
        if bound:
            shown = f"{'' if ratio >= bound else 'MISSED: '}{shown} (≥ {bound:g})"
        print(
            f"| {peer} | {fact['seconds']:.1f} | {shown} | {fact['best']:.2g} | "
            f"{fact['score']:.4f} | {max(fact['excess'][:few]):.1e} | {max(fact['excess']):.1e} |"
        )


if __name__ == "__main__":
    main(sys.argv[1])
