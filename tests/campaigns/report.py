"""The table of a campaign: python tests/campaigns/report.py FOLDER [--list]."""

import argparse
import json
import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.judge import ABSOLUTE, faults, scale  # noqa: E402

REACH = 1e24  # C·S·max ‖x - x̄‖² up to which float64 can prove
COLUMNS = (
    "wrong", "undecided", "certified above tol", "bound below gap", "unconverged",
    "objective misreported", "not finite", "error",
)  # fmt: skip


def share(part, of) -> str:
    """A share in per cent."""
    return f"{100 * part / of:.1f} %" if of else "–"


def tight(record) -> bool:
    return record["bound"] <= 10 * max(record["gap"], 0) + 1e-9 * scale(record)


def provable(record) -> bool:
    """Whether float64 can be expected to prove the optimum."""
    return record["reach"] <= REACH and record["upper"] >= ABSOLUTE * record["at_zero"]


def row(name, records) -> list:
    """A row of the table."""
    fitted = [r for r in records if "error" not in r]
    having = [r for r in fitted if r["minimiser"]]
    none = [r for r in fitted if not r["minimiser"]]
    counts = [sum(fault in faults(r) for r in records) for fault in COLUMNS]
    able = [r for r in having if provable(r)]
    ridge = [r for r in having if r["l2"] and r["bound"] < float("inf")]
    return [
        name, len(records), sum(r["converged"] for r in having),
        share(sum(r["certified"] for r in able), len(able)), *counts,
        share(sum(map(tight, ridge)), len(ridge)), len(none),
        sum(bool(faults(r)) for r in none),
    ]  # fmt: skip


def table(records) -> str:
    """Markdown: a row for each family and each trait, and one of all."""
    head = [
        "", "problems", "converged", "certified (of provable)", *COLUMNS, "bound tight (L2)",
        "no minimiser", "of these at fault",
    ]  # fmt: skip
    families = sorted({r["family"] for r in records})
    traits = sorted({t for r in records for t in r["traits"]})
    rows = [row(f"**{f}**", [r for r in records if r["family"] == f]) for f in families]
    rows += [row(t, [r for r in records if t in r["traits"]]) for t in traits]
    rows.append(row("**all**", records))
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def totals(records) -> str:
    """What the campaign must show, and what it shows."""
    fitted = [r for r in records if "error" not in r]
    having = [r for r in fitted if r["minimiser"]]
    none = [r for r in fitted if not r["minimiser"]]
    able = [r for r in having if provable(r)]
    ridge = [r for r in having if r["l2"] and r["bound"] < float("inf")]
    count = {fault: sum(fault in faults(r) for r in records) for fault in COLUMNS}
    firsts = [r for r in having if "solver gd" in r["traits"] or "solver lbfgs" in r["traits"]]
    slow = sum(not r["converged"] for r in firsts)
    return "\n".join([
        f"- {len(records)} problems; {len(none)} without a minimiser, of which "
        f"{sum(r['converged'] for r in none)} converged and "
        f"{sum(not r['told'] for r in none)} without a warning (both must be 0)",
        f"- converged with a gap above 10·tol: {count['wrong']} (0)",
        f"- certified with a gap above tol·(1 + 1e-3): {count['certified above tol']} (0)",
        f"- unconverged: {count['unconverged']} of {len(having)} ({len(having) // 1000} at most), "
        f"{slow} of them by gd or lbfgs",
        f"- bound below gap - 1e-11·F: {count['bound below gap']} (0)",
        f"- certified, of those that float64 can prove: "
        f"{share(sum(r['certified'] for r in able), len(able))} (99.5 %)",
        f"- bound ≤ 10·gap + 1e-9·F: {share(sum(map(tight, ridge)), len(ridge))} of L2 fits (90 %)",
        f"- errors raised, crashes and time-outs: {count['error']}; "
        f"undecided by the reference: {count['undecided']}",
    ])  # fmt: skip


def listed(records) -> str:
    """The problems at fault, by fault."""
    lines = []
    for fault in sorted({fault for r in records for fault in faults(r)}):
        lines.append(f"\n## {fault}\n")
        for r in records:
            if fault not in faults(r):
                continue
            what = r.get("error") or (
                f"F {r['objective']:.9g}, at the model {r['value']:.9g}, right "
                f"{r.get('upper', float('nan')):.9g}, gap/F {r.get('gap', 0) / scale(r):.1e}, "
                f"bound/F {r['bound'] / scale(r):.1e}, width {r['width'] / scale(r):.0e}"
                if r["minimiser"] else f"no minimiser, F {r['objective']:.3g}"
            )  # fmt: skip
            flags = "" if "error" in r else (
                f" converged {r['converged']}, certified {r['certified']}, told {r['told']}"
            )  # fmt: skip
            lines.append(
                f"- {r['family']} {r['seed']} (n {r.get('n')}, d {r.get('d')}, k {r.get('k')}, C "
                f"{r.get('C', 0):.2g}): {what};{flags}; {', '.join(r['traits'])}"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true", help="the problems at fault too")
    options = parser.parse_args()
    lines = [line for f in sorted(options.folder.glob("*.jsonl")) for line in f.open()]
    records = [json.loads(line) for line in lines]
    print(table(records), "", totals(records), sep="\n")
    if options.list:
        print(listed(records))


if __name__ == "__main__":
    main()
