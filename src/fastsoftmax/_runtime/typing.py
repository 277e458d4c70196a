"""What arguments may be, for type checkers."""

import os
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy import sparse

    MatrixLike: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix  # these are no ArrayLike
else:
    MatrixLike = ArrayLike  # names at run time are not worth loading SciPy

AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Array: TypeAlias = NDArray[Any]
Axis: TypeAlias = int | tuple[int, ...] | None
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Reduced: TypeAlias = Literal["mean", "sum"]

Solver: TypeAlias = Literal[
    "auto", "preconditioned-lbfgs", "lbfgs", "newton", "gd", "proximal-newton", "dual-ascent"
]
Target: TypeAlias = Literal["auto", "labels", "probabilities", "counts"]

Activation: TypeAlias = Literal["identity", "logistic", "sigmoid", "tanh", "relu", "leaky_relu"]
UpdateRule: TypeAlias = Literal[
    "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs"
]
LearningRate: TypeAlias = Literal["constant", "invscaling", "adaptive", "step", "cosine"]
InitialCoefs: TypeAlias = Literal["auto", "he", "glorot", "zeros"]
ClassifierLoss: TypeAlias = Literal["auto", "cross_entropy", "binary_cross_entropy", "mse", "mae"]
RegressorLoss: TypeAlias = Literal["mse", "squared_error", "mae"]


class Tensor(Protocol):
    """An array of another library, whose memory NumPy can share."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...
