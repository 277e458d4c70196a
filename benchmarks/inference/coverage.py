"""How often intervals hold the coefficient that made the data: 1000 replications of each case.

    python -m benchmarks.inference.coverage

Errors of the shares are about 0.007.
"""

import warnings

import numpy as np

from fastsoftmax import SoftmaxRegression, inference

REPLICATIONS = 1000
B = np.array([[0.0, 0.0, 0.0], [0.3, 1.0, -0.5], [-0.2, 0.5, 0.8]])  # intercept, two features


def rows(rng, n, k, *, shared=0.0, groups=None):
    """Features, labels; of a group with a part of the features and of the logits in common."""
    X = rng.normal(size=(n, 2))
    noise = np.zeros((n, k))
    if groups is not None:
        X = np.sqrt(0.5) * (X + rng.normal(size=(groups.max() + 1, 2))[groups])
        noise = shared * rng.normal(size=(groups.max() + 1, k))[groups]
    z = np.column_stack([np.ones(n), X]) @ B[:k].T + noise
    return X, (z + rng.gumbel(size=(n, k))).argmax(axis=1)


def holds(found, alpha=0.05, target=None, **how):
    """Of each coefficient of a feature."""
    ends, known = found.conf_int(alpha, **how), B[1:] - B[0] if target is None else target
    known = known[: len(ends)]
    return ((ends[..., 0] <= known) & (known <= ends[..., 1]))[:, 1:].mean()


def share(case):
    values = [
        v for seed in range(REPLICATIONS) if (v := case(np.random.default_rng(seed))) is not None
    ]
    return np.mean(values), len(values)


def likelihood(n, k, cov_type):
    def case(rng):
        X, y = rows(rng, n, k)
        model = SoftmaxRegression(C=np.inf).fit(X, y)
        try:
            return holds(inference.results(model, X, y, cov_type=cov_type))
        except ValueError:  # separated
            return None

    return case


def clustered(n, cov_type, target):
    groups = np.arange(n) % 60

    def case(rng):
        X, y = rows(rng, n, 2, shared=1.5, groups=groups)
        model = SoftmaxRegression(C=np.inf).fit(X, y)
        known = groups if cov_type == "cluster" else None
        found = inference.results(model, X, y, cov_type=cov_type, groups=known)
        return holds(found, target=target)

    return case


def limit_of_clusters():
    """What the coefficients tend to, which the common parts draw to 0."""
    rng = np.random.default_rng(0)
    groups = np.arange(1_000_000) % 250_000
    X, y = rows(rng, len(groups), 2, shared=1.5, groups=groups)
    model = SoftmaxRegression(C=np.inf).fit(X, y)
    return np.column_stack([model.intercept_, model.coef_])


def firth(n, method):
    def case(rng):
        X, y = rows(rng, n, 2)
        if len(np.unique(y)) < 2:
            return None
        return holds(inference.firth(X, y), method=method)

    return case


def main():
    warnings.simplefilter("ignore")
    target = limit_of_clusters()
    cases = {
        "likelihood, 300 rows, K = 3, nonrobust": likelihood(300, 3, "nonrobust"),
        "likelihood, 300 rows, K = 3, HC0": likelihood(300, 3, "HC0"),
        "likelihood, 300 rows, K = 3, HC1": likelihood(300, 3, "HC1"),
        "likelihood, 600 rows in 60 groups, nonrobust": clustered(600, "nonrobust", target),
        "likelihood, 600 rows in 60 groups, cluster": clustered(600, "cluster", target),
        "likelihood, 25 rows, K = 2": likelihood(25, 2, "nonrobust"),
        "Firth, 25 rows, K = 2, Wald": firth(25, "wald"),
        "Firth, 25 rows, K = 2, profile": firth(25, "profile"),
    }
    print("| intervals of 95 % | replications | hold |\n|---|---|---|")
    for name, case in cases.items():
        found, count = share(case)
        print(f"| {name} | {count} | {found:.3f} |", flush=True)


if __name__ == "__main__":
    main()
