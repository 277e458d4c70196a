"""Code in a process of its own."""

import os
import subprocess
import sys

EMULATOR = os.environ.get("EMULATOR", "").split()  # what runs Python, where the system cannot
SECONDS = 3600 if EMULATOR else 120


def run(code, **environment):
    """The finished process, its output as text."""
    return subprocess.run(
        [*EMULATOR, sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
