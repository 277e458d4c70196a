"""Loss and gradients of the linear model, from X: the logits are never stored."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from fastsoftmax._engine.data import Batch, Gradients, Point, data_of
from fastsoftmax._runtime.typing import MatrixLike
from fastsoftmax._validation import numbers as check
from fastsoftmax._validation.sparse import features
from fastsoftmax.functional._weights import scaled, times_power_of_two


def linear_cross_entropy(
    X: MatrixLike,
    W: ArrayLike,
    b: ArrayLike | None,
    target: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> float:
    """Mean cross-entropy of the logits X Wᵀ + b, which are never stored.

    About half the work of `linear_cross_entropy_value_and_grad`: there are no gradients.

    Parameters
    ----------
    X, W, b, target, sample_weight, class_weight, n_threads
        As of `linear_cross_entropy_value_and_grad`.

    Returns
    -------
    float
        The loss.

    Raises
    ------
    TypeError, ValueError
        As `linear_cross_entropy_value_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import linear_cross_entropy
    >>> loss = linear_cross_entropy([[1.0, 0.0]], np.zeros((3, 2)), None, [2])
    >>> bool(np.isclose(loss, np.log(3)))
    True
    """
    return linear_cross_entropy_value_and_grad(
        X, W, b, target, wrt=(), sample_weight=sample_weight, class_weight=class_weight,
        n_threads=n_threads,
    )[0]  # fmt: skip


def linear_cross_entropy_value_and_grad(
    X: MatrixLike,
    W: ArrayLike,
    b: ArrayLike | None,
    target: ArrayLike,
    *,
    wrt: Sequence[str] = ("W", "b"),
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> tuple[float, Gradients]:
    """Mean cross-entropy of the logits X Wᵀ + b, and its gradients, in one pass over X.

    The logits are never stored: some rows of X are read, and logits, softmax, loss and (A - Y)ᵀX
    follow while they are in cache [1]_. Memory beyond the gradients is at most 64 MB, whatever the
    number of rows, features and classes, but for X of more than some 100 000 features. For sparse X
    it is at most 64 MiB for A - Y and as much for sums, and W by features, where it does not lie so
    (in Fortran's order).

    Parameters
    ----------
    X : array-like or sparse matrix or array of shape (n, D)
        Features, of any dtype and strides that `SoftmaxRegression.fit` reads without a copy. The
        gradient for a sparse X is summed row by row; only where a number for each feature and
        logit takes more than 64 MiB, or with more than 1024 logits, is X laid out by columns, in
        each call.
    W : array-like of shape (K, D)
        Weights. One row is one logit: the log-odds of class 1 against class 0.
    b : array-like of shape (K,) or None
        Intercepts; None for none.
    target : array-like of shape (n,) or (n, K)
        Integer class indices 0..K-1 of shape (n,), or of shape (n, K) one number per class: of
        floating dtype probabilities, any >= 0, of integer dtype counts.
    wrt : sequence of "W", "b" and "X", default=("W", "b")
        What to differentiate by.
    sample_weight : array-like of shape (n,), optional
        Weights s of the rows, >= 0.
    class_weight : array-like of shape (K,), optional
        Weights w of the classes, >= 0: the loss of a row is -Σₖ wₖ·tₖ·log pₖ.
    n_threads : int or None
        Threads, >= 1; None for as many as the processors this process may use. The result is the
        same to the bit for any number.

    Returns
    -------
    loss : float
        Mean: the weighted losses over Σᵢ sᵢ·w[yᵢ] for class indices, Σᵢ sᵢ Σₖ wₖ·nᵢₖ for counts and
        Σᵢ sᵢ for probabilities, as PyTorch has it.
    grads : Gradients
        ``grads.W`` (K, D), ``grads.b`` (K,) and ``grads.X`` (n, D) in the dtype computed in, None
        where not asked for.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, an index is out of range, a weight is negative or ``wrt`` names
        something else, or "X" where X is sparse.

    Notes
    -----
    Computed in float32 where that holds every number of X's dtype, else in float64: W, b, target
    probabilities and weights are converted to it. Sums
    over rows are carried in float64 unless the totals, 8·K·D bytes, exceed 64 MiB; for sparse X in
    its precision where at most 8192 rows are summed together (16384 with more than 8 logits).

    References
    ----------
    .. [1] Raschka, "Deep Learning & Applications" lecture notes, Logistic Regression:
       ∇_W L = -(Xᵀ(Y - A))ᵀ.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsoftmax import linear_cross_entropy_value_and_grad
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> loss, grads = linear_cross_entropy_value_and_grad(X, np.zeros((3, 2)), np.zeros(3), [0, 2])
    >>> bool(np.isclose(loss, np.log(3)))
    True
    >>> grads.W.shape, grads.b.shape
    ((3, 2), (3,))
    """
    X = features(X)
    W = check.coefficients(W, X.shape[1], "W")
    (n, _), k = X.shape, len(W)
    data = data_of(X, check.threads(n_threads))
    wrt = check.some_of(wrt, ("W", "b", "X"), "wrt")
    if b is not None:
        b = check.vector(b, k, "b", "one intercept per row of W")
    if "X" in wrt and sparse.issparse(X):
        raise ValueError("wrt: expected 'W' and 'b' at most for a sparse X, got 'X'")
    weights = check.weights(sample_weight, n, np.dtype(np.float64))
    classes = check.weights(class_weight, max(k, 2), np.dtype(np.float64), "class_weight")
    if weights is not None:
        weights, _ = scaled(weights, most=0)  # the mean stays as it is
    if classes is not None:
        classes, by_class = scaled(classes, most=0)
    target = check.as_array(target, "target", "class indices or numbers")
    given_in = target.dtype
    counts = given_in.kind in "iu"
    exponent = 0  # the targets are over this power of two
    target = check.targets(target, n, k, data.dtype if given_in == data.dtype else np.float64)
    if target.ndim == 2:
        if classes is not None:
            target = target * classes
            exponent = by_class
        target, by_target = scaled(target, data.dtype)
        target = target.astype(data.dtype, copy=False)
        exponent = 0 if counts else exponent + by_target
        seen = target.sum(axis=1, dtype=np.float64) if counts else np.ones(n)
        total = seen.sum() if weights is None else seen @ weights
    else:
        if classes is not None:
            weights = classes[target] if weights is None else weights * classes[target]
            weights, _ = scaled(weights, most=0)
        total = n if weights is None else weights.sum(dtype=np.float64)
    with np.errstate(divide="ignore"):  # rows of weight 0 only: the mean over nothing is NaN
        scale = float(times_power_of_two(np.divide(1.0, total), exponent))
    if weights is not None:
        weights = weights.astype(data.dtype)
    loss, grads = data.value_and_grad(Point(W, b), Batch(target, weights, scale), wrt)
    return loss, Gradients(
        *(
            gradient.astype(data.dtype, copy=False) if name in wrt else None
            for name, gradient in zip(Gradients._fields, grads, strict=True)
        )
    )
