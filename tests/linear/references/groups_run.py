"""Writes groups.json: fits with penalties of groups, as conic problems by cvxpy with Clarabel, and
by glmnet, where these are installed: python groups_run.py

glmnet (R) is run by groups_run.R; its penalty is λ Σ (α ‖w_j‖ + (1 - α)/2 ‖w_j‖²) beside the mean
loss, so that C = 1 / (λ n).
"""

import json
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import cvxpy as cp
import numpy as np

HERE = Path(__file__).parent
TIGHT = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "max_iter": 500}


def problem(n=90, d=7, k=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).round(2) * [1, 2, 0.5, 1, 1, 3, 1]
    y = np.argmax(X[:, :k] @ rng.normal(size=(k, k)) + rng.gumbel(size=(n, k)), axis=1)
    return X, y, rng.integers(1, 4, n).astype(float)


CASES = [
    {"C": 0.1, "l1_ratio": 1.0, "l1_group": "classes"},
    {"C": 0.3, "l1_ratio": 0.5, "l1_group": "classes"},
    {"C": 0.1, "l1_ratio": 1.0, "l1_group": "classes", "weighted": True},
    {"C": 0.1, "l1_ratio": 0.8, "l1_group": "classes", "penalty_factor": [1, 2, 0.5, 0, 1, 1, 3]},
    {"C": 0.1, "l1_ratio": 1.0, "l1_group": "classes", "fit_intercept": False},
    {"C": 0.05, "l1_ratio": 1.0, "l1_group": [0, 0, 1, 1, 2, 2, 2]},
    {"C": 0.05, "l1_ratio": 0.5, "l1_group": [0, 1, 0, 1, 2, 2, 2], "two_classes": True},
]


def conic(case):
    X, y, s = problem()
    s = s if case.get("weighted") else np.ones(len(y))
    K = 3
    if case.get("two_classes"):
        y, K = np.minimum(y, 1), 1
    d = X.shape[1]
    W, b = cp.Variable((K, d)), cp.Variable(K)
    logits = X @ W.T
    if case.get("fit_intercept", True):
        logits = logits + np.ones((len(y), 1)) @ cp.reshape(b, (1, K), order="C")
    if K == 1:
        losses = cp.logistic(logits[:, 0]) - cp.multiply(y, logits[:, 0])
    else:
        losses = cp.log_sum_exp(logits, axis=1) - cp.sum(cp.multiply(np.eye(K)[y], logits), axis=1)
    groups = np.arange(d) if case["l1_group"] == "classes" else np.array(case["l1_group"])
    factors, r = np.array(case.get("penalty_factor", np.ones(d)), float), case["l1_ratio"]
    norms = sum(
        factors[groups == g][0] * cp.norm(W[:, groups == g], "fro") for g in np.unique(groups)
    )
    squares = cp.sum(cp.multiply(factors, cp.sum(cp.square(W), axis=0)))
    penalty = (r * norms + (1 - r) / 2 * squares) / case["C"]
    least = cp.Problem(cp.Minimize((s @ losses + penalty) / s.sum()))
    value = least.solve(solver=cp.CLARABEL, **TIGHT)
    intercept = (
        b.value - b.value.mean() * (K > 1) if case.get("fit_intercept", True) else np.zeros(K)
    )
    return {
        "case": case,
        "objective": value,
        "coef": W.value.tolist(),
        "intercept": intercept.tolist(),
    }


def glmnet():
    X, y, _ = problem()
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(Path(folder, "X.csv"), X, delimiter=",", fmt="%.17g")
        np.savetxt(Path(folder, "y.csv"), y, fmt="%d")
        command = ["Rscript", HERE / "groups_run.R", folder]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


if __name__ == "__main__":
    X, y, s = problem()
    versions = {name: version(name) for name in ("cvxpy", "clarabel", "numpy")}
    found = {
        "versions": versions, "X": X.tolist(), "y": y.tolist(), "weights": s.tolist(),
        "conic": [conic(case) for case in CASES], "glmnet": glmnet(),
    }  # fmt: skip
    (HERE / "groups.json").write_text(
        json.dumps(found, separators=(",", ":")).replace("},{", "},\n{") + "\n"
    )
