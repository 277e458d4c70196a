"""Which workers of a Dask client hold partitions."""

from typing import Any


def workers_of(client: Any) -> list[str]:
    """Their addresses.

    Raises RuntimeError where there are none, and where they come and go by themselves: partitions
    stay with those there are.
    """
    adaptive = getattr(client.cluster, "_adaptive", None)
    runs = getattr(adaptive, "state", None) in ("starting", "running")
    if runs and adaptive.minimum != adaptive.maximum:
        raise RuntimeError(
            "Dask: expected a fixed number of workers while a fit runs, got adaptive scaling "
            f"between {adaptive.minimum} and {adaptive.maximum}: call "
            "cluster.adapt(minimum=n, maximum=n) before, and after it as you did"
        )
    workers = known_workers(client)
    if not workers:
        raise RuntimeError("Dask: expected workers, got a client without any")
    return workers


def known_workers(client: Any) -> list[str]:
    """Addresses of those that the scheduler has now.

    It is asked itself: what `Client.scheduler_info` returns is replaced every two seconds by an
    answer without workers, at times before it can be read.
    """
    return sorted(client.sync(client.scheduler.identity, n_workers=-1)["workers"])
