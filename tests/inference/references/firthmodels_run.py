"""Writes firthmodels.json: estimates with Firth's penalty by firthmodels (PyPI), where it is
installed: python firthmodels_run.py"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from firthmodels import FirthLogisticRegression

HERE = Path(__file__).parent


def problems():
    yield "separated", [[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).round(2)
    yield "few rows", X, (X @ [1.5, -0.5, 0.0] + rng.logistic(size=40) > 0.5).astype(int)
    X = np.column_stack([rng.normal(size=60).round(2), rng.integers(0, 2, 60)])
    y = (X[:, 0] + rng.logistic(size=60) > 0).astype(int)
    y[X[:, 1] == 1] = 1  # as one of the two columns says
    yield "partly separated", X, y


def run(X, y):
    model = FirthLogisticRegression(
        backend="numpy", gtol=1e-8, xtol=1e-8, max_iter=10_000, max_halfstep=60
    )
    model.fit(np.array(X), np.array(y))
    model.lrt()
    last = lambda values: np.roll(values, 1, axis=0).tolist()  # noqa: E731  the intercept first
    return {
        "X": np.array(X).tolist(),
        "y": np.array(y).tolist(),
        "params": [model.intercept_, *model.coef_.tolist()],
        "penalised_loglike": model.loglik_,
        "wald_errors": last(model.bse_),
        "profile_intervals": last(model.conf_int(0.05, method="pl", max_iter=1000, tol=1e-10)),
        "likelihood_ratio_p_values": last(model.lrt_pvalues_),
    }


if __name__ == "__main__":
    found = {
        "versions": {name: version(name) for name in ("firthmodels", "numpy", "scipy")},
        "problems": {name: run(X, y) for name, X, y in problems()},
    }
    (HERE / "firthmodels.json").write_text(json.dumps(found, indent=1) + "\n")
