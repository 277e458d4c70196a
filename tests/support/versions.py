"""Whether what a test compares with is new enough to have it."""

import re
from importlib.metadata import version


def at_least(library, *numbers):
    """Whether an installed library has this version or a newer one: at_least("scipy", 1, 16)."""
    return tuple(map(int, re.findall(r"\d+", version(library))))[: len(numbers)] >= numbers
