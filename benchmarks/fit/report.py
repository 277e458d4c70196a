"""Turn the JSON of a run of fit/bench.py into the committed table and curves.

python -m benchmarks.fit.report run.json docs/fit.png > benchmarks/results/fit.md
"""

import sys

from benchmarks.support import runs


def main(path, picture=None):
    where, groups = runs.read(path)
    peers = list(
        dict.fromkeys(
            e["extra_info"]["peer"] for e in [e for g in groups.values() for e in g.values()]
        )
    )
    print("# Whole fits to a relative gap\n")
    print(
        f"{where} Seconds of the loosest "
        "setting tried whose objective is within *gap* of the optimum, in one run; in brackets "
        "the gap where none was. *best* is the least time of another over fastsoftmax's; *passes* "
        "over X and *certified* are `n_passes_` and `certified_` of fastsoftmax's fit.\n"
    )
    print("| problem | gap | " + " | ".join(peers) + " | best | passes | certified |")
    print("|---|---:|" + "---:|" * (len(peers) + 2) + "---|")
    for name, entries in groups.items():
        print(f"| {name} | {' | '.join(row(entries, peers))} |")
    if picture:
        draw(groups, picture)


def row(entries, peers):
    seconds, cells = {}, []
    for peer in peers:
        if peer not in entries:
            cells.append("–")
            continue
        facts, median = entries[peer]["extra_info"], entries[peer]["stats"]["median"]
        if facts["reached"]:
            seconds[peer] = median
            cells.append(f"{median:.3g}")
        else:
            cells.append(f"{median:.3g} ({facts['points'][-1][1]:.0e})")
    ours = seconds.pop("fastsoftmax", None)
    best = f"{min(seconds.values()) / ours:.1f}×" if ours and seconds else "–"
    wanted = next(iter(entries.values()))["extra_info"]["gap_wanted"]
    return [f"{wanted:.0e}", *cells, best, *effort(entries)]


def effort(entries):
    """Passes over X of fastsoftmax's fit, and whether its bound is certified."""
    if "fastsoftmax" not in entries:
        return "–", "–"
    facts = entries["fastsoftmax"]["extra_info"]
    return f"{facts['passes']:.0f}", "yes" if facts["certified"] else "no"


def draw(groups, picture):
    """Gap against seconds, one panel a problem, one point a setting."""
    import matplotlib.pyplot as plt
    from matplotlib import ticker

    columns = 3
    lines = -(-len(groups) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(4 * columns, 3 * lines), squeeze=False, layout="constrained"
    )
    peers = list(dict.fromkeys(peer for entries in groups.values() for peer in entries))
    for axis, (name, entries) in zip(axes.flat, groups.items(), strict=False):
        for i, peer in enumerate(peers):
            if peer in entries:
                points = entries[peer]["extra_info"]["points"]  # from loose to tight
                t, gap = zip(*points, strict=True)
                axis.loglog(t, [max(g, 1e-12) for g in gap], "o-", ms=3, color=f"C{i}", label=peer)
        axis.axhline(next(iter(entries.values()))["extra_info"]["gap_wanted"], color="0.7", lw=0.8)
        axis.set(title=name, xlabel="seconds", ylabel="relative gap")
        low, high = axis.get_xlim()
        ticks = (1.0,) if high > 30 * low else (1.0, 2.0, 5.0)
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=ticks))
        axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_locator(ticker.NullLocator())
    for axis in list(axes.flat)[len(groups) :]:
        axis.axis("off")
    handles = {
        h.get_label(): h for a in axes.flat for h in a.get_lines() if h.get_label()[0] != "_"
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
