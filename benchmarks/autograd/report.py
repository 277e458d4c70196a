"""Turn the JSON of a run of autograd/bench.py into the table that is committed."""

import sys

from benchmarks.autograd.peers import PEERS
from benchmarks.support import runs

COLUMNS = tuple(PEERS["linear_cross_entropy"])


def main(path):
    where, groups = runs.read(path)
    print("# Losses for PyTorch's autograd, float32\n")
    print(
        f"{where} Milliseconds, medians of one run; `×` is PyTorch's faster time over ours. "
        "Gradients are those of the logits, or of X, W and b. *In chunks*: PyTorch's "
        "`LinearCrossEntropyOptions()`, with which it does not store the logits either.\n"
    )
    print(f"| loss | {' | '.join(COLUMNS)} | × |")
    print("|---|" + "---:|" * (len(COLUMNS) + 1))
    for name, entries in groups.items():
        median = {peer: entry["stats"]["median"] * 1e3 for peer, entry in entries.items()}
        cells = [f"{median[peer]:.2f}" if peer in median else "–" for peer in COLUMNS]
        ours = median.pop("fastsoftmax.torch")
        ratio = f"{min(median.values()) / ours:.1f}" if median else "–"
        print(f"| {name} | {' | '.join(cells)} | {ratio} |")


if __name__ == "__main__":
    main(sys.argv[1])
