"""Each allocation of our own shared objects fails once: MemoryError, and all is whole.

    gcc -shared -fPIC -O1 tests/support/failing_malloc.c -o failing_malloc.so
    LD_PRELOAD=./failing_malloc.so python tests/support/failing_allocations.py [most]

Then allocations of NumPy's, at most so many of each case, evenly spaced: an error or the right
result, the object old or new. Each in a process of its own, since some crash inside NumPy: those
are listed with the line that called it, and are no faults of ours.
"""

import ctypes
import faulthandler
import os
import re
import signal
import sys
import tempfile
import warnings

import numpy as np
from support.interrupted import CASES, Case, Interrupted

from fastsoftmax import SoftmaxRegression

shim = ctypes.CDLL(None)
shim.failing_malloc_arm.restype = ctypes.c_long
shim.failing_malloc_arm.argtypes = [ctypes.c_long]
arm = shim.failing_malloc_arm
SECONDS = 60  # after which something hangs

rng = np.random.default_rng(0)
MANY = rng.normal(size=(600, 120)), rng.integers(40, size=600)
MORE = (
    {  # sizes at which kernels allocate other things
        f"larger, {solver}": Case(
            lambda solver=solver: SoftmaxRegression(C=0.01, solver=solver, max_iter=9, n_threads=2),
            lambda m: m.fit(*MANY),
        )
        for solver in ("preconditioned-lbfgs", "lbfgs", "gd")
    }
    | {
        "larger, newton": Case(
            lambda: SoftmaxRegression(C=0.01, solver="newton", max_iter=9, n_threads=2),
            lambda m: m.fit(MANY[0][:, :30], MANY[1]),
        ),
        "larger, L1": Case(
            lambda: SoftmaxRegression(C=0.1, l1_ratio=1.0, max_iter=9, n_threads=2),
            lambda m: m.fit(*MANY),
        ),
    }
)


def failing(interrupted, number, *, must_raise):
    """What is wrong after allocation `number` failed."""

    def call(act):
        arm(number)
        try:
            act()
        except MemoryError:
            return True
        except Exception:  # NumPy has others, such as SystemError
            if must_raise:
                raise
        finally:
            arm(0)
        return not must_raise

    signal.alarm(SECONDS)
    fault = interrupted.fault(call)
    signal.alarm(0)
    return fault


def in_child(interrupted, number):
    """The same of an allocation that is not ours; where it crashed."""
    with tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if not child:
            faulthandler.enable(told)
            try:
                told.write(failing(interrupted, number, must_raise=False) or "")
                told.flush()
            finally:
                os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told.seek(0)
        text = told.read()
    if status == -signal.SIGSEGV:
        return None, re.search(r'File "(.*)", line (\d+) in (\w+)', text).groups()
    return text or (f"ended with {status}" if status else None), None


def asked_for(interrupted):
    """How many allocations the call makes."""
    subject, _ = interrupted.again()
    with warnings.catch_warnings(action="ignore"):
        arm(0)
        interrupted.case.act(subject)
        return arm(0)


def main(most):
    faults, crashes = 0, set()
    for owner, must_raise in (("fastsoftmax/_core", True), ("numpy/", False)):
        print(f"allocations of {owner:24}{'asked for':>10}{'failed':>10}{'faults':>10}")
        for name, case in (CASES | MORE).items():
            interrupted = Interrupted(case)
            assert shim.failing_malloc_watch(owner.encode()), "is it preloaded?"
            total = asked_for(interrupted)
            numbers = range(1, total + 1) if must_raise else spaced(total, most)
            found = []
            for i in numbers:
                if must_raise:
                    fault = failing(interrupted, i, must_raise=True)
                else:
                    fault, place = in_child(interrupted, i)
                    if place:
                        crashes.add(place)
                found += [f"allocation {i}: {fault}"] * (fault is not None)
            print(f"{name:39}{total:10}{len(numbers):10}{len(found):10}", *found, sep="\n    ")
            faults += len(found)
    for file, line, function in sorted(crashes):
        print(f"crashed inside NumPy, called by {os.path.basename(file)}, line {line}: {function}")
    return faults


def spaced(total, most):
    """At most so many of the numbers from 1, evenly spaced."""
    n = min(total, most)
    return [1 + int((i + 0.5) * total / n) for i in range(n)]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:] or [20])) > 0)
