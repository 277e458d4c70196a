"""Loaders that fail, in ways that a worker has to survive or cannot."""

import ctypes
import os
import signal
import sys
import threading
from functools import partial

from support.partitions import part

from fastsoftmax import Partitions

HERE = "support/failing.py"  # as a traceback names it


class Misread(Exception):
    """Which pickle cannot copy: its constructor takes more than its arguments."""

    def __init__(self, path, row):
        super().__init__(f"cannot read {path}")
        self.row = row


class Repeats(Exception):
    """Whose constructor changes its argument, and would do so again where it is copied."""

    def __init__(self, path):
        super().__init__(f"cannot read {path}")


class Rebuilt(Exception):
    """Which says itself how it is copied, without its notes."""

    def __init__(self, path, row):
        super().__init__(f"cannot read {path}")
        self.path, self.row = path, row

    def __reduce__(self):
        return Rebuilt, (self.path, self.row)


class Unprintable(Exception):
    def __init__(self, one, two):
        super().__init__(one)

    def __str__(self):
        raise KeyError("no text")


def with_a_lock():
    return OSError("locked", threading.Lock())


def of_a_function():
    class Local(Exception):
        pass

    return Local("of a function")


RAISED = {
    "a missing file": partial(FileNotFoundError, 2, "No such file or directory", "x.npy"),
    "a key": partial(KeyError, "label"),
    "several": partial(ExceptionGroup, "several", [OSError("a"), ValueError("b")]),
    "changed": partial(Repeats, "x.npy"),
    "rebuilt": partial(Rebuilt, "x.npy", 3),
    "two arguments": partial(ValueError, "bad header", 3),
    "bytes": partial(UnicodeDecodeError, "utf-8", b"\xff", 0, 1, "invalid"),
    "misread": partial(Misread, "x.npy", 3),
    "a lock": with_a_lock,
    "a local class": of_a_function,
    "unprintable": partial(Unprintable, "x", "y"),
    "exit": partial(SystemExit, "stop"),
}


def raises(name):
    """A loader that raises one of these."""
    raise RAISED[name]()


def ends(how):
    """A loader that ends its process."""
    if how == "exit code 3":
        os._exit(3)
    if how == "SIGSEGV":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        sys.stderr.flush()
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))


def with_one(loader, at=2, count=4):
    """Partitions of rows, one of which is loaded otherwise."""
    rows = [partial(part, "small", 200 * i, 200 * i + 200) for i in range(count)]
    return Partitions([*rows[:at], loader, *rows[at + 1 :]])
