"""The checks of what users pass in that most of the package needs, by one name.

Every error message about input is written in `_validation`: it names the argument, says what was
expected and what came. Nothing that is passed in is modified.
"""

# ruff: noqa: F401

from fastsoftmax._validation.arrays import (
    as_array,
    as_floats,
    as_targets,
    coefficients,
    feature_scale,
    features,
    floats_for,
    has_spread,
    in_whole_steps,
    is_finite,
    real_array,
    require_finite,
    shared_output,
    shown,
    spread,
)
from fastsoftmax._validation.functions import (
    axes,
    axis_or_dim,
    broadcast_together,
    exponentials_dtype,
    factors_of_exp,
    float_dtype,
    floating,
    floating_pair,
    not_empty,
    one_axis,
    output,
    overlap,
)
from fastsoftmax._validation.loss_targets import (
    class_indices,
    labels_or_ignored,
    no_ignore_index,
    row_targets,
    several_logits,
    targets,
)
from fastsoftmax._validation.models import (
    finite_attributes,
    finite_model,
    linear_model,
    logits_within_float64,
    no_intercept,
)
from fastsoftmax._validation.numbers import (
    flag,
    fraction,
    integer,
    inverse_temperature,
    max_memory,
    meant,
    number,
    one_of,
    reduction,
    same_shape,
    some_of,
    threads,
    verbosity,
    within,
)
from fastsoftmax._validation.weights import (
    class_weight,
    offset,
    penalty,
    penalty_factor,
    sample_weight,
    some_weight,
    usable_sum,
    vector,
    weights,
    weights_of_a_part,
)
