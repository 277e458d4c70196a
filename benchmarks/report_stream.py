"""Turn the JSON of a run of bench_stream.py into the page that is committed."""

import sys

import runs


def verdict(holds):
    return "" if holds else "MISSED: "


def main(path):
    where, groups = runs.read(path)
    facts = {way: entry["extra_info"] for way, entry in groups["stream"].items()}
    base = facts["in memory"]
    print("# Data that need not fit in memory\n")
    print(where + "\n")
    print(
        f"A fit (tol 1e-5) of {base['rows']} rows by 512 features of float16, "
        f"{base['bytes'] / 1e9:.1f} GB, 10 classes; the page cache is warm. Medians of three runs "
        "in turns, each in a process of its own; anonymous memory at its peak, all of the process "
        "(in memory: beyond X).\n"
    )
    print("| X | seconds | rows a second, by passes | of the speed in memory | anonymous memory |")
    print("|---|---:|---:|---:|---:|")
    for way, fact in facts.items():
        share = fact["speed"] / base["speed"]
        holds = way == "in memory" or share >= fact["slowest"]
        small = way == "in memory" or fact["anonymous"] <= fact["most"]
        print(
            f"| {way} | {fact['seconds']:.1f} | {fact['speed'] / 1e6:.1f} M | "
            f"{verdict(holds)}{100 * share:.0f} % (≥ {100 * fact['slowest']:.0f}) | "
            f"{verdict(small)}{fact['anonymous'] / 1e6:.0f} MB (≤ {fact['most'] / 1e6:.0f}) |"
        )


if __name__ == "__main__":
    main(sys.argv[1])
