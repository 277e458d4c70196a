"""scipy.sparse, loaded when something of it is first needed: it takes as long to import as NumPy.

An array can be sparse only where somebody has imported scipy.sparse already.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import *  # noqa: F403


def issparse(x: Any) -> bool:
    """Whether x is an array or a matrix of scipy.sparse."""
    if type(x) is np.ndarray:
        return False
    is_one = getattr(sys.modules.get("scipy.sparse"), "issparse", None)  # None while it is loaded
    return is_one is not None and is_one(x)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # what the import system asks of a module
        raise AttributeError(name)
    from scipy import sparse

    return getattr(sparse, name)
