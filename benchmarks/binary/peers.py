"""Fits of two classes without an intercept: from loose to tight, and each peer's default."""

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import fastsoftmax
from benchmarks.fit.peers import quietly

TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)


def ours(X, y, problem, threads):
    """tol is a certified gap."""

    def fit(tol=1e-6):
        model = fastsoftmax.SoftmaxRegression(
            problem.C, l1_ratio=float(problem.l1), fit_intercept=False, tol=tol, n_threads=threads
        )
        return quietly(lambda: model.fit(X, y))()[0]

    return [lambda tol=tol: fit(tol) for tol in (1e-6, 1e-7)], fit


def sklearn(solver, **more):
    def settings(X, y, problem, threads):
        common = {"C": problem.C, "fit_intercept": False, "l1_ratio": float(problem.l1)} | more

        def fit(**options):
            model = LogisticRegression(solver=solver, **common, **options)
            with threadpool_limits(threads):
                return quietly(lambda: model.fit(X, y))()[0]

        tight = [lambda tol=tol: fit(tol=tol, max_iter=5000) for tol in TOLERANCES[2:]]
        return tight, fit

    return settings


def snapml(dual):
    def settings(X, y, problem, threads):
        with warnings.catch_warnings():  # of NumPy's names
            warnings.simplefilter("ignore")
            from snapml import LogisticRegression as Snap
        if not isinstance(X, np.ndarray):  # it knows matrices alone
            from scipy.sparse import csr_matrix

            X = csr_matrix(X)
        labels = y.astype(np.float32)

        def fit(**options):
            model = Snap(
                regularizer=1 / problem.C, dual=dual, fit_intercept=False, n_jobs=threads,
                penalty="l1" if problem.l1 else "l2", **options,
            )  # fmt: skip
            return quietly(lambda: model.fit(X, labels))()[0]

        tight = [lambda tol=tol: fit(tol=tol, max_iter=5000) for tol in TOLERANCES[:-1]]
        return tight, fit

    return settings


def skglm(X, y, problem, threads):
    from skglm import SparseLogisticRegression

    X = X if isinstance(X, np.ndarray) else _columns(X)

    def fit(**options):
        model = SparseLogisticRegression(
            alpha=1 / (problem.C * len(y)), fit_intercept=False, **options
        )
        return quietly(lambda: model.fit(X, y))()[0]

    quietly(lambda: SparseLogisticRegression(max_iter=1).fit(X[:100], y[:100]))()  # compiles
    return [lambda tol=tol: fit(tol=tol, max_iter=200) for tol in TOLERANCES[2:]], fit


def celer(X, y, problem, threads):
    from celer import LogisticRegression as Celer

    X = np.asfortranarray(X, float) if isinstance(X, np.ndarray) else _columns(X)

    def fit(**options):
        return quietly(lambda: Celer(C=problem.C, **options).fit(X, y))()[0]

    return [lambda tol=tol: fit(tol=tol, max_iter=200) for tol in TOLERANCES[2:]], fit


def _columns(X):
    from scipy.sparse import csc_matrix

    return csc_matrix(X.astype(float))


L2 = {
    "fastsoftmax": ours,
    "SnapML dual": snapml(True),
    "SnapML primal": snapml(False),
    "liblinear primal": sklearn("liblinear"),
    "liblinear dual": sklearn("liblinear", dual=True),
    "scikit-learn lbfgs": sklearn("lbfgs"),
    "scikit-learn newton-cg": sklearn("newton-cg"),
}
L1 = {
    "fastsoftmax": ours,
    "skglm": skglm,
    "celer": celer,
    "liblinear": sklearn("liblinear"),
    "scikit-learn saga": sklearn("saga"),
}
