"""Softmax regression as a scikit-learn style classifier."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Literal, Self

from numpy.typing import ArrayLike

from fastsoftmax._linear.inference.inference import Inference
from fastsoftmax._linear.model import LinearModel
from fastsoftmax._linear.partial_fit import PartialFit
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
        Inverse of the strength of the penalty, > 0; ``np.inf`` for none.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty, of 0..1: 0 for L2 alone, 1 for L1 alone. Above 0
        weights of little use are exactly 0 in ``coef_``.
    l1_group : "classes", array-like of shape (D,) or None, default=None
        What ‖W‖₁ sums: None, the absolute values of the weights; "classes", for each feature the
        Euclidean norm of its weights for all classes, as glmnet's ``type.multinomial="grouped"``,
        so that a feature is left out for all classes or for none [3]_; an array, with the number of
        each feature's group, the norms of the groups' weights for all classes. Two classes have one
        logit, and "classes" makes no difference there.
    fit_intercept : bool, default=True
        Whether to fit intercepts. They are not penalised.
    tol : float, default=1e-6
        A fit ends when its gap is proved to be small: ``gap_bound_ <= tol * objective_``; >= 0.
        Below an objective of 1e-13 F(0), F(0) being that of zero logits, the gap is to be at most
        ``1e-13 * tol * F(0)``. A tolerance below 1e-16 counts as 1e-16.
    max_iter : int, default=1000
        Iterations at most, >= 0; with 0 the model stays at its start.
    solver : str, default="auto"
        "preconditioned-lbfgs": L-BFGS preconditioned by a Gram matrix for each class, from rows
        drawn by importance, in the leading directions of the features where whole ones are dear;
        "lbfgs": without; "newton": with the exact Hessian, for up to 2048 parameters; "gd": batch
        gradient descent with a fixed step. With ``l1_ratio`` > 0 "proximal-newton": coordinate
        descent for the support, Newton's method on it. "dual-ascent": coordinate ascent of the dual
        problem, for two classes of a sparse X. "auto" takes "proximal-newton" with
        ``l1_ratio`` > 0, "newton" for tiny problems, "dual-ascent" where a strong penalty makes it
        the fastest, else the first.
    max_memory : int or None, default=None
        Bytes that a solver may keep beyond X and the model. What does not fit is done without: a
        pass for each trial of a step instead of stored logits, one Gram matrix for all classes,
        fewer vectors of history, no copy of float64 X in float32 to begin with. None: 512 MiB or a
        quarter of X, whichever is more. The kernels' scratch, at most 64 MiB, comes on top of what
        is given here, and so do some twenty float64 vectors of the size of ``coef_`` and copies of
        a sparse X, by columns and with merged features.
    feature_scale : float or array-like of shape (D,), default=None
        Factors of the features, > 0: the model is that of ``X * feature_scale``, ``coef_`` in its
        units, without a copy of X, as 1/255 for pixels in uint8. None for none.
    standardize : bool, default=False
        Whether to penalise as if the features had been divided by their standard deviations;
        ``coef_`` is in the units of X all the same. Conditioning needs none of it. A constant
        feature is penalised in its own units.
    penalty_factor : array-like of shape (D,), default=None
        Weights >= 0 of the features in the penalty, as glmnet has them, all 1 for None; a feature
        of weight 0 is not penalised. With ``C=np.inf`` they make no difference.
    class_weight : dict or "balanced", default=None
        Weights >= 0 of the classes, by label, 1 for those that are not named: factors of the
        weights of their rows. "balanced": so that all classes weigh the same. Labels that y lacks,
        as in a fold, are ignored if all of its labels are named.
    label_smoothing : float, default=0.0
        Share ε of a uniform distribution in the targets, (1 - ε) y + ε / K, as PyTorch has it;
        >= 0 and < 1. Weights of classes are then factors of their terms, as there, and sᵢ is their
        sum over a row's targets. The targets take n·K numbers.
    reference_class : label, default=None
        A class whose coefficients are to be 0: from those of all classes its are subtracted, which
        changes no probability. The fit, its penalty included, is the same. For two classes the one
        logit remains the log-odds of ``classes_[1]`` against ``classes_[0]``.
        With ``C=np.inf`` the fit goes on to the maximum of the likelihood in float64, and keeps
        what inference needs: see `summary`.
    calibrate : int or None, default=None
        Folds, >= 2, of which each is held out in turn, to find from the logits of its rows the
        ``temperature_`` by which `predict_proba` divides; costs a fit for each of them. None: the
        logits count as they are.
    n_threads : int or None, default=None
        Threads of the kernels, >= 1. None: as many as the processors this process may use, by its
        affinity, its cgroup's quota and ``OMP_NUM_THREADS``. The result does not depend on it.
    random_state : int, default=0
        Seed of the rows that "preconditioned-lbfgs" draws, and of their order in "dual-ascent".
    warm_start : bool, default=False
        Whether a further ``fit`` starts from the present coefficients and, on the same data, from
        what the last one learnt of its curvature: a path of several ``C``, from small to large,
        costs a few times its last fit.
    verbose : bool, default=False
        Whether to show progress on standard error: a bar in terminals and notebooks if tqdm is
        installed, else a line per second.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, in order.
    coef_ : ndarray of shape (K, D), or (1, D) for two classes
        Weights W.
    intercept_ : ndarray of shape (K,) or (1,)
        Intercepts b; of mean 0 for three and more classes, unless one is the ``reference_class``.
        Zeros without ``fit_intercept``.
    n_features_in_ : int
        Number of features, D.
    converged_ : bool
        Whether the gap is proved to be at most ``tol * objective_``, or, where float64 shows no
        bound, the exact Newton step that no more than that is left to gain. Never if F has no
        minimiser.
    certified_ : bool
        Whether the former holds, ``gap_bound_ <= tol * objective_``, or, of an objective below
        1e-13 F(0), the bound that ``tol`` names. Where F has no minimiser, as
        where a feature that is not penalised separates a class, it is false even if that holds:
        weights would go on for ever.
    objective_ : float
        F where the fit ended.
    grad_norm_ : float
        max |∇F| there, with respect to W and b.
    gap_bound_ : float
        No less than F - F* there: the duality gap at probabilities that are linearised along a
        Newton direction, computed in float64 [2]_. It is as a rule close to the gap itself.
        Infinite where nothing is proved, as with ``C=np.inf`` and many parameters.
        `certify` computes it for any model.
    n_iter_ : int
        Iterations.
    n_passes_ : float
        Passes over X, the two for means and variances of the features included; other products, as
        of a preconditioner, count by their multiply-adds.
    history_ : list of Iteration
        ``(objective, grad_norm, n_passes, seconds, gap, n_rounds, n_bytes)`` after each iteration;
        the gradient is not known, NaN, after epochs of "dual-ascent" but the last, and the
        objective nearly. The last two are of fits on engines: rounds so far, and bytes that this
        process sent workers and got from them.
    temperature_ : float
        Of a fit with ``calibrate``: probabilities are ``softmax((W x + b) / temperature_)``. It is
        1 where all rows that were held out are predicted rightly.
    standard_errors_, loglike, aic, bic, pseudo_r2
        What there is to infer from a fit with ``C=np.inf`` and a ``reference_class``; else asking
        raises a ValueError that says why not. More of it: `summary`, `conf_int`, `cov_params`.

    See Also
    --------
    fit : The same in one call.
    fastsoftmax.inference.results : More of inference: robust covariances, marginal effects.

    Notes
    -----
    A class all of whose rows have weight 0, by ``sample_weight`` or by ``class_weight``, is left
    out where there are intercepts: its own, which would fall without end, stays where its
    probability is about 1e-30, and the fit counts as converged when that of the other classes is,
    with ``C=np.inf`` too.

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
            Features, in the dtype and the memory they come in, which are never copied (see Notes);
            or rows with their labels and weights in blocks, which need not fit in memory, or in
            partitions, which workers hold, y and sample_weight being None then. An array or a frame
            of Dask's is either: its partitions are those of the current client, and without one its
            blocks are computed one after another. Of a sparse X compressed rows (CSR) of float32
            or float64 are used in place, with indices of 32 or 64 bits in any order; other formats
            are converted once.
        y : array-like of shape (n,) or (n, K)
            Labels: integers, booleans or strings, of at least two classes. Or a column for each
            class: floating numbers are probabilities, which sum to 1 in each row, and integers
            counts of events, of which a row with nᵢ counts as nᵢ rows. Integers that are all 0 or 1
            mean several labels per row, which `LogisticRegression` fits, unless ``target`` says
            otherwise.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, >= 0; they need not sum to anything.
        target : {"auto", "labels", "probabilities", "counts"}, default="auto"
            What y holds; "auto": as above, by its shape and dtype.
        classes : array-like of shape (K,), optional
            Names of y's columns, 0..K-1 if there are none; those of a frame count if they are
            given, as ``classes=y.columns``.
        offset : array-like of shape (n, K), or (n,) for two classes, optional
            Added to the logits of the rows, for the log-odds of ``classes_[1]`` where there are
            two: what is known of them from elsewhere. It is no part of the model: add it to
            `decision_function`.
        callback : callable, optional
            Called after each iteration with a `FitState`: its ``n_iter``, ``history``,
            ``objective``, ``grad_norm``, ``gap`` (an estimate of (F - F*) / F), ``n_passes`` and
            ``seconds``, and ``coef`` and ``intercept``, which are made when they are asked for. If
            what it returns is true the fit ends there; what it raises ends the fit too, the
            estimator being left as it was.

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

        A fit of dense float64 X begins in float32, on a copy within ``max_memory``, and ends in
        float64: so do values, coefficients and certificate.

        X may have any strides, be read-only or mapped from a file: its numbers are converted a few
        rows at a time, on their way through the cache. bfloat16 is that of ml_dtypes or of PyTorch;
        tensors and whatever else has ``__array__`` or ``__dlpack__`` are read where they lie, if
        that is in the processor's memory. Other numbers, objects among them, and views into
        structured arrays are copied; complex numbers and those in another machine's byte order
        are refused.
        """
        return self._fit(
            X, y, sample_weight, max_iter=self.max_iter, target=target, classes=classes,
            offset=offset, callback=callback, calibrate=self.calibrate,
        )  # fmt: skip


SoftmaxRegression.__module__ = "fastsoftmax"  # not earlier: dataclasses look KW_ONLY up there
