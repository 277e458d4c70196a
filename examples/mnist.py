"""
Digits, and what each class looks at
====================================

Softmax regression on MNIST, its pixels read as the bytes they are stored in, to a certified optimum
in a few passes over the images. Without MNIST at hand the digits that come with the package do.
"""

import os
from pathlib import Path

from fastsoftmax import SoftmaxRegression
from fastsoftmax.datasets import load_digits, load_mnist
from fastsoftmax.plotting import ConvergenceDisplay, WeightsDisplay

folder = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "mnist")
if folder.is_dir():
    X, y, X_test, y_test = load_mnist(folder)
    white = 255
else:
    images, digits = load_digits()
    X, y, X_test, y_test = images[:1500], digits[:1500], images[1500:], digits[1500:]
    white = 16
print(f"{X.shape[0]} images of {X.shape[1]} pixels, {X.dtype}")

# %%
# ``feature_scale`` makes 0..1 of the pixels as they are read: X is not copied in floating point.

model = SoftmaxRegression(C=0.01, feature_scale=1 / white).fit(X, y)
print(f"{model.n_passes_:.0f} passes over the images, {model.history_[-1].seconds:.2f} s")
print(f"objective {model.objective_:.6f}, at most {model.gap_bound_:.1e} above the optimum")
print(f"test accuracy {model.score(X_test, y_test):.4f}")

# %%
# The weights of a class are an image: ink where it is red speaks for the digit, where it is blue
# against it.

WeightsDisplay.from_estimator(model)

# %%
# How far the objective was from the optimum after each pass. The optimum is taken from a fit to a
# tighter tolerance.

optimum = SoftmaxRegression(C=0.01, feature_scale=1 / white, tol=1e-9).fit(X, y).objective_
plain = SoftmaxRegression(C=0.01, feature_scale=1 / white, solver="lbfgs").fit(X, y)
display = ConvergenceDisplay.from_estimator(model, optimum=optimum, name="preconditioned L-BFGS")
ConvergenceDisplay.from_estimator(plain, optimum=optimum, name="L-BFGS", ax=display.ax_)
