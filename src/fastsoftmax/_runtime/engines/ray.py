"""Actors of Ray."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from fastsoftmax._runtime.engines import sets
from fastsoftmax._runtime.engines.current import entered
from fastsoftmax._runtime.engines.failures import Ended, Failure
from fastsoftmax._runtime.engines.tree import added
from fastsoftmax._runtime.engines.work import joined


class Ray:
    """Context in which workers of a Ray cluster run fits of `Partitions`.

    The cluster is the one that ``ray.init`` has joined.

    Parameters
    ----------
    n : int
        Number of workers, >= 1. They are actors, which end with the context.
    n_threads : int, default=1
        Threads of each worker, >= 1. A worker reserves as many processors of the cluster.

    Raises
    ------
    ValueError
        If ``n`` or ``n_threads`` is not an integer >= 1.
    RuntimeError
        On entering the context, if the cluster has too few processors.
    """

    __module__ = "fastsoftmax.engines"

    def __init__(self, n: int, n_threads: int = 1) -> None:
        self.n, self._n_threads = sets.positive(n, "n"), sets.positive(n_threads, "n_threads")
        self.names: list[sets.Names] = [{} for _ in range(n)]
        self._actors: list[Any] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        import ray

        wanted, there = self.n * self._n_threads, ray.cluster_resources().get("CPU", 0)
        if wanted > there:  # Ray would wait for more
            raise RuntimeError(
                f"Ray: expected {wanted} processors for {self.n} workers, got a cluster of "
                f"{there:g}"
            )
        kind = ray.remote(num_cpus=self._n_threads)(sets.Worker)
        self._actors = [kind.remote(self._n_threads, ray.cloudpickle) for _ in range(self.n)]
        for actor in self._actors:
            self._stack.callback(ray.kill, actor)
        self._stack.enter_context(entered(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._actors.clear()

    def hold(self, load: Callable[..., Any], sources: Sequence[Sequence[Any]]) -> sets.HeldInSets:
        """As `Engine.hold`."""
        return sets.hold(self, load, sources)

    def _asked(self, tasks: list[sets.Task], calls: list[bytes]) -> list[Any]:
        """What the answers will be."""
        import ray

        packed = {id(call): ray.put(call) for call in calls}  # the same for all, as a rule
        asked = zip(self._actors[: len(tasks)], tasks, calls, strict=True)
        return [actor.work.remote(task, packed[id(call)]) for actor, task, call in asked]

    def ask(self, tasks: list[sets.Task], calls: list[bytes]) -> list[bytes]:
        """As `Workers.ask`."""
        return self._got(self._asked(tasks, calls))

    def add(self, tasks: list[sets.Task], calls: list[bytes], size: int) -> list[bytes]:
        """As `Workers.add`, by tasks on the workers."""
        import ray

        add = partial(ray.remote(num_cpus=0)(joined).remote, size=size)
        return self._got([added(self._asked(tasks, calls), add)])

    def _got(self, references: list[Any]) -> list[Any]:
        """Results, or what the first of those that failed raised."""
        import ray

        try:
            return ray.get(references)
        except Failure as error:
            error.cause.raise_here()
        except ray.exceptions.RayActorError as error:
            ids = [actor._actor_id.hex() for actor in self._actors]
            ended = [i for i, each in enumerate(ids) if each == error.actor_id]
            raise Ended(ended, "an actor has ended", "Ray may say why, above") from error
