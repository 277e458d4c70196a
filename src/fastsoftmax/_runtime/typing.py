"""What X may be, for type checkers: scipy's sparse arrays are no ArrayLike."""

from typing import TypeAlias

from numpy.typing import ArrayLike
from scipy import sparse

MatrixLike: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix
