"""What calibration asks of a fit (part of `_validation`)."""

from fastsoftmax._validation import numbers as check


def folds(value: object, n: int, has_offset: bool, is_distributed: bool) -> int:
    """A number of folds, of rows that can be held out."""
    k = check.integer(value, "calibrate", least=2, most=n)
    for given, name in ((has_offset, "an offset"), (is_distributed, "partitions")):
        if given:
            raise ValueError(
                f"calibrate: expected None for a fit with {name}, got {k}: fit a temperature to "
                "logits of rows that were held out"
            )
    return k
