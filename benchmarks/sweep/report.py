"""Turn results/sweep.csv, or NAME.csv with --name, into a page and its picture."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

from benchmarks.sweep.bench import DEAR, RESULTS, SHAPES, done, parser
from fastsoftmax import _core
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

ASKED = 1 / 1.05  # of NumPy's time over ours


def picture(path, work, ratios, classes):
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    points = axes.scatter(work, ratios, c=np.log10(classes), s=18, cmap="viridis")
    axes.axhline(1, color="0.5", linewidth=1)
    axes.set(
        xscale="log", yscale="log", xlabel="N·D·K",
        ylabel="NumPy's time over fastsoftmax's",
    )  # fmt: skip
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter("")
    axes.set_yticks([0.5, 1, 2, 5, 10, 20, 50])
    bar = figure.colorbar(points, ticks=range(4), label="K")
    bar.ax.set_yticklabels(["1", "10", "100", "1000"])
    figure.savefig(path, dpi=120)


def main():
    name = parser(__doc__).parse_args().name
    measured = done(RESULTS / f"{name}.csv")
    rows = [
        (shape, float(row["numpy"]) / float(row["fastsoftmax"]), row) for shape, row in measured
    ]
    ratios = np.array([ratio for _, ratio, _ in rows])
    path = RESULTS / f"{name}.png"
    picture(path, [shape.work for shape, *_ in rows], ratios, [shape.k for shape, *_ in rows])
    slower = sorted((row for row in rows if row[1] < ASKED), key=lambda row: row[1])
    lines = [
        "# Random shapes against NumPy",
        "",
        f"{processor()}, {available_threads()} threads, kernels {_core.level}. One loss + gradient "
        f"of {len(rows)} random shapes, N·D·K from 1e7 to 1e11, against plain NumPy with OpenBLAS "
        f"in turns: medians of 9 calls each, single calls from N·D·K = {DEAR:.0e} on. `{name}.csv` "
        "has the times.",
        "",
        f"![NumPy's time over fastsoftmax's by N·D·K]({path.name})",
        "",
        f"NumPy's time over fastsoftmax's: least {ratios.min():.2f}, a tenth below "
        f"{np.quantile(ratios, 0.1):.2f}, median {np.median(ratios):.2f}, largest "
        f"{ratios.max():.1f}. Slower than 1.05 times NumPy: {len(slower)}.",
    ]
    peaks = [float(row["peak_flops"]) / 1e9 for *_, row in rows if row["dtype"] == "float32"]
    lines += [
        "",
        f"{len(rows)} of {SHAPES} shapes are measured. Meanwhile the multiply-add peak in float32 "
        f"was {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s; a low peak shows that other processes "
        "computed as well. The table has the shapes for which fastsoftmax takes more than 1.05 "
        "times NumPy's time.",
    ]
    if slower:
        lines += [
            "",
            "| shape | dtype | NumPy, ms | fastsoftmax, ms | ratio |",
            "|---|---|---:|---:|---:|",
        ]
    for (n, d, k, dtype), ratio, row in slower:
        times = (f"{1e3 * float(row[name]):.3g}" for name in ("numpy", "fastsoftmax"))
        lines.append(f"| {n}×{d}, K={k} | {dtype} | {' | '.join(times)} | {ratio:.2f} |")
    path.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
