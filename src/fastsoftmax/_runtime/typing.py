"""What arguments may be, for type checkers."""

from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import ArrayLike, NDArray
from scipy import sparse

MatrixLike: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix  # these are no ArrayLike
Array: TypeAlias = NDArray[Any]
Axis: TypeAlias = int | tuple[int, ...] | None
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Reduced: TypeAlias = Literal["mean", "sum"]


class Tensor(Protocol):
    """An array of another library, whose memory NumPy can share."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...
