"""What is timed in company; run as a process, one call for each line that comes in.

    python -m benchmarks.company.workloads NAME N_THREADS

prints "ready", then the milliseconds of each call. N_THREADS of 0 is the library's default.
"""

import ctypes
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def digits(n_threads):
    from fastsoftmax import SoftmaxRegression
    from fastsoftmax.datasets import load_digits

    X, y = load_digits()
    return lambda: SoftmaxRegression(n_threads=n_threads).fit(X, y).certified_


def after_openmp(n_threads):
    """The digits, in a process that has loaded the system's OpenMP before."""
    ctypes.CDLL("libgomp.so.1")
    return digits(n_threads)


def after_torch(n_threads):
    """The digits, in a process that has computed with PyTorch before."""
    import torch

    torch.ones(2000, 2000).exp().sum()
    return digits(n_threads)


def beside_numpy(n_threads):
    """The digits, after each a product by NumPy, whose threads spin for a while."""
    fit, A = digits(n_threads), np.ones((1500, 1500), np.float32)

    def call():
        A @ A
        return fit()

    return call


def letter(n_threads):
    return fit_of("letter", n_threads)


def banking77(n_threads):
    return fit_of("banking77", n_threads)


def fit_of(name, n_threads):
    from benchmarks.fit.problems import load
    from fastsoftmax import SoftmaxRegression

    X, y = load(name)
    return lambda: SoftmaxRegression(n_threads=n_threads).fit(X, y).certified_


def softmax(n_threads):
    import fastsoftmax

    Z = np.random.default_rng(0).normal(size=(100_000, 10)).astype(np.float32)
    out = np.empty_like(Z)

    def call():
        fastsoftmax.softmax(Z, out=out, n_threads=n_threads)
        return abs(out[0].sum() - 1) < 1e-6

    return call


def wide_pass(n_threads):
    """Loss and gradient of 20000 rows, 4096 features, 100 classes."""
    import fastsoftmax

    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 4096)).astype(np.float32)
    W, b, y = (
        np.zeros((100, 4096), np.float32),
        np.zeros(100, np.float32),
        rng.integers(100, size=20_000),
    )

    def call():
        loss = fastsoftmax.linear_cross_entropy_value_and_grad(X, W, b, y, n_threads=n_threads)[0]
        return abs(loss - np.log(100)) < 1e-5

    return call


def network(n_threads):
    from fastsoftmax import MLPClassifier
    from fastsoftmax.datasets import load_digits

    X, y = load_digits()
    return lambda: (
        MLPClassifier((64,), max_iter=5, random_state=0, n_threads=n_threads).fit(X, y).score(X, y)
        > 0.5
    )


def selection(n_threads):
    from fastsoftmax import SoftmaxRegressionCV
    from fastsoftmax.datasets import load_digits

    X, y = load_digits()
    Cs = np.logspace(-4, 1, 6)
    return lambda: SoftmaxRegressionCV(Cs=Cs, cv=3, n_threads=n_threads).fit(X, y).certified_


def threads_predicting(n_threads):
    """16 Python threads, each predicting 200 times 100 rows."""
    from fastsoftmax import SoftmaxRegression
    from fastsoftmax.datasets import load_digits

    X, y = load_digits()
    model = SoftmaxRegression(n_threads=n_threads).fit(X, y)

    def predict(i):
        return sum(len(model.predict_proba(X[i : i + 100])) for _ in range(200))

    pool = ThreadPoolExecutor(16)
    return lambda: sum(pool.map(predict, range(16))) == 16 * 200 * 100


def jobs(n_threads, backend, n_jobs):
    """Eight fits of the digits by joblib."""
    from joblib import Parallel, delayed

    return lambda: all(Parallel(n_jobs, backend)(delayed(fit_digits)(n_threads) for _ in range(8)))


def fit_digits(n_threads):
    return digits(n_threads)()


def two_jobs(n_threads):
    return jobs(n_threads, "threading", 2)


def four_jobs(n_threads):
    return jobs(n_threads, "threading", 4)


def two_processes(n_threads):
    return jobs(n_threads, "loky", 2)


def four_processes(n_threads):
    return jobs(n_threads, "loky", 4)


WORKLOADS = (
    digits, after_openmp, after_torch, beside_numpy, letter, banking77, softmax, wide_pass, network,
    selection, threads_predicting, two_jobs, four_jobs, two_processes, four_processes,
)  # fmt: skip


def main(name, n_threads):
    warnings.simplefilter("ignore")
    call = {w.__name__: w for w in WORKLOADS}[name](int(n_threads) or None)
    if not call():
        raise SystemExit(f"{name}: the result is wrong")
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        call()
        print(1e3 * (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
