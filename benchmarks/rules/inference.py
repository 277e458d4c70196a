"""Passes to the maximum of the likelihood, and what standard errors are off by, by rule.

    python -m benchmarks.rules.inference

Each number of `LikelihoodRules` and `ScoringRules` at a quarter of what it is, and at four times
it. Passes are calls of `Likelihood.at`; differences are those of standard errors from the usual
ones, in shares of these.
"""

from dataclasses import fields
from functools import partial

import numpy as np

from benchmarks.rules.report import FACTORS, default, scaled
from fastsoftmax import SoftmaxRegression, inference
from fastsoftmax._linear.inference.evidence import sample_of
from fastsoftmax._linear.inference.likelihood import Likelihood, LikelihoodRules, maximum
from fastsoftmax._linear.inference.penalised_likelihood import ScoringRules
from fastsoftmax._linear.problem.problem import problem_of
from fastsoftmax._linear.problem.targets import referred


def problems():
    """Rows of few and many features, some of them nearly separated."""
    rng = np.random.default_rng(0)
    shapes = [(40, 2, 3), (60, 3, 3), (200, 4, 2), (500, 6, 5), (2000, 20, 4), (5000, 3, 10)]
    for n, d, k in shapes:
        for strength in (0.5, 5.0):
            X = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d))
            W = strength * rng.normal(size=(d, k)) / np.sqrt(d)
            yield X, (X / X.std(axis=0) @ W + rng.gumbel(size=(n, k))).argmax(axis=1)


def standard_errors(model, X, y):
    problem = problem_of(
        model, X, y, None, max_iter=1, Cs=[np.inf], target="auto", classes=None,
        offset=None, known=model.classes_, several_labels=False,
    )  # fmt: skip
    coef, intercept = referred(model.coef_, model.intercept_, 0)
    return np.sqrt(np.diagonal(maximum(sample_of(problem, 0), coef, intercept).covariance))


def of_maximum(models):
    """Standard errors, from where fits of a low precision ended."""
    for model, X, y in models:
        yield standard_errors(model, X, y)


def of_firth(given):
    """Standard errors with Firth's penalty."""
    for X, y in given:
        yield inference.firth(X, y).standard_errors


def measured(errors):
    """The passes of each problem, and its standard errors."""
    calls, at = [0], Likelihood.at

    def counted(self, *args, **options):
        calls[-1] += 1
        return at(self, *args, **options)

    Likelihood.at, found = counted, []
    try:
        for each in errors():
            found.append(each)
            calls.append(0)
    finally:
        Likelihood.at = at
    return np.array(calls[:-1]), found


def main():
    """Print a table."""
    given = list(problems())
    models = [(SoftmaxRegression(C=np.inf, tol=1e-3).fit(*each), *each) for each in given]
    small = [each for each in given if len(each[0]) < 1000]
    print("| number | value | a quarter: passes | differs by | four times: passes | differs by |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind, errors in (
        (LikelihoodRules, partial(of_maximum, models)),
        (ScoringRules, partial(of_firth, small)),
    ):
        passes, usual = measured(errors)
        print(f"| `{kind.__name__}`, as it is | | {passes.sum()} | | {passes.sum()} | |")
        for field in fields(kind):
            value, put, cells = getattr(kind, field.name), default(kind, field.name), []
            for factor in FACTORS:
                put(scaled(value, factor))
                try:
                    count, found = measured(errors)
                    off = max(np.abs(a / b - 1).max() for a, b in zip(found, usual, strict=True))
                    cells += [str(count.sum()), f"{off:.0e}" if off else "0"]
                except ValueError as error:
                    cells += ["", str(error)[:40]]
                put(value)
            print(f"| `{kind.__name__}.{field.name}` | {value:g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
