"""``python -m fastsoftmax info``: versions, the processor build chosen, OpenMP and threads.

With ``--plan``, how a pass over dense X is cut to the caches.
"""

import argparse

import numpy as np
from numpy.typing import DTypeLike

from fastsoftmax import _core
from fastsoftmax._runtime.threads import available_threads, team
from fastsoftmax._runtime.versions import show_versions

MOST = 1 << 50  # numbers of an array
HELP = "print versions, the processor build chosen, OpenMP and threads; or the plan of a pass"
SCHEMES = ("lanes summed", "rows transposed", "weights transposed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan",
        metavar=("ROWS", "FEATURES", "CLASSES"),
        nargs=3,
        type=int,
        help="print the block sizes of one loss + gradient of dense X instead; "
        "docs/design/kernels.md explains each line",
    )


def run(arguments: argparse.Namespace) -> None:
    if arguments.plan:
        show_plan(*arguments.plan)
    else:
        show_versions()


def show_plan(n: int, d: int, k: int) -> None:
    """Print what the kernels do with so many rows, features and classes."""
    if min(n, d, k) < 1 or n * d > MOST or k * d > MOST or n * k > MOST:
        raise ValueError(
            "plan: expected sizes of at least 1 whose arrays could be in memory, got "
            f"{n}, {d} and {k}"
        )
    print(f"caches per core  {_core.caches}, kernels {_core.level}")
    for dtype in ("float32", "float64"):
        entries = plan(n, d, k, dtype)
        print(f"\n{n}×{d}, K = {k}, {dtype}")
        width = max(map(len, entries))
        for name, value in entries.items():
            print(f"  {name:<{width}}  {value}")


def plan(n: int, d: int, k: int, dtype: DTypeLike) -> dict[str, str]:
    """The plan of one loss + gradient, in words."""
    n_threads = team(available_threads(), n * d * k)
    sizes = _core.kernels(np.dtype(dtype)).linear.plan(n, d, k, n_threads)
    entries = {
        "scheme": "partitions of the rows" if sizes["by_partitions"] else "one shared gradient",
        "threads": f"{n_threads}",
        "block of rows": f"{sizes['block']}",
        "features per call, logits": f"{sizes['features']}",
        "rows per call, gradient": f"{sizes['rows']}",
        "rows per sum in X's precision": f"{sizes['summed']}",
        "scratch": f"{sizes['bytes'] / (1 << 20):.1f} MiB",
    }
    if sizes["by_partitions"]:
        return entries | {
            "partitions": f"{sizes['n_partitions']}",
            "logits": SCHEMES[sizes["scheme"]],
        }
    return entries | {
        "classes packed": f"{sizes['packed']}",
        "classes in L2, logits": f"{sizes['chunk']}",
        "classes in L2, gradient": f"{sizes['group']}",
    }
