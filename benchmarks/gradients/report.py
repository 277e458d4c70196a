"""Turn the JSON of a run of gradients/bench.py into the table that is committed."""

import sys

from benchmarks.support import runs

COLUMNS = ("numpy", "scikit-learn", "torch", "fastsoftmax")


def main(path):
    where, groups = runs.read(path)
    print("# One loss + gradient\n")
    print(
        f"{where} Milliseconds, medians of one "
        "run; `×` is the peer's time over fastsoftmax's. *limit* is the larger of two times, that "
        "of the flops at the multiply-add peak and that of reading X once at the bandwidth; both "
        "rates are measured in this run, and *share* is the limit over fastsoftmax's time.\n"
    )
    print("| problem | " + " | ".join(COLUMNS) + " | limit | share | × NumPy | × torch |")
    print("|---|" + "---:|" * (len(COLUMNS) + 4))
    for name, entries in groups.items():
        median = {peer: entry["stats"]["median"] * 1e3 for peer, entry in entries.items()}
        ours = median["fastsoftmax"]
        limit = entries["fastsoftmax"]["extra_info"]["limit"] * 1e3
        cells = [f"{median[peer]:.2f}" if peer in median else "–" for peer in COLUMNS]
        ratios = [
            f"{median[peer] / ours:.1f}" if peer in median else "–" for peer in ("numpy", "torch")
        ]
        print(
            f"| {name} | {' | '.join(cells)} | {limit:.2f} | {limit / ours:.0%} | "
            f"{' | '.join(ratios)} |"
        )
    peaks = {
        entry["group"].split(", ")[2]: entry["extra_info"]
        for entry in [e for g in groups.values() for e in g.values()]
    }
    for dtype, facts in peaks.items():
        print(
            f"\n{dtype}: {facts['peak_flops'] / 1e9:.0f} GFLOP/s, "
            f"{facts['peak_bandwidth'] / 1e9:.0f} GB/s."
        )


if __name__ == "__main__":
    main(sys.argv[1])
