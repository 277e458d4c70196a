"""What X and paths may be, for type checkers: scipy's sparse arrays are no ArrayLike."""

import os
from typing import TypeAlias

from numpy.typing import ArrayLike
from scipy import sparse

MatrixLike: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix
AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
