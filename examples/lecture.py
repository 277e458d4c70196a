r"""
Softmax regression, from the formula to the optimum
===================================================

The first half of a lecture in one program: the softmax, the loss, its gradient, gradient descent,
and what a solver does better. Each step is one call, checked against the formula in NumPy.
"""

import numpy as np
from matplotlib import pyplot

from fastsoftmax import (
    MLPClassifier,
    SoftmaxRegression,
    linear_cross_entropy_value_and_grad,
    one_hot,
    softmax,
)
from fastsoftmax.datasets import load_digits
from fastsoftmax.plotting import ComparisonDisplay, WeightsDisplay

X, y = load_digits()
X, Y = X / 16, one_hot(y)
N, D, K = *X.shape, 10
print(f"{N} images of {D} pixels, {K} digits")

# %%
# The hypothesis is :math:`a = \mathrm{softmax}(W x + b)`, and the loss the mean of
# :math:`-\log a_y`. With all weights 0 each digit has the probability 1/10, so the loss is log 10.

W, b = np.zeros((K, D)), np.zeros(K)
A = softmax(X @ W.T + b)
loss = -np.log(A[np.arange(N), y]).mean()
print(f"loss {loss:.4f}, log 10 = {np.log(10):.4f}")

# %%
# The derivative by the logits is :math:`\delta = a - y`, and by the weights
# :math:`\nabla_W L = \frac{1}{N} (A - Y)^\top X`. One call computes loss and gradient in one pass.

value, gradient = linear_cross_entropy_value_and_grad(X, W, b, y)
print(np.allclose(value, loss), np.allclose(gradient.W, (A - Y).T @ X / N))

# %%
# Gradient descent: :math:`W \leftarrow W - \eta \nabla_W L`.

losses = []
for _ in range(100):
    value, gradient = linear_cross_entropy_value_and_grad(X, W, b, y)
    W -= 1.0 * gradient.W
    b -= 1.0 * gradient.b
    losses.append(value)
print(f"after 100 steps the loss is {losses[-1]:.4f}")

figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
axes.semilogy(losses)
axes.set(xlabel="steps of gradient descent", ylabel="loss")

# %%
# A step per mini-batch learns faster than a step per pass over all rows. Fifty passes with batches
# of 32, of 256 and of all rows:

fits = {
    f"batches of {size}": MLPClassifier(
        (), solver="sgd", learning_rate_init=0.1, batch_size=size, n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X, y, callback=lambda state: state.n_iter == 50)
    for size in (32, 256, N)
}  # fmt: skip
ComparisonDisplay.from_estimators(fits, x="passes")

# %%
# The loss has no minimum where a linear model can separate all rows: weights grow for ever. A small
# penalty, :math:`\|W\|^2 / (2 C N)`, gives it one, and a solver that learns the curvature reaches
# it in a few passes, and proves that it has.

model = SoftmaxRegression(C=10).fit(X, y)
print(f"{model.n_passes_:.0f} passes, objective {model.objective_:.4f}, proved: {model.certified_}")
WeightsDisplay.from_estimator(model)
