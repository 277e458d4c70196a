"""``python -m fastsoftmax demo | bench | info | lecture``."""

import argparse
import signal
import sys
from contextlib import suppress
from importlib import import_module

from fastsoftmax._runtime.version import __version__

COMMANDS = ("demo", "bench", "info", "lecture")


def main(argv: list[str] | None = None) -> int:
    """Run a command; 2 and one line on standard error for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m fastsoftmax",
        description="What fastsoftmax does on this machine.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command")
    for name in COMMANDS:
        command = import_module(f"fastsoftmax._commands.{name}")
        subparser = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        arguments.run(arguments)
    except (OSError, ValueError, ImportError, FloatingPointError) as error:
        message = " ".join(str(error).split())
        print(f"fastsoftmax {arguments.command}: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # not every encoding has all letters
        with suppress(AttributeError):  # of none, as of programs without a window
            stream.reconfigure(errors="replace")
    if hasattr(signal, "SIGPIPE"):  # a closed pipe ends commands in silence, as of other programs
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
