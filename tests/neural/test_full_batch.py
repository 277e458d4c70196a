"""Networks trained by SciPy's L-BFGS: a fit that takes no step, and what ends one."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

from fastsoftmax import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(40, 3)), RNG.integers(0, 3, 40)


def classifier(**params):
    return MLPClassifier(**({"solver": "lbfgs", "random_state": 0} | params))


def test_the_loss_of_a_start_that_is_the_end():
    model = classifier(hidden_layer_sizes=(), init="zeros", tol=1e3).fit(X, y)
    assert model.n_iter_ == 0 and model.history_ == []
    assert model.loss_ == model.best_loss_ == pytest.approx(np.log(3), rel=1e-12)


@pytest.mark.parametrize(
    ("params", "reason"),
    [({"max_iter": 3}, "max_iter=3 epochs"), ({"max_fun": 4}, "max_fun=4 evaluations")],
)
def test_the_warning_names_the_limit(params, reason):
    with pytest.warns(ConvergenceWarning, match=rf"lbfgs: {reason}.* ended without"):
        model = classifier(hidden_layer_sizes=4, tol=0.0, **params).fit(X, y)
    assert 0 < model.n_iter_ <= 4
    z = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0) @ model.coefs_[1]
    losses = -log_softmax(z + model.intercepts_[1], axis=1)[np.arange(40), y]
    penalty = model.alpha / 2 * sum((W**2).sum() for W in model.coefs_) / 40
    assert model.loss_ == pytest.approx(losses.mean() + penalty, rel=1e-10)


@pytest.mark.parametrize("scale", [1e30, 1e25])
def test_a_loss_beyond_the_dtype_is_an_error(scale):
    model = MLPRegressor(solver="lbfgs", hidden_layer_sizes=4, random_state=0)
    with pytest.raises(FloatingPointError, match="the loss is not finite in epoch 1 at its end; "):
        model.fit((X * scale).astype(np.float32), y)
    assert all(np.isfinite(W).all() for W in model.coefs_)


def test_steps_that_overflow_are_not_taken():
    with pytest.raises(FloatingPointError, match="the loss is not finite"):
        classifier(hidden_layer_sizes=4).fit(X * 1e200, y)
