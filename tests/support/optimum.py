"""The objective of a fitted linear model in plain float64 NumPy, and how far it can be improved."""

import numpy as np
from scipy.special import logsumexp


def read_arff(path):
    """Features (n, D) and labels (n,) of an ARFF file whose last column is the label."""
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.lower().startswith("@data"))
    rows = [line.split(",") for line in lines[start + 1 :] if line and not line.startswith("%")]
    return np.array([row[:-1] for row in rows], float), np.array([row[-1] for row in rows])


def _class_logits(model, X):
    logits = np.asarray(X, float) @ model.coef_.astype(float).T + model.intercept_
    return np.column_stack([np.zeros(len(X)), logits]) if logits.shape[1] == 1 else logits


def _losses(logits, codes):
    return logsumexp(logits, axis=1) - logits[np.arange(len(codes)), codes]


def sum_objective(model, X, y, *, C, sample_weight=1.0):
    """C·Σ sᵢ·CEᵢ + ½·‖W‖²; for C = inf Σ sᵢ·CEᵢ."""
    codes = np.searchsorted(model.classes_, y)
    loss = np.sum(sample_weight * _losses(_class_logits(model, X), codes))
    if np.isinf(C):
        return loss
    return C * loss + 0.5 * np.sum(model.coef_.astype(float) ** 2)


def mean_gradient(model, X, y, *, C, sample_weight=None):
    """Gradients (K, D) and (K,) of F = Σ sᵢ·CEᵢ / Σ s + ½·‖W‖² / (C·Σ s), of W and of b.

    For one logit, its own: (1, D) and (1,).
    """
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    logits = _class_logits(model, X)
    error = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    error[np.arange(len(X)), np.searchsorted(model.classes_, y)] -= 1
    error *= (weights / weights.sum())[:, None]
    error = error[:, -len(model.coef_) :]
    return error.T @ X + model.coef_ / (C * weights.sum()), error.sum(axis=0)


def gap_bound(model, X, y, *, C):
    """At least as much as the sum objective can still fall, for three and more classes.

    With the intercepts at their optimum for the given W, the objective is 1-strongly convex in W,
    so that ½·‖∇_W‖² bounds the gap.
    """
    X = np.asarray(X, float)
    codes = np.searchsorted(model.classes_, y)
    logits = _class_logits(model, X)
    Y = np.eye(len(model.classes_))[codes]
    best = logits
    for _ in range(20):
        P = np.exp(best - logsumexp(best, axis=1, keepdims=True))
        gradient = (P - Y).sum(axis=0)
        if np.abs(gradient).max() < 1e-9:
            break
        hessian = np.diag(P.sum(axis=0)) - P.T @ P
        best = best - np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
    left_in_b = C * np.sum(_losses(logits, codes) - _losses(best, codes))
    gradient_W = C * (P - Y).T @ X + model.coef_
    return left_in_b + 0.5 * np.sum(gradient_W**2)
