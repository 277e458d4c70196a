"""Loaders that fail, in ways that a worker has to survive or cannot."""

import ctypes
import os
import signal
import sys
import threading
import traceback
from functools import partial

from support.partitions import part

from fastsoftmax import Partitions
from fastsoftmax._runtime.engines.failures import text_of

HERE = "support/failing.py"  # as a traceback names it


class Misread(Exception):
    """Whose constructor takes more than its arguments, so that pickle alone cannot copy it."""

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


class ByName(Exception):
    def __new__(cls, *, code):
        return super().__new__(cls, f"code {code}")

    def __init__(self, *, code):
        self.code = code


def endless():
    endless()


def recursion():
    try:
        endless()
    except RecursionError as error:
        return error


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
    "by name": partial(ByName, code=3),
    "long": partial(ValueError, "z" * 20_000, 3),
    "the end": partial(StopIteration, 3),
    "recursion": recursion,
    "exit": partial(SystemExit, "stop"),
}

# as what they arrive, where they cannot be copied
REPLACED = {
    "a lock": "OSError: [Errno locked] <unlocked _thread.lock",
    "a local class": "support.failing.of_a_function.<locals>.Local: of a function",
    "exit": "SystemExit: stop",
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


def require_as_raised(error, name):
    """What a worker raised by this name has arrived, or what is known of it."""
    original = RAISED[name]()
    if name in REPLACED:
        assert type(error) is RuntimeError
        assert str(error).startswith(f"a worker raised {REPLACED[name]}")
    else:
        assert text_of(error) == text_of(original)
        assert vars(error) == vars(original) | {"__notes__": ["in partition 2"]}
    assert error.__notes__ == ["in partition 2"]
    told = "".join(traceback.format_exception(error))
    assert HERE in told and "raise RAISED[name]()" in told
