"""Passes over one X for several fits at once.

Each fit runs in a thread of its own, one of them at a time, and waits where it needs products of
all rows, logits or a gradient by stored logits, until every other fit does or has ended. One pass
then serves all that ask for the same. A fit knows nothing of the others: it takes the steps that it
would take alone.
"""

import contextvars
import hashlib
import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._engine.data.batch import Batch, Point
from fastsoftmax._engine.data.dense import DenseData, Gradients
from fastsoftmax._engine.data.moments import Moments
from fastsoftmax._engine.data.row_sample import RowSample
from fastsoftmax._engine.data.stored_logits import StoredLogits
from fastsoftmax._runtime.background_thread import BackgroundThread, out_of_memory
from fastsoftmax._runtime.interrupts import BETWEEN_CHECKS

T = TypeVar("T")


class Ended(BaseException):
    """Raised in fits that are to end since another has failed."""


class Worker:
    """A fit in its thread, which runs while the others wait."""

    def __init__(self, job: Callable[[], Any], turns: "SharedPasses") -> None:
        self._turns, self._job = turns, job
        self._go, self._ends = threading.Semaphore(0), False
        self.ask: Ask | None = None  # what it waits for
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread: BackgroundThread | None = None
        self.finished = False

    def start(self) -> bool:
        """Whether the system has a thread to give, in which it then waits."""
        try:
            self._thread = BackgroundThread(contextvars.copy_context().run, self._run)
        except RuntimeError:
            return False
        return True

    def _run(self) -> None:
        self._go.acquire()
        self._turns.own.worker = self
        try:
            if not self._ends:
                self.result = self._job()
        except BaseException as error:
            self.error = error
        self.finished = True
        self._turns.main.release()

    def advance(self) -> None:
        """Let it run until it waits again or has ended."""
        self.ask = None
        assert self._thread is not None
        alive = True
        self._go.release()
        while not self._turns.main.acquire(timeout=BETWEEN_CHECKS):
            if not alive:
                raise out_of_memory()
            alive = self._thread.is_alive()

    def end(self) -> None:
        """Have it end where it waits, or before its next pass."""
        self._ends = True
        self._go.release()

    def join(self) -> None:
        """Wait until it has ended, if it has ever begun."""
        if self._thread is not None:
            self._thread.join()

    def wait(self, ask: "Ask") -> Any:
        """Wait, in its thread, for what it asks for."""
        self.ask = ask
        self._turns.main.release()
        self._go.acquire()
        self.go_on()
        return ask.answer

    def go_on(self) -> None:
        """Raise if it is to end."""
        if self._ends:
            raise Ended


class Ask:
    """Products of all rows that a fit waits for: logits at a point, or a gradient."""

    def __init__(self, data: "SharedData", point: Point, target: StoredLogits | Batch) -> None:
        self.data, self.point, self.target = data, point, target
        self.of_logits = isinstance(target, StoredLogits)
        self.kind = self.of_logits, data.key
        self.answer: Any = None


