"""Turn the JSON of runs of penalties/bench.py into the committed table.

python -m benchmarks.penalties.report run.json [more.json ...] > benchmarks/results/penalties.md
"""

import sys

from benchmarks.penalties import problems
from benchmarks.support import runs


def main(*paths):
    groups = {}
    for path in paths:
        where, some = runs.read(path)
        groups.update(some)
    print("# L1 and elastic net to a certified relative gap of 1e-6\n")
    print(
        f"{where} Seconds: fastsoftmax's median of 5; saga's of the shortest run tried whose "
        "objective is within 1e-6 of fastsoftmax's, or, behind >, of its longest run, with what "
        "that one's objective is off by in brackets. *certified*: fastsoftmax's gap over F.\n"
    )
    print("| problem | not 0 | iterations | passes | certified | fastsoftmax | saga | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    order = {problem.name: i for i, problem in enumerate(problems.PROBLEMS)}
    met = []
    for name in sorted(groups, key=order.get):
        entries = groups[name]
        mine, peer = entries["fastsoftmax"], entries.get("scikit-learn saga")
        facts, seconds = mine["extra_info"], mine["stats"]["median"]
        cells = [
            name, f"{facts['nonzero']} of {facts['weights']}", str(facts["iterations"]),
            f"{facts['passes']:.0f}", f"{facts['certified']:.0e}", f"{seconds:.3g}",
        ]  # fmt: skip
        if peer:
            theirs, (last, objective) = peer["extra_info"], peer["extra_info"]["points"][-1]
            ratio = last / seconds
            far = objective / facts["objective"] - 1
            if theirs["reached"]:
                cells += [f"{last:.3g}", f"{ratio:.0f}×"]
            else:
                cells += [f"> {last:.3g} ({far:.0e})", f"> {ratio:.0f}×"]
            met.append((name, ratio, ratio >= problems.TIMES, theirs["reached"]))
        print(f"| {' | '.join(cells)} |")
    print(f"\n## Bounds: {problems.TIMES}× saga at equal objective\n")
    for name, ratio, is_met, reached in met:
        verdict = "met" if is_met else "missed" if reached else "not decided: saga was stopped"
        print(f"- {name}: {'' if reached else '> '}{ratio:.0f}×, {verdict}")
    print("\n## saga's objective over time\n")
    print("Relative distance from fastsoftmax's after so many seconds.\n")
    for name in sorted(groups, key=order.get):
        if "scikit-learn saga" in groups[name]:
            least = groups[name]["fastsoftmax"]["extra_info"]["objective"]
            points = groups[name]["scikit-learn saga"]["extra_info"]["points"]
            print(f"- {name}: " + ", ".join(f"{s:.2g} s {F / least - 1:.0e}" for s, F in points))


if __name__ == "__main__":
    main(*sys.argv[1:])
