"""Estimators whose solver has other options than users can set."""

from dataclasses import replace

from fastsoftmax import SoftmaxRegression


class Tuned(SoftmaxRegression):
    """`SoftmaxRegression` with other rules of lines and rebuilds: `Options.line`, `.rebuilds`."""

    _options = None

    def tuned(self, **options):
        """Solve with these options from now on; returns the estimator."""
        self._options = options
        return self

    def _minimize(self, problem, *args):
        options = replace(problem.options, **self._options or {})
        return super()._minimize(problem._replace(options=options), *args)
