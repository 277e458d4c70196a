"""A fitted linear model as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsoftmax._neural.labels import dense
from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.sklearn_compat import logistic_regression, require_fit
from fastsoftmax._validation import targets as check_targets


class ToSklearn:
    """`to_sklearn` of an estimator with the attributes of scikit-learn's LogisticRegression."""

    @of_one_fit
    def to_sklearn(self) -> Any:
        """The fitted model as a ``sklearn.linear_model.LogisticRegression``.

        It makes the same predictions without this package, for deployment or for code that needs
        that class. ``feature_scale`` is multiplied into its ``coef_``, and its logits are divided
        by ``temperature_``, if there is one. It gets those parameters of this model that it has and
        with which its own fit would lead to the same optimum: ``C``, ``l1_ratio``,
        ``fit_intercept``, ``class_weight``, ``max_iter`` and ``warm_start``. Its ``tol`` has
        another meaning and is the default.

        Returns
        -------
        sklearn.linear_model.LogisticRegression

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have several labels, which that class does not support.
        ImportError
            Without scikit-learn.

        Examples
        --------
        >>> import fastsoftmax
        >>> X, y = fastsoftmax.datasets.load_digits()
        >>> theirs = fastsoftmax.fit(X, y, C=0.01).to_sklearn()
        >>> theirs.predict(X[:5]).tolist()
        [0, 1, 2, 3, 4]
        """
        require_fit(self, "coef_")
        check_targets.no_several_labels(self._several_labels)
        native = self._native()
        model = logistic_regression(
            C=native.C_ if hasattr(native, "C_") else native.C,
            l1_ratio=native.l1_ratio,
            fit_intercept=bool(self.fit_intercept),
            class_weight=self.class_weight,
            warm_start=bool(getattr(self, "warm_start", False)),
            **({} if self.max_iter is None else {"max_iter": self.max_iter}),
        )
        model.classes_ = self.classes_.copy()
        scale = 1.0 if self._feature_scale is None else self._feature_scale
        scale = scale / getattr(self, "temperature_", 1.0)
        model.coef_ = np.ascontiguousarray(dense(self.coef_) * scale, self.coef_.dtype)
        model.intercept_ = self.intercept_ / getattr(self, "temperature_", 1.0)
        model.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_
        if hasattr(self, "history_"):
            model.n_iter_ = np.array([len(self.history_)], np.int32)
        return model
