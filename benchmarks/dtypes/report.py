"""Turn the JSON of a run of dtypes/bench.py into the page that is committed."""

import sys

from benchmarks.support import runs


def median(entry):
    return entry["stats"]["median"] * 1e3


def verdict(ratio, bound):
    return f"{ratio:.2f} ({'≤' if ratio <= bound else 'MISSED:'} {bound:g})"


def gradients(groups):
    print("## One loss + gradient\n")
    print(
        "Milliseconds, medians; NumPy and PyTorch convert to float32 first. *× float32* is our "
        "time over that on the same numbers in float32, call by call in turns (with the bound); "
        "*× NumPy* and *× torch* are theirs over ours.\n"
    )
    print("| X | numpy | torch | fastsoftmax | × float32 | × NumPy | × torch |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, entries in groups.items():
        facts = entries["fastsoftmax"]["extra_info"]
        ours = median(entries["fastsoftmax"])
        peers = [median(entries[peer]) if peer in entries else None for peer in ("numpy", "torch")]
        cells = [f"{peer:.2f}" if peer else "–" for peer in peers]
        over = [f"{peer / ours:.1f}" if peer else "–" for peer in peers]
        compared = "" if facts["dtype"] == "float32" else verdict(facts["ratio"], facts["bound"])
        print(f"| {name} | {' | '.join(cells)} | {ours:.2f} | {compared} | {' | '.join(over)} |")


def fits(groups):
    print("\n## Fits, C = 1\n")
    print("Milliseconds, medians; the float32 copy is not counted. The optimum is published.\n")
    print("| data | as stored | from float32 | × float32 | objective | optimum |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, entries in groups.items():
        ours, single = median(entries["as stored"]), median(entries["float32"])
        facts = entries["as stored"]["extra_info"]
        print(
            f"| {name.removeprefix('fit: ')} | {ours:.0f} | {single:.0f} | {ours / single:.2f} | "
            f"{facts['total']:.3f} | {facts['optimum']:.2f} |"
        )


def main(path):
    where, groups = runs.read(path)
    print("# X in the dtype it is stored in\n")
    print(where + "\n")
    gradients({name: g for name, g in groups.items() if "K=" in name})
    fits({name: g for name, g in groups.items() if name.startswith("fit")})
    if "memory" in groups:
        facts = groups["memory"]["fastsoftmax"]["extra_info"]
        print(
            f"\n## Memory\n\nA fit on {facts['bytes'] / 1e6:.0f} MB of float16 mapped from a file, "
            f"max_memory 32 MiB: {facts['taken'] / 1e6:.0f} MB of anonymous memory at its peak "
            f"(bound {facts['bound'] / 1e6:.0f})."
        )


if __name__ == "__main__":
    main(sys.argv[1])
