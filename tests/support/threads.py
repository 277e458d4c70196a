"""Threads of tests, and of the package beneath them."""

import _thread
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Barrier

from fastsoftmax._runtime.threads import team_rules


def at_once(function, arguments):
    """The results, of calls that begin together; the first error is raised."""
    arguments = list(arguments)
    start = Barrier(len(arguments))

    def call(argument, context):
        start.wait()
        return context.run(function, argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(call, arguments, [copy_context() for _ in arguments]))


@contextmanager
def changed_teams(**rules):
    """Other rules of how many threads a call uses."""
    token = team_rules.set(team_rules.get()._replace(**rules))
    try:
        yield
    finally:
        team_rules.reset(token)


def running_threads():
    """Their number beside the main one, whatever has started them."""
    return _thread._count()


def are_at_most(most):
    """Whether no more threads run, some time after a call."""
    for _ in range(500):
        if running_threads() <= most:
            return True
        time.sleep(0.01)
    return False
