"""Turn the JSON of runs of binary/bench.py into the table that is committed.

python -m benchmarks.binary.report run.json … > benchmarks/results/binary.md
"""

import sys

import numpy as np

from benchmarks.support import runs


def main(*paths):
    where, groups = runs.read(*paths)
    print("# Two classes\n")
    print(f"{where} Medians of runs that take turns, no intercept.\n")
    print(
        "Seconds to a relative gap of 1e-6, of the loosest setting that has it (fastsoftmax: "
        "certified); *more than*: no peer reached it within the time allowed. `×`: the fastest "
        "peer's time over fastsoftmax's. *Default runs* counts peers whose default run was faster, "
        "at its gap.\n"
    )
    print("| problem | fastsoftmax | the fastest that reach it | × | faster default runs |")
    print("|---|---:|---|---:|---|")
    ratios = {}
    for name, entries in groups.items():
        info = entries["all"]["extra_info"]
        facts, times = info["facts"], info["times"]
        ours = times["fastsoftmax"][0]
        peers = {p: t for p, (t, _) in times.items() if p != "fastsoftmax" and facts[p]["reached"]}
        fastest = sorted(peers, key=peers.get)[:2]
        # those that did not reach it take longer than with the tightest setting that was tried
        theirs = peers or {p: t for p, (t, _) in times.items() if p != "fastsoftmax"}
        least = min(theirs.values())
        ratio = least / ours
        ratios.setdefault("L1" if "L1" in name else "L2", []).append(ratio)
        faster = [
            f"{p} {t:.3g} s ({facts[p]['default'][1]:.0e})"
            for p, (_, t) in times.items()
            if p != "fastsoftmax" and t < ours
        ]
        print(
            f"| {name} | {ours:.3g} "
            f"| {', '.join(f'{p} {peers[p]:.3g}' for p in fastest) or f'more than {least:.3g}'} "
            f"| {'' if fastest else '> '}{ratio:.2f} | {', '.join(faster) or '–'} |"
        )
    for kind, values in ratios.items():
        print(
            f"\n{kind}: slower in {sum(r < 1 for r in values)} of {len(values)} rows, median "
            f"{np.median(values):.2f}×. Asked: none, 1.5×."
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
