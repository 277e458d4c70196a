"""Packages that only some features need."""

import importlib
from typing import Any


def needed(module: str, what: str) -> Any:
    """A module; if its package cannot be imported, an error that says what needs it."""
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} {package}, which cannot be imported ({error}): pip install {package}"
        ) from error
