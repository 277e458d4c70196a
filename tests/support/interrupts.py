"""Errors raised at chosen instructions of the package's own code, as signals and full memory do."""

import dis
import gc
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import fastsoftmax

PACKAGE = str(Path(fastsoftmax.__file__).parent)
HANDLER = "interrupts.py"  # which handles SIGINT itself: no KeyboardInterrupt comes up in there


@cache
def ends_of_with(code):
    """Offsets of instructions that call `__exit__` where a block ends without an error.

    Python looks for signals at none of them, as nothing would call `__exit__` any more.
    """
    found, run = set(), []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_CONST" and instruction.argval is None:
            run.append(instruction.offset)
        elif instruction.opname in ("PRECALL", "CALL") and len(run) >= 3:
            run.append(instruction.offset)
            if instruction.opname == "CALL":
                found.update(run)
        else:  # a value that the block returns is kept by a SWAP
            run = [instruction.offset] if instruction.opname == "SWAP" else []
    return found


def counts(frame, event):
    """Whether an error may come before what a frame does next."""
    return event == "opcode" and frame.f_lasti not in ends_of_with(frame.f_code)


class Places:
    """The instructions of the package that a call runs: a count for each frame, in order."""

    def __init__(self, call):
        self.counts = []
        with traced(self._enter):
            call()
        self.total = sum(self.counts)

    def _enter(self, frame, event, arg):
        number = len(self.counts)
        self.counts.append(0)

        def count(frame, event, arg):
            self.counts[number] += counts(frame, event)
            return count

        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return count

    def find(self, i):
        """Of instruction i of the call: the number of its frame, and its own within that."""
        for number, count in enumerate(self.counts):
            if i < count:
                return number, i
            i -= count
        raise IndexError(i)


def raise_at(place, error, call):
    """Call, and raise the error before that instruction."""
    number, instruction = place
    entered = -1

    def enter(frame, event, arg):
        nonlocal entered
        entered += 1
        if entered != number:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        left = instruction

        def count(frame, event, arg):
            nonlocal left
            if counts(frame, event):
                if not left:
                    raise error
                left -= 1
            return count

        return count

    with traced(enter):
        return call()


@contextmanager
def traced(enter):
    """Call `enter` for each frame of the package, of this thread."""

    def of_package(frame, event, arg):
        name = frame.f_code.co_filename
        ours = name.startswith(PACKAGE) and not name.endswith(HANDLER)
        return enter(frame, event, arg) if ours else None

    before = sys.gettrace()
    with without_collector():
        sys.settrace(of_package)
        try:
            yield
        finally:
            sys.settrace(before)


@contextmanager
def without_collector():
    """No garbage collection, whose callbacks, such as test tools have, are instructions too."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def lost_errors():
    """Gives a list of the errors that are printed and ignored meanwhile."""
    lost, before = [], sys.unraisablehook
    sys.unraisablehook = lost.append
    try:
        yield lost
    finally:
        sys.unraisablehook = before


def signalled(call, seconds):
    """Call, and send the process SIGINT after so many seconds; whether the interrupt arrived."""

    def send():
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    with without_collector():
        try:
            sender.start()
            call()
            sender.join()
            time.sleep(5)  # the call was over before: the signal arrives here
        except KeyboardInterrupt:
            return True
        finally:
            sender.join()
    return False
