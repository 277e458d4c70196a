"""Turn the JSON of a run of mlp/bench.py into the table that is committed."""

import sys

from benchmarks.support import runs

COLUMNS = (
    "numpy",
    "scikit-learn",
    "torch",
    "torch, fused rule",
    "fastsoftmax",
    "MLPClassifier.fit",
)


def main(path):
    where, groups = runs.read(path)
    facts = [entry["extra_info"] for group in groups.values() for entry in group.values()]
    data = "MNIST's first 5000" if all(f["mnist"] for f in facts) else "5000 random"
    print("# Training of small networks\n")
    print(
        f"{where} Microseconds per step: medians over epochs of {data} rows in float32, in one "
        "run, the batch's rows gathered in a shuffled order, the loss of every step computed; `×` "
        "is the peer's time over fastsoftmax's, in brackets the target. PyTorch: the eager loop "
        "that users write, on one thread or all, whichever is faster. *fastsoftmax* is "
        "`Network.epoch`, *MLPClassifier.fit* a whole fit of 10 epochs with all it adds.\n"
    )
    print("| network, rule, batch | " + " | ".join(COLUMNS) + " | × NumPy | × torch |")
    print("|---|" + "---:|" * (len(COLUMNS) + 2))
    for name, entries in groups.items():
        median = {
            peer: entry["stats"]["median"] / entry["extra_info"]["steps"] * 1e6
            for peer, entry in entries.items()
        }
        cells = [number(median[peer]) if peer in median else "–" for peer in COLUMNS]
        asked = entries["fastsoftmax"]["extra_info"]["asked"]
        cells += [ratio(median, peer, asked[peer]) for peer in ("numpy", "torch")]
        print(f"| {name} | {' | '.join(cells)} |")


def number(microseconds):
    return f"{microseconds:.{2 if microseconds < 10 else 0 if microseconds >= 100 else 1}f}"


def ratio(median, peer, asked):
    if peer not in median:
        return "–"
    times = f"{median[peer] / median['fastsoftmax']:.1f}"
    return times if asked is None else f"{times} ({asked})"


if __name__ == "__main__":
    main(*sys.argv[1:])
