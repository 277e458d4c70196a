"""
Digits, and what each class looks at
====================================

Softmax regression on images whose pixels are read as the bytes they are stored in. The digits that
come with the package are used unless the folder that the environment variable ``FASTSOFTMAX_DATA``
names has MNIST's four files in ``mnist`` (http://yann.lecun.com/exdb/mnist/).
"""

import os
from pathlib import Path

from fastsoftmax import SoftmaxRegression
from fastsoftmax.datasets import load_digits, load_mnist
from fastsoftmax.plotting import ConvergenceDisplay, WeightsDisplay

folder = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "mnist")
if folder.is_dir():
    X, y, X_test, y_test = load_mnist(folder)
    white, C, weak = 255, 0.01, 1
else:
    images, digits = load_digits()
    X, y, X_test, y_test = images[:1500], digits[:1500], images[1500:], digits[1500:]
    white, C, weak = 16, 0.1, 100
print(f"{X.shape[0]} images of {X.shape[1]} pixels, {X.dtype}")

# %%
# ``feature_scale`` makes 0..1 of the pixels as they are read: X is not copied in floating point.

model = SoftmaxRegression(C=C, feature_scale=1 / white).fit(X, y)
print(f"objective {model.objective_:.6f}, within 1e-6 of the optimum: {model.certified_}")
print(f"test accuracy {model.score(X_test, y_test):.4f}")

# %%
# The weights of a class are an image: ink where it is red speaks for the digit, where it is blue
# against it.

WeightsDisplay.from_estimator(model)

# %%
# A weak penalty makes a problem harder: some directions are curved much more than others. Plain
# L-BFGS then needs many passes over the images; the default solver first learns the curvature from
# some of the rows. Each curve is the relative gap to the optimum, which a fit to a tighter
# tolerance gives.

hard = {"C": weak, "feature_scale": 1 / white, "tol": 1e-5}
optimum = SoftmaxRegression(**hard | {"tol": 1e-9}).fit(X, y).objective_
curves = None
for solver in ("preconditioned-lbfgs", "lbfgs"):
    fitted = SoftmaxRegression(solver=solver, **hard).fit(X, y)
    print(f"{solver:21} {fitted.n_passes_:4.0f} passes, {fitted.history_[-1].seconds:.2f} s")
    axes = curves.ax_ if curves else None
    curves = ConvergenceDisplay.from_estimator(fitted, optimum=optimum, name=solver, ax=axes)
