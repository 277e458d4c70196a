"""Turn the JSON of a run of stream/bench.py into the page that is committed."""

import sys

from benchmarks.support import runs

KINDS = {
    "dense": "512 features of float16",
    "sparse": "50000 sparse features, 100 entries a row, float64",
}


def verdict(holds):
    return "" if holds else "MISSED: "


def main(path):
    where, groups = runs.read(path)
    print("# Data that need not fit in memory\n")
    print(where + "\n")
    print(
        "Fits (tol 1e-5), 10 classes; the page cache is warm. Medians of three runs in turns, each "
        "in a process of its own; anonymous memory at its peak, all of the process (in memory: "
        "beyond X).\n"
    )
    print(
        "| X | | seconds | rows per second, by passes | of the speed in memory | anonymous memory |"
    )
    print("|---|---|---:|---:|---:|---:|")
    for group, entries in groups.items():
        facts = {way: entry["extra_info"] for way, entry in entries.items()}
        base = facts["in memory"]
        what = f"{KINDS[group]}, {base['rows']} rows, {base['bytes'] / 1e9:.2g} GB"
        for way, fact in facts.items():
            share, bounded = fact["speed"] / base["speed"], group == "dense" and way != "in memory"
            holds = not bounded or share >= fact["slowest"]
            small = not bounded or fact["anonymous"] <= fact["most"]
            least, most = (
                (f" (≥ {100 * fact['slowest']:.0f})", f" (≤ {fact['most'] / 1e6:.0f})")
                if bounded
                else ("", "")
            )
            print(
                f"| {what} | {way} | {fact['seconds']:.3g} | {fact['speed'] / 1e6:.2g} M | "
                f"{verdict(holds)}{100 * share:.0f} %{least} | "
                f"{verdict(small)}{fact['anonymous'] / 1e6:.0f} MB{most} |"
            )


if __name__ == "__main__":
    main(sys.argv[1])
