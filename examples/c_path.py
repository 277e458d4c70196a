"""
The path of C and its validation curve
======================================

A small C gives a simple model, a large C one that follows every image; held-out rows tell which
is better. ``SoftmaxRegressionCV`` fits all values of C and all folds as one job. A path of your
own, with ``warm_start``, shows how the weights grow.
"""

import numpy as np
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression, SoftmaxRegressionCV
from fastsoftmax.datasets import load_digits

X, y = load_digits()
X = X / 16
Cs = np.logspace(-3, 4, 22)

chosen = SoftmaxRegressionCV(Cs=Cs, cv=5).fit(X[:1200], y[:1200])
print(f"C = {chosen.C_:.3g}, accuracy on other rows {chosen.score(X[1200:], y[1200:]):.3f}")
print(f"{chosen.scores_.size} fits of folds: {chosen.fold_iterations_.sum()} iterations")

# %%
# The scores are minus the mean cross-entropy of the rows left out, one for each fold and C.

losses = -chosen.scores_
mean, error = losses.mean(axis=0), losses.std(axis=0, ddof=1) / np.sqrt(len(losses))
figure, axes = pyplot.subplots(figsize=(5.6, 3.6), layout="constrained")
axes.semilogx(Cs, losses.T, color="0.8", linewidth=0.8)
axes.errorbar(Cs, mean, yerr=error, fmt="o-", markersize=4, label="mean of five folds")
axes.axvline(chosen.C_, color="0.4", linestyle=":", label=f"C = {chosen.C_:.3g}")
axes.set(xlabel="C", ylabel="mean loss of rows left out, nats")
axes.legend(frameon=False)

# %%
# Each fit of a path starts from the one before. The whole path takes three to four times the passes
# that its last fit takes from zero.

path = SoftmaxRegression(warm_start=True)
weights, passes = [], 0.0
for C in Cs:
    path.set_params(C=C).fit(X[:1200], y[:1200])
    weights.append(path.coef_[3])
    passes += path.n_passes_
cold = SoftmaxRegression(C=Cs[-1]).fit(X[:1200], y[:1200])
print(f"{len(Cs)} fits: {passes:.0f} passes; the last one from zero: {cold.n_passes_:.0f}")

# %%

figure, axes = pyplot.subplots(figsize=(5.6, 3.6), layout="constrained")
axes.semilogx(Cs, weights, linewidth=0.8)
axes.axvline(chosen.C_, color="0.4", linestyle=":")
axes.set(xlabel="C", ylabel="weights of the pixels for a three")
