"""What the import, the first call and the first fit take, in fresh processes that take turns.

    python -m benchmarks.start_up.report > benchmarks/results/start_up.md

A row adds to the one that it names. Modules are counted by package; those of NumPy are left out.
"""

import statistics
import subprocess
import sys
import time
from collections import Counter

from fastsoftmax._runtime.versions import processor

ROUNDS = 20
DATA = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.standard_normal((300, 10)).astype(np.float32)
y = X[:, :3].argmax(axis=1)
"""
IMPORT = "import fastsoftmax"
LOADED = "\nimport sys; print(*sys.modules)"
STEPS = {  # what is done: (what it is added to, code)
    "Python": (None, "pass"),
    "`import numpy`": ("Python", "import numpy"),
    "`import fastsoftmax`": ("`import numpy`", IMPORT),
    "arrays": ("`import fastsoftmax`", IMPORT + DATA),
    "first `softmax(X)`": ("arrays", IMPORT + DATA + "fastsoftmax.softmax(X)"),
    "first `linear_cross_entropy`": (
        "arrays",
        IMPORT + DATA + "fastsoftmax.linear_cross_entropy(X, X[:3], None, y)",
    ),
    "`import sklearn.base`": ("arrays", IMPORT + DATA + "import sklearn.base"),
    "first `SoftmaxRegression().fit(X, y)`": (
        "`import sklearn.base`",
        IMPORT + DATA + "fastsoftmax.SoftmaxRegression().fit(X, y)",
    ),
    "first `MLPClassifier().fit(X, y)`": (
        "`import sklearn.base`",
        IMPORT + DATA + "fastsoftmax.MLPClassifier(max_iter=1).fit(X, y)",
    ),
}


def run(code):
    """Seconds, and the names of the modules that were loaded."""
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", code + LOADED]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, set(done.stdout.split())


def packages(modules):
    """Modules of each package, the most first."""
    counted = Counter(name.partition(".")[0].lstrip("_") for name in modules)
    shown = [name for name in ("fastsoftmax", "scipy", "sklearn", "joblib") if counted[name]]
    return ", ".join(f"{name} {counted[name]}" for name in shown)


def main():
    times, modules = {step: [] for step in STEPS}, {}
    for _ in range(ROUNDS):
        for step, (_, code) in STEPS.items():
            seconds, modules[step] = run(code)
            times[step].append(1e3 * seconds)

    def beyond(step, base):
        """Of the two in the same round, as the machine may be slower in another."""
        return statistics.median(a - b for a, b in zip(times[step], times[base], strict=True))

    numpy = beyond("`import numpy`", "Python")
    print("# Start-up\n")
    print(
        f"{processor()}, Python {sys.version.split()[0]}. Milliseconds beyond those of the row "
        f"named in the same round, medians of {ROUNDS} rounds of fresh processes; the share is of "
        "what `import numpy` takes.\n"
    )
    print("| | beyond | ms | share | modules it adds |\n|---|---|---:|---:|---|")
    for step, (base, _) in STEPS.items():
        if base is None:
            continue
        added = beyond(step, base)
        new = packages(modules[step] - modules[base])
        print(f"| {step} | {base} | {added:.0f} | {added / numpy:.2f} | {new} |")


if __name__ == "__main__":
    main()
