"""The largest numbers of each row of logits, and the labels that they mean."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.parts import joined
from fastsoftmax._runtime.sklearn_compat import require_fit
from fastsoftmax._validation import check


class Ranking:
    """The most probable classes of an estimator with ``classes_``.

    Its `_outputs_in_parts` are the logits of some rows after others, and its `_probabilities` what
    these mean.
    """

    def _ranks(self, k: object, name: str) -> int:
        """How many classes of a row count."""
        require_fit(self, "classes_")
        return check.integer(k, name, least=1, most=len(self.classes_))

    def _ranked(self, X: Any, k: object, return_proba: object) -> Any:
        """Labels of the k most probable classes of each row and, if wanted, their probabilities."""
        k, wanted = self._ranks(k, "k"), check.flag(return_proba, "return_proba")
        found = []
        for z in self._outputs_in_parts(X, precise=wanted):
            places = largest(z if z.shape[1] > 1 else np.column_stack([-z[:, 0], z[:, 0]]), k)
            labels = self.classes_[places]
            if wanted:
                p = np.take_along_axis(self._probabilities(z), places, axis=1)
            found.append((labels, p) if wanted else labels)
        return joined(found)


def largest(z: NDArray, k: int) -> NDArray[np.intp]:
    """Columns of the k largest numbers of each row, the largest first, of equal ones the lower.

    Those that are not less than the k-th largest are found without sorting the others. Only where
    they are more than k, or a row has NaN, which is less than any number, is all of it sorted.
    """
    n, columns = z.shape
    among = z >= np.partition(z, columns - k, axis=1)[:, columns - k, None]
    counts = np.bincount(np.flatnonzero(among) // columns, minlength=n)
    tied = np.flatnonzero(counts != k)
    if len(tied):
        first = np.argsort(-z[tied], axis=1, kind="stable")[:, :k]
        among[tied] = False
        among[tied[:, None], first] = True
    found = (np.flatnonzero(among) % columns).reshape(n, k)
    order = np.argsort(-np.take_along_axis(z, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
