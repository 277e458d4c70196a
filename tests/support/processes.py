"""Code in a process of its own."""

import os
import subprocess
import sys


def run(code, **environment):
    """The finished process, its output as text."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
