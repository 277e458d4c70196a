"""Passes over X that probes of many classes take to some gaps, and to the certificate.

    python -m benchmarks.probe.passes 96000 256 300 --C 0.13 --max-memory 150

The rows are those of `examples/imagenet_probe.py`. The optimum is that of a fit to 1e-8.
"""

import argparse

from examples.imagenet_probe import made_rows
from fastsoftmax import SoftmaxRegression

GAPS = 1e-1, 1e-2, 1e-3, 1e-4, 1e-6


def passes_to(history, optimum, gap):
    """Passes until (F - F*) / F* is no more; infinity if it never is."""
    reached = (at.n_passes for at in history if at.objective <= (1 + gap) * optimum)
    return next(reached, float("inf"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", type=int, nargs=3, metavar=("N", "D", "K"))
    parser.add_argument("--C", type=float, default=0.01)
    parser.add_argument("--max-memory", type=int, help="MiB")
    given = parser.parse_args()
    X, y = made_rows(*given.shape)
    optimum = SoftmaxRegression(C=given.C, tol=1e-8, max_memory=8 << 30).fit(X, y).objective_
    memory = None if given.max_memory is None else given.max_memory << 20
    model = SoftmaxRegression(C=given.C, max_memory=memory).fit(X, y)
    for gap in GAPS:
        print(f"{gap:.0e}  {passes_to(model.history_, optimum, gap):5.1f} passes")
    print(f"certified to {model.gap_bound_ / model.objective_:.1e}: {model.n_passes_:.1f} passes")
    print(f"right {model.score(X, y):.3f}, among the first five {model.score(X, y, top_k=5):.3f}")


if __name__ == "__main__":
    main()
