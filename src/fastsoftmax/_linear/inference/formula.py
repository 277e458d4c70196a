"""Models by formulas, which formulaic reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsoftmax._linear.inference.marginal_effects import (
    Derivative,
    Difference,
    MarginalEffects,
    Points,
)
from fastsoftmax._linear.inference.results import AUTO, Results, results
from fastsoftmax._linear.inference.sandwich import NONROBUST
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.optional import needed
from fastsoftmax._validation import formula as check
from fastsoftmax._validation import inference as check_inference

EPSILON = float(np.finfo(float).eps)
STEP = EPSILON ** (1 / 3)  # of a value: errors of a central difference, 1e-10
NOISE = 1e-6  # of a derivative: what rounding may be of it
TINY = 1e-6  # of the largest value: one that may be 0 but for rounding


@dataclass(frozen=True)
class Design:
    """The columns that a formula makes of a frame, by what it learnt of the frame of the fit."""

    spec: Any  # formulaic's
    data: Any  # the variables of the fit's frame

    def columns(self, data: Any) -> NDArray[np.float64]:
        """All columns, the intercept's included."""
        return check.columns(self.spec, data)

    def features(self, data: Any) -> Any:
        """A frame of all columns but the intercept's."""
        names = list(self.spec.column_names)
        frame = needed("pandas", "formulas need").DataFrame(self.columns(data), columns=names)
        return frame[[name for name in names if name != check.INTERCEPT]]

    def levels(self) -> dict[str, list[Any]]:
        """Of the variables that are factors, in order."""
        spec = self.spec
        found: dict[str, list[Any]] = {}
        for factor in spec.factor_contrasts:
            for name in sorted(spec.factor_variables[factor] & set(self.data)):
                column = self.data[name]
                known = getattr(column.dtype, "categories", None)
                present = set(column.tolist())
                values = sorted(present) if known is None else known.tolist()
                found[str(name)] = [value for value in values if value in present]
        return found

    def texts(self) -> dict[str, list[Any]]:
        """Levels of factors whose values are no numbers."""
        is_number = needed("pandas", "formulas need").api.types.is_numeric_dtype
        return {
            name: known for name, known in self.levels().items() if not is_number(self.data[name])
        }

    def with_values(self, rows: slice, name: str, values: Any) -> NDArray[np.float64]:
        """Columns of some rows where a variable has other values."""
        data = self.data.iloc[rows].copy()
        data[name] = values
        return self.columns(data)

    def derivative(self, name: str, label: str) -> Derivative:
        """Of the columns by a numeric variable, by central differences."""
        known = np.asarray(self.data[name], dtype=np.float64)
        scale = float(np.abs(known).max()) or 1.0

        def direction(points: Points) -> NDArray[np.float64]:
            x = known[points.rows]
            sizes = np.where(x == 0, scale, np.abs(x))
            try:
                D, noise = self._slopes(points.rows, name, x, sizes)
            except ValueError:  # of terms without values beyond those of the fit, as splines are
                return self._slopes_within(points.rows, name, x, known)
            tiny = (np.abs(x) < TINY * scale) & (x != 0)
            rough = tiny[:, None] & ~(noise <= NOISE * np.abs(D))
            if rough.any():
                sizes = np.where(rough.any(axis=1), scale, np.abs(x))
                sizes[sizes == 0] = scale
                D = np.where(rough, self._slopes(points.rows, name, x, sizes)[0], D)
            check.differentiable(D, name)
            return D

        return Derivative(label, direction)

    def _slopes(
        self, rows: slice, name: str, x: NDArray, sizes: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Central differences at x, by steps of a share of sizes, and what rounding may be of
        them."""
        h = (STEP * sizes)[:, None]
        low, high = (self.with_values(rows, name, x + sign * h[:, 0]) for sign in (-1, 1))
        return (high - low) / (2 * h), EPSILON * np.maximum(np.abs(low), np.abs(high)) / h

    def _slopes_within(
        self, rows: slice, name: str, x: NDArray, known: NDArray
    ) -> NDArray[np.float64]:
        """Slopes at x of parabolas through three points, none beyond the known values."""
        least, most = float(known.min()), float(known.max())
        h = STEP * (most - least)
        middle = np.clip(x, least + h, most - h)
        low, here, high = (self.with_values(rows, name, middle + k * h) for k in (-1, 0, 1))
        bend = (high - 2 * here + low) / h**2
        return (high - low) / (2 * h) + (x - middle)[:, None] * bend

    def difference(self, name: str, label: str, low: Any, high: Any) -> Difference:
        """Between two values of a variable; of None and a step, from what there is to more."""

        def ends(points: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            column = self.data[name].iloc[points.rows]
            if low is None:
                column = column.astype(np.float64)  # which does not overflow
            to = column + high if low is None else self._filled(column, high)
            start = column if low is None else self._filled(column, low)
            one, other = (self.with_values(points.rows, name, some) for some in (start, to))
            return one, other

        return Difference(label, ends)

    @staticmethod
    def _filled(column: Any, value: Any) -> Any:
        """A column of one value, of the same dtype."""
        return needed("pandas", "formulas need").Series(
            [value] * len(column), column.index, dtype=column.dtype
        )

    def mean(self, weights: NDArray) -> Design:
        """That of one row: the means of the variables."""
        means = {name: [np.average(self.data[name], weights=weights)] for name in self.data}
        return Design(self.spec, needed("pandas", "formulas need").DataFrame(means))


@dataclass(frozen=True, eq=False, repr=False)
class FormulaResults(Results):
    """`Results` of a formula's model, with the names of its terms and effects of its variables.

    Attributes
    ----------
    model : SoftmaxRegression
        The fitted estimator, of the columns that the formula makes.
    terms : list of str
        "(Intercept)" and the names of these columns.
    reference_class, compared, params, cov_type
        As in `Results`.

    See Also
    --------
    fit : What makes them.

    Examples
    --------
    >>> from fastsoftmax import formula
    >>> data = {"income": [1, 2, 3, 4, 5, 6], "owns": ["no", "no", "yes", "no", "yes", "yes"]}
    >>> found = formula.fit("owns ~ income", data)
    >>> found.predict({"income": [1.0, 6.0]}).tolist()
    ['no', 'yes']
    """

    _design: Any = field(default=None)

    def predict_proba(self, data: Any) -> NDArray:
        """Probability of each class.

        Parameters
        ----------
        data : pandas.DataFrame
            With the variables right of the formula's ~.

        Returns
        -------
        ndarray of shape (n, K)
            In the order of ``model.classes_``.
        """
        return self.model.predict_proba(self._features(data))

    def predict(self, data: Any) -> NDArray:
        """The most probable class of each row.

        Parameters
        ----------
        data : pandas.DataFrame
            With the variables right of the formula's ~.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self.model.predict(self._features(data))

    def _features(self, data: Any) -> Any:
        data = check.frame(data)
        check.complete(data, list(self._design.data))
        check.known_levels(data, self._design.texts())
        return self._design.features(data)

    def marginal_effects(
        self, at: str = "overall", *, discrete: str | Sequence[str] | None = AUTO
    ) -> MarginalEffects:
        """How the probabilities of all classes change with each variable of the formula.

        The effect of a variable includes all terms that contain it, also interactions and functions
        of it.

        Parameters
        ----------
        at : {"overall", "mean"}, default="overall"
            The average of the effects over the rows, by weight; or the effects at the means of the
            variables, none of which may then be a factor.
        discrete : "auto", sequence of str or None, default="auto"
            Numeric variables whose effect is the difference between two values, as in
            `Results.marginal_effects`. The effects of a factor are differences between its levels
            and the first one.

        Returns
        -------
        MarginalEffects
            ``effects`` and ``standard_errors`` have a row for each numeric variable, and for each
            level of a factor but the first.
        """
        check_inference.one_of(at, ("overall", "mean"), "at")
        design, factors = self._design, self._design.levels()
        numeric = [name for name in design.data if name not in factors]
        points = self._fitted.points
        weights = np.concatenate([some.weights for some in points()])
        heavy = design.data[weights > 0]
        binary = {name for name in numeric if heavy[name].isin((0, 1)).all()}
        if discrete is None or (isinstance(discrete, str) and discrete == AUTO):
            steps = set() if discrete is None else binary
        else:
            chosen = check_inference.discrete(discrete)
            check_inference.places(chosen, {name: [0] for name in numeric}, "discrete")
            steps = set(chosen)
        if at == "mean":
            check.no_factors(list(factors))
            design = design.mean(weights)
            (mean,) = self._fitted.mean()
            one = mean._replace(U=design.columns(design.data))
            points = lambda: [one]  # noqa: E731
        changes: list[Derivative | Difference] = []
        for name in design.data:
            if name in factors:
                first, *others = factors[name]
                changes += [
                    design.difference(name, f"{name}: {level} - {first}", first, level)
                    for level in others
                ]
            elif name in steps:
                low, high = (0, 1) if name in binary else (None, 1)
                changes.append(design.difference(name, name, low, high))
            else:
                changes.append(design.derivative(name, name))
        return self._effects(changes, at, points)


def fit(
    formula: str,
    data: Any,
    sample_weight: str | ArrayLike | None = None,
    *,
    reference_class: object = None,
    cov_type: str = NONROBUST,
    groups: str | ArrayLike | None = None,
    **parameters: Any,
) -> FormulaResults:
    """Fit a multinomial logit model, or a binary one for two classes, from a formula.

    Parameters
    ----------
    formula : str
        A formula such as ``"choice ~ income * C(size)"``. Left of ~ is the column of labels. Right
        of it are terms, in the `grammar of formulaic
        <https://matthewwardrop.github.io/formulaic/>`_, which must be installed: columns, functions
        of them (``np.log(income)``), factors (``C(size)``, and columns that are not numeric),
        interactions (``a:b``, ``a*b``). ``- 1`` means no intercept.
    data : DataFrame of pandas or polars, or what one of pandas can be made from
    sample_weight : str or array-like of shape (n,), optional
        Weights of the rows, >= 0, which are frequencies; or the name of their column.
    reference_class : label, default=None
        The class that the others are compared with. None: the first one; for a categorical column,
        the first by its order.
    cov_type : {"nonrobust", "HC0", "HC1", "cluster"}, default="nonrobust"
        As in `fastsoftmax.inference.results`.
    groups : str or array-like of shape (n,), optional
        The group of each row, for "cluster"; or the name of their column.
    **parameters : dict
        Other parameters of `SoftmaxRegression`, such as ``n_threads``.

    Returns
    -------
    FormulaResults

    Raises
    ------
    ImportError
        Without formulaic, or pandas.
    ValueError
        For formulas that cannot be parsed, names that are not columns, and missing values; and as
        `fastsoftmax.inference.results`.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastsoftmax import formula
    >>> data = pd.DataFrame({
    ...     "choice": ["bus", "car", "bus", "car", "car", "bus", "car", "bus"],
    ...     "income": [1.0, 4.0, 2.0, 3.0, 5.0, 3.5, 1.5, 2.5],
    ...     "size": ["small", "small", "large", "large", "small", "large", "small", "small"],
    ... })
    >>> found = formula.fit("choice ~ income + size", data, reference_class="bus")
    >>> found.terms
    ['(Intercept)', 'income', 'size[T.small]']
    >>> found.marginal_effects().features
    ['income', 'size: small - large']
    """
    formulaic = needed("formulaic", "formulas need")
    data = check.frame(data)
    response, right = check.sides(formulaic, formula, data)
    check.known_variables(right.required_variables, data)
    weights, by_group = check.column(sample_weight, data), check.column(groups, data)
    check.complete(data, [response, *right.required_variables])
    spec = check.spec(right, data)
    # with those of transforms that keep what they learnt, as center(a), which `right` leaves out
    variables = [str(name) for name in data if name in spec.required_variables]
    design = Design(spec, data[variables])
    features = design.features(data)
    check.some_features(features.shape[1], formula)
    y = data[response]
    if reference_class is None and hasattr(y.dtype, "categories"):
        present = set(y.tolist())
        reference_class = next(name for name in y.dtype.categories.tolist() if name in present)
    labels = np.asarray(y)
    intercept = check.INTERCEPT in design.spec.column_names
    check.own_parameters(parameters)
    if reference_class is None:
        reference_class = np.unique(labels).tolist()[0]
    model = SoftmaxRegression(
        C=np.inf, reference_class=reference_class, fit_intercept=intercept, **parameters
    ).fit(features, labels, weights)
    check_inference.converged(model.converged_, model.n_iter_, model.max_iter)
    found = results(model, features, labels, weights, cov_type=cov_type, groups=by_group)
    own = {item.name: getattr(found, item.name) for item in fields(found)}
    return FormulaResults(**own | {"_sets": sets_of(design.spec), "_design": design})


def sets_of(spec: Any) -> dict[str, Sequence[int]]:
    """Of the formula's terms: which columns are theirs."""
    return {str(term): range(where.start, where.stop) for term, where in spec.term_slices.items()}
