"""Coefficients that may be kept sparse."""

from typing import Any, Self

from fastsoftmax._neural.labels import dense
from fastsoftmax._runtime import scipy_sparse as sparse
from fastsoftmax._runtime.atomic import atomic
from fastsoftmax._runtime.sklearn_compat import require_fit


class SparseCoefficients:
    """`sparsify` and `densify` of a linear model, as scikit-learn's have them."""

    @atomic
    def sparsify(self) -> Self:
        """Make ``coef_`` a sparse matrix, which takes less memory where most of it is 0.

        Predictions stay the same; a further fit makes it an array again.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        require_fit(self, "coef_")
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    @atomic
    def densify(self) -> Self:
        """Make ``coef_`` an array again.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        require_fit(self, "coef_")
        self.coef_ = dense(self.coef_)
        return self

    def _attributes_to_save(self) -> dict[str, Any]:
        attributes = super()._attributes_to_save()
        return attributes | {"coef_": dense(attributes["coef_"])}
