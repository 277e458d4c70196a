"""Estimators whose parameters may be spelt as scikit-learn's are."""

from copy import copy
from typing import Self

from fastsoftmax._engine import solvers
from fastsoftmax._validation import check, spellings


class SklearnSpellings:
    """scikit-learn's parameters ``n_jobs``, ``dual`` and ``intercept_scaling``, of an estimator."""

    _solvers: tuple[str, ...] = tuple(solvers.SOLVERS)

    def _native(self) -> Self:
        """A copy with its parameters in this package's terms."""
        native = copy(self)
        native.solver = spellings.solver(self.solver, self._solvers, self.fit_intercept)
        native.n_threads = spellings.n_threads(self.n_jobs, self.n_threads)
        native.random_state = spellings.seed(self.random_state)
        spellings.no_dual(self.dual)
        spellings.no_intercept_scaling(self.intercept_scaling)
        return native

    @property
    def _threads(self) -> int:
        return check.threads(spellings.n_threads(self.n_jobs, self.n_threads))
