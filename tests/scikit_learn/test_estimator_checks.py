"""Every estimator passes scikit-learn's own checks, but for those that are argued for."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks
from support.estimator_checks import INSTANCES, expected_failures

import fastsoftmax
from fastsoftmax import _linear, _neural

CHECKS = parametrize_with_checks(
    [estimator for estimator, _ in INSTANCES], expected_failed_checks=expected_failures
).mark


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:(l1_ratios|penalty|scoring|use_legacy_attributes)",  # as scikit-learn's
    "ignore:cv. expected at least",  # of small classes, as its splitters
)
@pytest.mark.parametrize(
    CHECKS.args[0],
    list(CHECKS.args[1]),  # a generator before scikit-learn 1.7, of which pytest warns
    **CHECKS.kwargs,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_every_estimator_is_checked():
    estimators = {
        thing
        for package in (fastsoftmax, _linear, _neural)
        for thing in (getattr(package, name) for name in package.__all__)
        if isinstance(thing, type) and hasattr(thing, "predict")
    }
    assert {type(estimator) for estimator, _ in INSTANCES} == estimators
