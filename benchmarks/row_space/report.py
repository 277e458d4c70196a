"""Turn the JSON of a run of row_space/bench.py into the page that is committed."""

import sys

from benchmarks.support import runs

OURS, WITHOUT = "fastsoftmax", "without the row space"


def cell(entry):
    """Milliseconds, and the gap where it is not small enough."""
    facts = entry["extra_info"]
    text = f"{entry['stats']['median'] * 1e3:.3g}"
    return text if facts["reached"] else f"{text} ({facts['gap']:.0e})"


def over(entries, others):
    """The least time of others that reach the gap over ours, or – where none does."""
    times = [e["stats"]["median"] for e in others if e["extra_info"]["reached"]]
    return f"{min(times) / entries[OURS]['stats']['median']:.1f}×" if times else "–"


def main(path):
    where, groups = runs.read(path)
    print("# More features than rows\n")
    print(
        f"{where} Milliseconds, medians, of the loosest setting tried whose objective is within a "
        "relative 1e-5 of the optimum; in brackets the gap where none was, and – where a method "
        "was not tried. *× without* and *× scikit-learn*: the time of the fit on the features as "
        "they are, and of scikit-learn's best solver, over fastsoftmax's.\n"
    )
    peers = list(dict.fromkeys(peer for entries in groups.values() for peer in entries))
    print(f"| problem | F* | {' | '.join(peers)} | × without | × scikit-learn |")
    print("|---|---:|" + "---:|" * (len(peers) + 2))
    for name, entries in groups.items():
        cells = [cell(entries[peer]) if peer in entries else "–" for peer in peers]
        theirs = [e for peer, e in entries.items() if peer.startswith("scikit-learn")]
        cells += [over(entries, [entries[WITHOUT]]), over(entries, theirs)]
        print(f"| {name} | {entries[OURS]['extra_info']['optimum']:.3g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1])
