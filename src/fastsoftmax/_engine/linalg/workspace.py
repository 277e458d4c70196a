"""Memory that kernels borrow."""

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._engine.linalg.memory import empty


class Workspace:
    """Bytes that kernels may scribble on, kept between calls and grown on demand."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Workspace, ()  # of a copy that is sent elsewhere

    def __call__(self, size: int) -> NDArray[np.uint8]:
        if self._bytes.size < size:
            self._bytes = empty(size, np.uint8)
        return self._bytes
