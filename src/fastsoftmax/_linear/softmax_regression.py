"""Softmax regression as a scikit-learn style classifier."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Literal, Self

from numpy.typing import ArrayLike

from fastsoftmax._linear.inference.inference import Inference
from fastsoftmax._linear.model import LinearModel
from fastsoftmax._linear.partial_fit import OF_A_STREAM, PartialFit
from fastsoftmax._runtime.atomic import atomic
from fastsoftmax._runtime.callbacks import FitState
from fastsoftmax._runtime.typing import MatrixLike, Solver, Target
from fastsoftmax._validation import spellings
from fastsoftmax.blocks import Blocks
from fastsoftmax.partitions import Partitions


@spellings.naming_replacements
@dataclass(eq=False, repr=False)
class SoftmaxRegression(Inference, PartialFit, LinearModel):
    """Softmax (multinomial logistic) regression with an L2, L1 or elastic net penalty.

    Minimises, over the weights W (K, D) and the intercepts b (K,),

        F(W, b) = Σᵢ sᵢ·CEᵢ / Σᵢ sᵢ + (½·(1 - r)·‖W‖² + r·‖W‖₁) / (C·Σᵢ sᵢ),

    where r is ``l1_ratio``, CEᵢ = -log softmax(W xᵢ + b)[yᵢ] is the cross-entropy of row i, and sᵢ
    is its weight. The optimum is that of scikit-learn's ``LogisticRegression`` with the same ``C``
    and ``l1_ratio``. Two classes are fitted with one logit, the log-odds of ``classes_[1]``.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the strength of the penalty, > 0; ``np.inf`` means no penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty, from 0 to 1: 0 is L2 alone, 1 is L1 alone. If it is
        above 0, weights of little use become exactly 0 in ``coef_``.
    l1_group : "classes", array-like of shape (D,) or None, default=None
        The terms of which ‖W‖₁ is the sum. None: the absolute values of the weights. "classes": for
        each feature the Euclidean norm of its weights for all classes, as with glmnet's
        ``type.multinomial="grouped"``, so that a feature is left out for all classes or for none
        [3]_. An array gives the number of each feature's group: the norms of the groups' weights
        for all classes. Two classes have one logit, so that "classes" changes nothing there.
    fit_intercept : bool, default=True
        Whether to fit intercepts. They are not penalised.
    tol : float, default=1e-6
        Tolerance, >= 0. A fit converges when it has proved that its gap is small:
        ``gap_bound_ <= tol * objective_``. If the objective falls below 1e-13 F(0), F(0) being that
        of zero logits, the gap must be at most ``1e-13 * tol * F(0)`` instead. A tolerance below
        1e-16 counts as 1e-16.
    max_iter : int, default=1000
        Maximum number of iterations, >= 0; with 0 the model stays at its start.
    solver : str, default="auto"
        "preconditioned-lbfgs": L-BFGS with a preconditioner, a Gram matrix for each class from rows
        drawn by importance, restricted to the leading directions of the features where whole
        matrices would cost too much. "lbfgs": L-BFGS without a preconditioner. "newton": Newton's
        method with the exact Hessian, for up to 2048 parameters. "gd": batch gradient descent with
        a fixed step. "proximal-newton", for ``l1_ratio`` > 0: coordinate descent for the support,
        and Newton's method on it. "dual-ascent": coordinate ascent in the dual problem, for a
        sparse X with two classes. "auto" selects "proximal-newton" with ``l1_ratio`` > 0, "newton"
        for small problems, "dual-ascent" where a strong penalty makes it the fastest, and otherwise
        "preconditioned-lbfgs".
    max_memory : int or None, default=None
        Limit in bytes of what a solver keeps beyond X and the model; each use of memory has a share
        of it. A solver does without what does not fit: it makes a pass for each trial of a step
        instead of storing logits, takes one Gram matrix for all classes, keeps fewer vectors of
        history, and does not begin on a float32 copy of a float64 X. With ``l1_ratio`` > 0 it
        cannot do without the logits of all rows and, if X comes in blocks, the columns of the
        features in use: a limit that is too small for them is an error that says how many bytes are
        needed. None: 512 MiB or a quarter of X, whichever is more. The limit does not include the
        kernels' scratch, as a rule at most 64 MiB, some twenty float64 vectors of the size of
        ``coef_``, copies of a sparse X, by columns and with merged features, and up to five
        float64 arrays of shape (n, K) in fits by "newton", with ``calibrate`` or ``offset``, with
        features without a penalty, or where y holds probabilities or counts.
    feature_scale : float or array-like of shape (D,), default=None
        Factors of the features, > 0, such as 1/255 for pixels in uint8: the model is that of
        ``X * feature_scale``, and ``coef_`` and its standard errors are in those units, but X is
        not copied. None: no factors.
    standardize : bool, default=False
        Whether to penalise as if the features had been divided by their standard deviations;
        ``coef_`` stays in the units of X. Fits converge as well without it. A constant feature is
        penalised in its own units.
    penalty_factor : array-like of shape (D,), default=None
        Weights >= 0 of the features in the penalty, as in glmnet; a feature of weight 0 is not
        penalised. None: all are 1. With ``C=np.inf`` they have no effect.
    class_weight : dict or "balanced", default=None
        Weights >= 0 of the classes, by label, by which the weights of their rows are multiplied; 1
        for labels that are not named. "balanced": weights with which all classes have the same
        total weight. Labels that y lacks, as in a fold, are ignored if all labels of y are named.
    label_smoothing : float, default=0.0
        Share ε of a uniform distribution in the targets, (1 - ε) y + ε / K, as in PyTorch; >= 0 and
        < 1. The weights of classes then multiply the terms of the cross-entropy, also as in
        PyTorch, and sᵢ is their sum over a row's targets. The targets take n·K numbers of memory.
    reference_class : label, default=None
        A class whose coefficients shall be 0: they are subtracted from those of all classes, which
        changes no probability. The fit, with its penalty, is the same. With two classes the one
        logit remains the log-odds of ``classes_[1]`` against ``classes_[0]``. With ``C=np.inf`` the
        fit goes on to the maximum of the likelihood in float64, and keeps what inference needs: see
        `summary`.
    calibrate : int or None, default=None
        Number of folds, >= 2, with a warning if a class has fewer rows. Each is held out in turn,
        and the logits of its rows give the ``temperature_`` by which `predict_proba` divides. This
        costs a fit for each fold. None: the logits are used as they are.
    n_threads : int or None, default=None
        Threads of the kernels, >= 1. None: one for each processor that this process may use, by its
        affinity, its cgroup's quota and ``OMP_NUM_THREADS``. The result does not depend on the
        number.
    random_state : int, default=0
        Seed of the rows that "preconditioned-lbfgs" draws, and of their order in "dual-ascent".
    warm_start : bool, default=False
        Whether another ``fit`` starts from the present coefficients and, on the same data, reuses
        the previous fit's estimate of the curvature: a path of several ``C``, from small to large,
        costs a few times its last fit.
    verbose : bool, default=False
        Whether to show progress on standard error: a bar in terminals and notebooks if tqdm is
        installed, otherwise at most one line per second.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, in order.
    coef_ : ndarray of shape (K, D), or (1, D) for two classes
        Weights W.
    intercept_ : ndarray of shape (K,) or (1,)
        Intercepts b. With three or more classes their mean is 0, unless there is a
        ``reference_class``. Without ``fit_intercept`` they are 0.
    n_features_in_ : int
        Number of features, D.
    converged_ : bool
        Whether the gap is proved to be at most ``tol * objective_`` or, where float64 gives no
        bound, an exact Newton step would gain no more than that. False if F has no minimiser.
    certified_ : bool
        Whether ``gap_bound_ <= tol * objective_`` or, for an objective below 1e-13 F(0), the bound
        that ``tol`` names. If F has no minimiser, for example because a feature without a penalty
        separates a class, it is False whatever the bound is: the weights would grow without bound.
    objective_ : float
        F of the model.
    grad_norm_ : float
        max |∇F| there, with respect to W and b.
    gap_bound_ : float
        An upper bound on F - F* there: the duality gap at probabilities that are linearised along a
        Newton direction, computed in float64 [2]_. It is usually close to the gap itself. It is
        infinite where nothing is proved, for example with ``C=np.inf`` and many parameters.
        `certify` computes it for any model.
    n_iter_ : int
        Iterations.
    n_passes_ : float
        Passes over X, including the two for the means and variances of the features. Other
        products, such as those of a preconditioner, count by their multiply-adds.
    history_ : list of Iteration
        ``(objective, grad_norm, n_passes, seconds, gap, n_rounds, n_bytes)`` after each iteration.
        After an epoch of "dual-ascent", except the last, ``grad_norm`` is NaN and the objective is
        approximate. The last two fields belong to fits on engines: the rounds so far, and the bytes
        that this process has sent to workers and received from them.
    temperature_ : float
        Of a fit with ``calibrate``: probabilities are ``softmax((W x + b) / temperature_)``. It is
        1 if all rows that were held out are predicted correctly.
    standard_errors_, loglike, aic, bic, pseudo_r2
        Statistical inference from a fit with ``C=np.inf`` and a ``reference_class``. For other fits
        these attributes raise a ValueError that says why. See also `summary`, `conf_int`,
        `cov_params`.

    See Also
    --------
    fit : The same in one call.
    fastsoftmax.inference.results : More inference: robust covariances, marginal effects.

    Notes
    -----
    If there are intercepts, a class all of whose rows have weight 0, by ``sample_weight`` or by
    ``class_weight``, is left out. Its own intercept, which would fall without bound, stays where
    its probability is about 1e-30, and the fit counts as converged when that of the other classes
    has converged, with ``C=np.inf``, too.

    References
    ----------
    .. [1] Nocedal & Wright, Numerical Optimization, 2nd ed., Springer 2006, chapter 7.
    .. [2] Boyd & Vandenberghe, Convex Optimization, Cambridge 2004, section 5.7.1.
    .. [3] Simon, Friedman & Hastie, A blockwise descent algorithm for group-penalized multiresponse
       and multinomial regression, 2013, arXiv:1311.6529.

    Examples
    --------
    >>> from fastsoftmax import SoftmaxRegression
    >>> from fastsoftmax.datasets import load_digits
    >>> X, y = load_digits()
    >>> model = SoftmaxRegression(C=0.01).fit(X[:1500], y[:1500])
    >>> model.converged_
    True
    >>> bool(model.score(X[1500:], y[1500:]) > 0.9)
    True
    """

    C: float = 1.0
    _: KW_ONLY
    l1_ratio: float = 0.0
    l1_group: ArrayLike | Literal["classes"] | None = None
    fit_intercept: bool = True
    tol: float = 1e-6
    max_iter: int = 1000
    solver: Solver = "auto"
    max_memory: int | None = None
    feature_scale: ArrayLike | None = None
    standardize: bool = False
    penalty_factor: ArrayLike | None = None
    class_weight: Mapping[Hashable, float] | Literal["balanced"] | None = None
    label_smoothing: float = 0.0
    reference_class: Hashable = None
    calibrate: int | None = None
    n_threads: int | None = None
    random_state: int = 0
    warm_start: bool = False
    verbose: bool = False

    _saved = LinearModel._saved.and_also(**OF_A_STREAM)

    @property
    def penalty(self) -> str | None:
        """The penalty by scikit-learn's name, by which `SelectFromModel` knows of L1."""
        return spellings.name_of(self.l1_ratio)

    @atomic
    def fit(
        self,
        X: MatrixLike | Blocks | Partitions,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        target: Target = "auto",
        classes: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        callback: Callable[[FitState], object] | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix or array of shape (n, D), Blocks or Partitions
            Features, read in place in their own dtype and layout (see Notes). Blocks, which need
            not fit in memory, and partitions, which workers hold, contain labels and weights as
            well: y and sample_weight are then None. An array or a frame of Dask is fitted on the
            workers of the current client, or, without a client, block by block in this process.
            Compressed rows (CSR) of a sparse X of float32 or float64 are used in place, with
            indices of 32 or 64 bits in any order; other formats are converted once. With more than
            eight classes, or where one number for each feature and logit takes more than 64 MiB, a
            fit also keeps a copy of a sparse X by columns.
        y : array-like of shape (n,) or (n, K)
            Labels: integers, booleans or strings, of at least two classes. Or a column for each
            class: floating-point numbers are probabilities, which must sum to 1 in each row, and
            integers are counts of events, a row with nᵢ events counting as nᵢ rows. Integers that
            are all 0 or 1 mean several labels per row, which `LogisticRegression` fits, unless
            ``target`` says otherwise.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, >= 0: a row of weight 3 counts as three rows.
        target : {"auto", "labels", "probabilities", "counts"}, default="auto"
            What y holds; "auto": as above, by its shape and dtype.
        classes : array-like of shape (K,), optional
            Names of the columns of y; 0..K-1 by default. The names of the columns of a frame are
            used only if they are given, as ``classes=y.columns``.
        offset : array-like of shape (n, K), or (n,) for two classes, optional
            Known terms that are added to the logits of the rows; for two classes, to the log-odds
            of ``classes_[1]``. They are not part of the model: to predict, add them to
            `decision_function`.
        callback : callable, optional
            Called after each iteration with a `FitState`: its ``n_iter``, ``history``,
            ``objective``, ``grad_norm``, ``gap`` (an estimate of (F - F*) / F), ``n_passes`` and
            ``seconds``, and ``coef`` and ``intercept``, which are built when you ask for them. If
            it returns a true value, the fit ends there. If it raises an exception, the fit ends and
            the estimator stays as it was.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input or parameters out of range, naming the argument. The estimator is then as
            it was before.

        Warns
        -----
        ConvergenceWarning
            If the fit ended before its stopping rule was met.

        Notes
        -----
        ============================================================  ===========
        X                                                             computed in
        ============================================================  ===========
        bool, uint8, int8, uint16, int16, float16, bfloat16, float32  float32
        uint32, int32, uint64, int64, float64                         float64
        ============================================================  ===========

        A fit of a dense float64 X begins in float32, on a copy if ``max_memory`` permits it, and
        ends in float64; objective, coefficients and certificate are those of float64.

        X may have any strides, be read-only or mapped from a file: its numbers are converted a few
        rows at a time, while they are in cache. bfloat16 arrays may come from ml_dtypes or from
        PyTorch. Tensors and other objects with ``__array__`` or ``__dlpack__`` are read without a
        copy if they are in main memory. Arrays of other numbers or of objects, and views into
        structured arrays, are copied. Complex numbers and foreign byte orders raise an error.
        """
        return self._fit(
            X, y, sample_weight, max_iter=self.max_iter, target=target, classes=classes,
            offset=offset, callback=callback, calibrate=self.calibrate,
        )  # fmt: skip


SoftmaxRegression.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
