"""
The path of C and its validation curve
======================================

Small C for simple models, large C for models that follow every image: held-out rows say which is
right. With ``warm_start`` a path from small to large C costs little more than its last fit.
"""

import numpy as np
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression, cross_entropy
from fastsoftmax.datasets import load_digits

X, y = load_digits()
X = X / 16
train, held_out = slice(1200), slice(1200, None)

model = SoftmaxRegression(warm_start=True)
Cs = np.logspace(-3, 4, 22)
passes, losses, coefs = 0.0, [], []
for C in Cs:
    model.set_params(C=C).fit(X[train], y[train])
    passes += model.n_passes_
    losses.append(
        [cross_entropy(model.decision_function(X[rows]), y[rows]) for rows in (train, held_out)]
    )
    coefs.append(model.coef_[3])  # what speaks for a three
cold = SoftmaxRegression(C=Cs[-1]).fit(X[train], y[train])
print(f"{len(Cs)} fits: {passes:.0f} passes; the last alone, from nothing: {cold.n_passes_:.0f}")

best = int(np.argmin([held_out_loss for _, held_out_loss in losses]))
print(f"least held-out loss {losses[best][1]:.3f} at C = {Cs[best]:.3g}")

# %%

figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.semilogx(Cs, losses, "o-", markersize=4, label=["training rows", "held-out rows"])
left.axvline(Cs[best], color="0.6", linestyle=":")
left.set(xlabel="C", ylabel="mean loss a row, nats")
left.legend(frameon=False)
right.semilogx(Cs, coefs, linewidth=0.8)
right.axvline(Cs[best], color="0.6", linestyle=":")
right.set(xlabel="C", ylabel="weights of class 3")
