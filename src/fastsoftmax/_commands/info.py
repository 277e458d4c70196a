"""``python -m fastsoftmax info``: versions, the processor build chosen, OpenMP and threads."""

import argparse

from fastsoftmax._runtime.versions import show_versions

HELP = "print versions, the processor build chosen, OpenMP and threads"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> None:
    show_versions()
