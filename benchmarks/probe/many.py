"""Several targets on one X: `fit_many` against a fit for each, in turns.

    python -m benchmarks.probe.many > benchmarks/results/many.md

Features are made, 20000 × 768 in float16. Passes are those over all rows that were made: of
`fit_many`, and the most of any target alone.
"""

import time

import numpy as np

import fastsoftmax
from fastsoftmax._engine.data import SharedPasses

ROUNDS = 3


def made(n, d, k, count, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float16)
    scores = X.astype(np.float32) @ (rng.normal(size=(d, k * count)) / np.sqrt(d) * 3)
    scores = scores.reshape(n, count, k) + rng.gumbel(size=(n, count, k))
    return X, list(scores.argmax(axis=2).T)


def passes_of(X, ys, C):
    """Passes over all rows of one call."""
    made, run = [], SharedPasses.run

    def counted(self, jobs):
        try:
            return run(self, jobs)
        finally:
            made.append(self.count)

    SharedPasses.run = counted
    try:
        fastsoftmax.fit_many(X, ys, Cs=[C])
    finally:
        SharedPasses.run = run
    return made[0]


def main():
    print("# Several targets on one X\n")
    print("20000 × 768, float16; seconds, the best of three in turns.\n")
    print(
        "| targets | C | a fit for each | `fit_many` | times | passes | most of one | certified |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    X, binary = made(20000, 768, 2, 8)
    ten = made(20000, 768, 10, 8)[1]
    for name, ys in (("8 of 2 classes", binary), ("8 of 10", ten), ("all 16", binary + ten)):
        C, alone, together = 0.01, [], []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            models = [fastsoftmax.fit(X, y, C=C) for y in ys]
            middle = time.perf_counter()
            many = fastsoftmax.fit_many(X, ys, Cs=[C])
            alone.append(middle - start)
            together.append(time.perf_counter() - middle)
        certified = all(m.certified_ for row in many for m in row) and all(
            row[0].objective_ <= m.objective_ * (1 + 2e-6)
            for row, m in zip(many, models, strict=True)
        )
        most = max(passes_of(X, [y], C) for y in ys)
        print(
            f"| {name} | {C} | {min(alone):.3f} | {min(together):.3f} "
            f"| {min(alone) / min(together):.2f} | {passes_of(X, ys, C):.1f} | {most:.1f} "
            f"| {certified} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
