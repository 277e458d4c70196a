"""Calls in threads at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


def at_once(function, arguments):
    """The results, of calls that begin together; the first error is raised."""
    arguments = list(arguments)
    start = Barrier(len(arguments))

    def call(argument):
        start.wait()
        return function(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(call, arguments))
