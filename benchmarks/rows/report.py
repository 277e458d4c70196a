"""Turn the JSON of a run of rows/bench.py into the table that is committed."""

import sys

from benchmarks.support import runs

COLUMNS = ("copy", "numpy", "scipy", "torch", "torch (new)", "fastsoftmax", "fastsoftmax (new)")


def main(path):
    where, groups = runs.read(path)
    print("# Rows of logits, float32\n")
    print(
        f"{where} Milliseconds, medians of one "
        "run; `×` is the peer's time over fastsoftmax's, both into an array that is there already "
        "where the peer can. *GB/s*: bytes of the arrays that have to be read or written over "
        "fastsoftmax's time. *copy* is NumPy's of the input, on one thread.\n"
    )
    print("| rows | " + " | ".join(COLUMNS) + " | GB/s | × NumPy | × SciPy | × torch |")
    print("|---|" + "---:|" * (len(COLUMNS) + 4))
    for name, entries in groups.items():
        median = {peer: entry["stats"]["median"] * 1e3 for peer, entry in entries.items()}
        ours = median["fastsoftmax"]
        cells = [f"{median[peer]:.2f}" if peer in median else "–" for peer in COLUMNS]
        cells.append(f"{entries['fastsoftmax']['extra_info']['bytes'] / ours / 1e6:.0f}")
        for peer in ("numpy", "scipy", "torch"):
            cells.append(f"{median[peer] / ours:.1f}" if peer in median else "–")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1])