class SharedPasses:
    """Fits that share passes, and what is made of X.

    Parameters
    ----------
    most : float
        Bytes of what is kept for fits to come, beside a copy of X. Beyond, what no fit has asked
        for the longest goes first.

    Attributes
    ----------
    count : float
        Passes so far; logits are half of one, and so is a gradient by stored logits.
    """

    def __init__(self, most: float) -> None:
        self.main, self.own = threading.Semaphore(0), threading.local()
        self.count = 0.0
        self._most = most
        self._found: dict[Hashable, Any] = {}  # the last that was asked for at the end
        self._copies: dict[Hashable, DenseData] = {}

    def of(self, data: DenseData) -> "SharedData":
        """X, whose passes are shared from here on."""
        shared = SharedData(
            data.X, data.n_threads, data._workspace, data._feature_scale, data.dtype
        )
        shared.passes = self
        return shared

    def wait(self, ask: "Ask") -> Any:
        """What a fit asks for, once there is a pass for it."""
        worker = getattr(self.own, "worker", None)
        if worker is not None:
            return worker.wait(ask)
        self._serve([ask])
        return ask.answer

    def go_on(self) -> None:
        """Raise in the thread of a fit that is to end, before a pass of its own."""
        worker = getattr(self.own, "worker", None)
        if worker is not None:
            worker.go_on()

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What the first that asks makes, for all, as long as there is room for it."""
        result = self._found.pop(key) if key in self._found else make()
        self._found[key] = result
        size = sum(map(bytes_of, self._found.values()))
        while size > self._most:
            size -= bytes_of(self._found.pop(next(iter(self._found))))
        return result

    def copy(self, key: Hashable, make: Callable[[], DenseData]) -> DenseData:
        """A copy of X, or X itself, as the first that asks makes it: kept until all fits end."""
        if key not in self._copies:
            self._copies[key] = make()
        return self._copies[key]

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """The results of all jobs; raises what one of them raises."""
        workers = [Worker(job, self) for job in jobs]
        try:
            if all(worker.start() for worker in workers):
                self._take_turns(workers)
                return [worker.result for worker in workers]
        finally:
            for worker in workers:
                worker.end()
            for worker in workers:
                worker.join()
        return [job() for job in jobs]  # without threads: one after another

    def _take_turns(self, workers: list[Worker]) -> None:
        """Let all work, and make the passes for which they wait."""
        ready = workers
        while ready:
            for worker in ready:
                worker.advance()
                if worker.error is not None:
                    raise worker.error
            waiting = [worker for worker in workers if not worker.finished]
            served = self._serve([worker.ask for worker in waiting])
            ready = [worker for worker in waiting if worker.ask in served]

    def _serve(self, asks: list[Ask]) -> list[Ask]:
        """Make a pass for what most ask for, logits before gradients; those that it answers."""
        if not asks:
            return []
        # proofs, in float64, wait until others come to theirs
        first = max(
            asks,
            key=lambda ask: (
                ask.data.dtype == np.float32, ask.of_logits, sum(a.kind == ask.kind for a in asks),
            ),
        )  # fmt: skip
        served = [ask for ask in asks if ask.kind == first.kind]
        (store_logits if first.of_logits else gradients)(served)
        self.count += 0.5
        return served


class SharedData(DenseData):
    """X, whose passes wait for those of other fits; those of some of its rows do not."""

    passes: SharedPasses | None = None

    @property
    def key(self) -> Hashable:
        """Equal for equal numbers and precision; X, or its copy, is there until all fits end."""
        scale = None if self._feature_scale is None else self._feature_scale.tobytes()
        return id(self.X), scale, self.dtype.char

    def _shared(self, data: DenseData) -> "SharedData":
        assert isinstance(data, SharedData)
        return data if self.passes is None else self.passes.of(data)

    def to_float64(self) -> "SharedData":
        return self._shared(super().to_float64())

    def to_float32(self, most: int) -> "SharedData":
        if self.passes is None:
            return super().to_float32(most)
        key = "float32", self.key, 4 * self.X.size <= most
        return self._shared(self.passes.copy(key, lambda: super(SharedData, self).to_float32(most)))

    def scaled(self, units: NDArray[np.float64]) -> "SharedData":
        return self._shared(super().scaled(units))

    def moments(self, weights: NDArray | None) -> Moments:
        if self.passes is None:
            return super().moments(weights)
        key = "moments", None if weights is None else digest(weights)
        return self.once(key, lambda: super(SharedData, self).moments(weights))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        return make() if self.passes is None else self.passes.once((self.key, key), make)

    def gram(self, drawn: RowSample, *args: Any, **more: Any) -> NDArray:
        """As `DenseData.gram`; one matrix, as of all classes at the start of a fit, is kept."""

        def make() -> NDArray:
            return DenseData.gram(self, drawn, *args, **more)

        if self.passes is None or len(drawn.counts) > 1 or more:
            return make()
        given = (drawn.rows, drawn.factors, drawn.counts, *args)
        there = tuple(x is not None for x in given)
        return self.once(("gram", there, digest(*(x for x in given if x is not None))), make)

    def store_logits(self, W: NDArray, b: NDArray | None, out: StoredLogits) -> None:
        if self.passes is None:
            super().store_logits(W, b, out)
        else:
            self.passes.wait(Ask(self, Point(W, b), out))

    def value_and_grad(
        self, point: Point, batch: Batch, wrt: Collection[str] = ("W", "b")
    ) -> tuple[float, Gradients]:
        if self.passes is None:
            return super().value_and_grad(point, batch, wrt)
        if point.logits is None or "X" in wrt:
            self.passes.go_on()
            return super().value_and_grad(point, batch, wrt)
        return self.passes.wait(Ask(self, point, batch))


def store_logits(asks: list[Ask]) -> None:
    """The logits of each, from those of all weights side by side."""
    data, classes = asks[0].data, parts_of([len(ask.point.W) for ask in asks])
    plain = super(SharedData, data)
    if len(asks) == 1:
        plain.store_logits(asks[0].point.W, asks[0].point.b, asks[0].target)
        return
    b = None
    if any(ask.point.b is not None for ask in asks):
        b = np.concatenate(
            [np.zeros(len(p.W)) if p.b is None else p.b for p in (ask.point for ask in asks)]
        )
    out = StoredLogits(data.shape[0], classes[-1].stop, data.dtype, data.n_threads)
    plain.store_logits(np.concatenate([ask.point.W for ask in asks]), b, out)
    for ask, own in zip(asks, classes, strict=True):
        ask.target.tiles[...] = out.tiles[:, own]


def gradients(asks: list[Ask]) -> None:
    """The loss of each and its gradient, from the gradients of all by logits side by side."""
    data, classes = asks[0].data, parts_of([ask.point.n_logits for ask in asks])
    plain = super(SharedData, data)
    if len(asks) == 1:
        asks[0].answer = plain.value_and_grad(asks[0].point, asks[0].target)
        return
    together = StoredLogits(data.shape[0], classes[-1].stop, data.dtype, data.n_threads)
    losses = []
    for ask, own in zip(asks, classes, strict=True):
        (_, _, logits, step), batch = ask.point, ask.target
        losses.append(logits.gradient(batch.targets, batch.weights, step, together, own.start))
    grads = plain.value_and_grad(Point(logits=together), Batch())[1]
    for ask, own, loss in zip(asks, classes, losses, strict=True):
        scale = ask.target.scale
        ask.answer = scale * loss, Gradients(scale * grads.W[own], scale * grads.b[own], None)


def digest(*arrays: ArrayLike) -> bytes:
    """Equal for equal numbers."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(np.ascontiguousarray(array))
    return found.digest()


def bytes_of(result: NDArray | tuple[NDArray, ...]) -> int:
    return sum(array.nbytes for array in (result if isinstance(result, tuple) else (result,)))


def parts_of(sizes: list[int]) -> list[slice]:
    """Places of so many, one after another."""
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
