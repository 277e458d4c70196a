"""The gap of a model of any library."""

from __future__ import annotations

from typing import Literal, Unpack

from numpy.typing import ArrayLike

from fastsoftmax._linear.fitting import Parameters, require_known
from fastsoftmax._linear.logistic_regression import LogisticRegression
from fastsoftmax._linear.problem.certificate import Certificate, certificate_of
from fastsoftmax._linear.softmax_regression import SoftmaxRegression
from fastsoftmax._runtime.typing import MatrixLike, Target
from fastsoftmax._validation import labels as check_labels
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions

OF_CERTIFY = (
    *("coef", "intercept", "X", "y", "sample_weight", "several_labels", "target", "classes"),
    "offset",
)


def certify(
    coef: ArrayLike,
    intercept: ArrayLike | None,
    X: MatrixLike | Blocks | Partitions,
    y: MatrixLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    several_labels: bool = False,
    target: Target | Literal["indicators"] = "auto",
    classes: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    **params: Unpack[Parameters],
) -> Certificate:
    """Prove how far a linear model from any library is from the optimum.

    The objective is that of `SoftmaxRegression`. That of scikit-learn's ``LogisticRegression`` with
    the same ``C`` is larger by the factor ``C * sum(sample_weight)``.

    Parameters
    ----------
    coef : array-like of shape (K, D), or (1, D) for two classes
        Weights, the classes in the order of ``classes``.
    intercept : array-like of shape (K,) or (1,), or None
        Intercepts; None for zeros.
    X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
    y : array-like of shape (n,) or (n, K)
    sample_weight : array-like of shape (n,), optional
    several_labels : bool, default=False
        Whether y has a column for each of several labels of a row, as for `LogisticRegression`.
    target : str, default="auto"
        As in `SoftmaxRegression.fit`.
    classes : array-like of shape (K,), optional
        The labels of the rows of ``coef``, or the two labels, in their order: the ``classes_`` of
        the model, of which some may be missing in y. By default the sorted labels of y.
    offset : array-like of shape (n, K), or (n,) for two classes, optional
        As in `SoftmaxRegression.fit`.
    **params
        Parameters of `SoftmaxRegression`: ``C``, ``l1_ratio``, ``fit_intercept``, ``tol``,
        ``penalty_factor``, ``standardize``, ``class_weight`` and so on.

    Returns
    -------
    Certificate
        Its ``gap_bound`` is an upper bound on F - F*; ``certified`` says whether it is at most
        ``tolerance``, ``tol`` times the objective, as ``certified_`` says of a fit.

    Raises
    ------
    ValueError, TypeError
        As in `SoftmaxRegression.fit`, and if the shape of the model is not that of the data.

    Notes
    -----
    The bound is weak duality at probabilities that are linearised along a Newton direction,
    evaluated in float64 [1]_. If the model is so far from the optimum that this proves little, a
    fit starts from the model; the bound is then the difference of the two objectives plus the bound
    at the end of that fit.

    References
    ----------
    .. [1] Boyd & Vandenberghe, Convex Optimization, Cambridge 2004, section 5.7.1.

    Examples
    --------
    >>> import fastsoftmax
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = fastsoftmax.fit(X, y, C=0.01, tol=1e-4)
    >>> proof = fastsoftmax.certify(model.coef_, model.intercept_, X, y, C=0.01, tol=1e-4)
    >>> proof.certified
    True
    >>> fastsoftmax.certify(0 * model.coef_, None, X, y, C=0.01).certified
    False
    """
    kind = LogisticRegression if several_labels else SoftmaxRegression
    require_known(params, kind, "certify", OF_CERTIFY)
    known = None if classes is None else check_labels.different(classes)
    return certificate_of(
        kind(**params)._native(), coef, intercept, X, y, sample_weight, target=target, known=known,
        offset=offset,
    )  # fmt: skip
