"""The peers: FISTA in plain NumPy, and adelie (PyPI), which has a Python of its own."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def objective(X, y, W, b, C):
    """Mean cross-entropy and Σ ‖w_j‖ / (C n), in NumPy."""
    z = X @ W.T + b
    z -= z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]
    return losses.mean() + np.linalg.norm(W, axis=0).sum() / (C * len(y))


def fista(X, y, C, wanted, limit):
    """(seconds, objective) of FISTA with restarts until the objective is as low as is wanted.

    Features are centred first, which the penalty does not notice; a constant feature stands for the
    intercept. The step is 1 / L, L half the largest eigenvalue of XᵀX / n.
    """
    began = time.perf_counter()
    n, k = len(y), int(y.max()) + 1
    means = X.mean(axis=0)
    U = np.column_stack([X - means, np.full(n, np.sqrt(X.var(axis=0).mean()))])
    step = 2 * n / np.linalg.norm(U.T @ U, 2)
    Y, lam = np.eye(k)[y], 1 / (C * n)
    W = V = np.zeros((U.shape[1], k))
    momentum, checked, value = 1.0, 0.0, np.inf
    while True:
        for _ in range(10):
            z = U @ V
            P = np.exp(z - z.max(axis=1, keepdims=True))
            P /= P.sum(axis=1, keepdims=True)
            new = V - step * (U.T @ (P - Y) / n)
            norms = np.linalg.norm(new[:-1], axis=1, keepdims=True)
            new[:-1] *= np.maximum(1 - step * lam / np.maximum(norms, 1e-300), 0)
            if np.vdot(V - new, new - W) > 0:
                momentum = 1.0
            faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            V = new + (momentum - 1) / faster * (new - W)
            W, momentum = new, faster
        start = time.perf_counter()
        coef = W[:-1].T
        value = objective(X, y, coef, W[-1] * U[0, -1] - coef @ means, C)
        checked += time.perf_counter() - start  # its time does not count
        spent = time.perf_counter() - began - checked
        if value <= wanted or spent > limit:
            return spent, value


def adelie(python, X, y, Cs, tol, threads, limit):
    """(seconds, W, b) of adelie for Cs, ascending: (len(Cs), K, D). None beyond the limit."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "given.npz"), X=X, y=y, Cs=Cs)
        command = [python, __file__, folder, repr(tol), str(threads)]
        try:
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        seconds = json.loads(run.stdout)
        found = np.load(Path(folder, "found.npz"))
        return seconds, found["W"], found["b"]


def run_adelie(folder, tol, threads):
    """What runs in adelie's Python: its loss is the mean cross-entropy divided by K."""
    import adelie as ad

    given = np.load(Path(folder, "given.npz"))
    X, y, Cs = np.asfortranarray(given["X"]), given["y"], given["Cs"]
    k = int(y.max()) + 1
    few = np.asfortranarray(X[:200]), ad.glm.multinomial(np.eye(k)[y[:200]])
    ad.grpnet(*few, lmda_path_size=3, progress_bar=False)  # which loads what is loaded once
    glm, start = ad.glm.multinomial(np.eye(k)[y]), time.perf_counter()
    state = ad.grpnet(
        X, glm, lmda_path=1 / (Cs * len(y) * k), penalty=np.ones(X.shape[1]), tol=tol,
        irls_tol=tol, n_threads=threads, early_exit=False, adev_tol=1.0, progress_bar=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    betas = np.asarray(state.betas.todense())
    W = betas.reshape(len(betas), -1, k).transpose(0, 2, 1)
    np.savez(Path(folder, "found.npz"), W=W, b=state.intercepts)
    print(seconds)


if __name__ == "__main__":
    run_adelie(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
