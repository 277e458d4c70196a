"""What workers raise, and that they have ended, as it is said in the process that asked them.

An exception is sent with its traceback as text. One whose copy is not of its type and message, and
one that is no `Exception`, which would end this process, become a RuntimeError that says what they
were.
"""

import pickle
import signal
import traceback
from collections.abc import Mapping, Sequence
from types import MethodDescriptorType
from typing import Any, NoReturn

LONGEST = 1000  # characters that logs, and Dask, have of a failure


class WorkerTraceback(Exception):
    """Where a worker raised an exception: shown as the cause of what is raised here."""


def text_of(error: BaseException) -> str:
    """The type and the message of an exception, whatever its methods do."""
    return traceback.format_exception_only(error)[0].strip()


def taken_apart(error: Exception) -> tuple[Any, ...]:
    """A function and its arguments that make an exception, and its attributes.

    Where its class does not say which, that is `without_constructor` of its arguments. `copyreg` is
    not asked: of some exceptions tblib, which Dask enters there, leaves the message out.
    """
    function, args, *attributes = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if isinstance(type(error).__reduce__, MethodDescriptorType):  # inherited from Python's own
        return without_constructor, (type(error), args), *attributes
    return function, args, *attributes


def without_constructor(kind: type[Exception], args: tuple[Any, ...]) -> Exception:
    """An exception of such arguments, which its constructor may change, or have made of others."""
    base = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    error = base.__new__(kind, *args)
    base.__init__(error, *args)
    return error


def put_together(
    function: Any, args: tuple[Any, ...], attributes: Any = None, *_: Any
) -> Exception:
    """An exception that was taken apart."""
    error = function(*args)
    if attributes:
        error.__setstate__(attributes)
    return error


class Failure(Exception):
    """An exception, as it is sent: in parts, each of which arrives.

    Parameters
    ----------
    sent : bytes
        The exception, taken apart, or None.
    text : str
        Its type and its message.
    notes : list of str
    where : str
        Its traceback.
    """

    def __init__(self, sent: bytes, text: str, notes: list[str], where: str) -> None:
        super().__init__(sent, text, notes, where)
        self.sent, self.text, self.notes, self.where = sent, text, notes, where

    def __str__(self) -> str:
        return self.text[:LONGEST]

    def __repr__(self) -> str:
        return f"Failure({str(self)!r})"

    @classmethod
    def of(cls, error: BaseException, pickler: Any = pickle) -> "Failure":
        """That of an exception, on the worker."""
        try:
            sent = pickler.dumps(taken_apart(error) if isinstance(error, Exception) else None)
        except Exception:
            sent = pickler.dumps(None)
        notes = [*map(str, getattr(error, "__notes__", ()))]
        return cls(sent, text_of(error), notes, "".join(traceback.format_exception(error)))

    def raise_here(self) -> NoReturn:
        """Raise the exception, or what takes its place."""
        try:
            error = put_together(*pickle.loads(self.sent))
            is_copy = text_of(error) == self.text
        except Exception:  # whatever a class does
            is_copy = False
        if not is_copy:
            error = RuntimeError(
                f"a worker raised {self.text}\nThis error takes its place: pickle cannot copy it, "
                "or it would end this process"
            )
        if self.notes:
            error.__notes__ = self.notes
        raise error from WorkerTraceback(f"\n\n{self.where}")


class Ended(Exception):
    """Workers have ended.

    Parameters
    ----------
    workers : sequence of int
        Their numbers.
    how : str
        Which kind of worker has ended, and how.
    advice : str
    """

    def __init__(self, workers: Sequence[int], how: str, advice: str) -> None:
        super().__init__(workers, how, advice)
        self.workers, self.how, self.advice = workers, how, advice


SIGNALS = {each.value: each.name for each in signal.Signals}
ADVICE = {
    "SIGKILL": "The system kills processes where memory runs out, which its log says (dmesg): use "
    "fewer processes, or make loaders take less memory",
    "SIGSEGV": "Compiled code that a loader calls may have read memory that is not its own: set "
    "PYTHONFAULTHANDLER=1 to see where",
}
USUAL = (
    "What it wrote to its standard error may say why. A loader must not end its process, and a "
    'script that starts processes needs `if __name__ == "__main__":` before what it runs'
)


def ended(exitcodes: Mapping[int, int]) -> Ended:
    """That processes have ended, by their numbers."""
    code = next((code for code in exitcodes.values() if code), 0)
    how = SIGNALS.get(-code, f"signal {-code}") if code < 0 else f"exit code {code}"
    return Ended([*exitcodes], f"a worker process has ended ({how})", ADVICE.get(how, USUAL))
