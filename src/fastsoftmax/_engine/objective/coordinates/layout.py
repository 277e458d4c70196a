"""Where θ has the weights of a class and of a feature."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Layout(Protocol):
    """Places of θ; the feature of an intercept is D."""

    by_feature: bool  # or class by class

    def table(self, theta: NDArray) -> NDArray:
        """θ as (K, D), or (K, D + 1) with the intercepts last: a view."""

    def places(self, flat: NDArray) -> tuple[NDArray, NDArray]:
        """Classes and features of places in θ."""

    def flat(self, classes: NDArray, features: NDArray) -> NDArray:
        """The way back."""


class ByClass(NamedTuple):
    """For each class its weights, then its intercept."""

    n_classes: int
    size: int  # parameters of each
    by_feature = False

    def table(self, theta: NDArray) -> NDArray:
        return theta.reshape(self)

    def places(self, flat: NDArray) -> tuple[NDArray, NDArray]:
        return np.divmod(flat, self.size)

    def flat(self, classes: NDArray, features: NDArray) -> NDArray:
        return classes * self.size + features


class ByFeature(NamedTuple):
    """For each feature its weights for all classes, then the intercepts."""

    n_classes: int
    size: int
    by_feature = True

    def table(self, theta: NDArray) -> NDArray:
        return theta.reshape(self[::-1]).T

    def places(self, flat: NDArray) -> tuple[NDArray, NDArray]:
        features, classes = np.divmod(flat, self.n_classes)
        return classes, features

    def flat(self, classes: NDArray, features: NDArray) -> NDArray:
        return features * self.n_classes + classes
