"""
Embeddings in float16, and a linear probe
=========================================

How much of a task do features of a frozen network already hold? A linear classifier on top of them
tells. Embeddings are often stored in float16; here they are read as they are, without a copy in
float32, and the strength of the penalty is chosen along a path of warm starts.

The embeddings are those of 13083 questions to a bank (BANKING77, 77 intents, CC BY 4.0), by
all-MiniLM-L6-v2. ``FASTSOFTMAX_DATA`` names the folder that holds ``embeddings/banking77.npz``.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression

path = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "embeddings", "banking77.npz")
if not path.is_file():
    print(f"no file {path}: set FASTSOFTMAX_DATA")
    sys.exit(0)
with np.load(path) as file:
    X, y, X_test, y_test = (file[part] for part in ("X_train", "y_train", "X_test", "y_test"))
    intents = file["classes"]
print(f"{X.shape[0]} questions, {X.shape[1]} features of {X.dtype}, {len(intents)} intents")

# %%
# One model, fitted again and again from weak to strong: each fit starts from the last one.

probe = SoftmaxRegression(warm_start=True)
Cs = np.logspace(-2, 2, 9)
accuracies = []
start = time.perf_counter()
for C in Cs:
    probe.set_params(C=C).fit(X, y)
    accuracies.append(probe.score(X_test, y_test))
print(f"{len(Cs)} fits in {time.perf_counter() - start:.2f} s")

# %%

figure, axes = pyplot.subplots(figsize=(5, 3.4), layout="constrained")
axes.semilogx(Cs, accuracies, "o-")
axes.set(xlabel="C", ylabel="test accuracy, share of rows")
axes.grid(alpha=0.3)

# %%
# Questions that were taken for another intent, and how sure the probe was of that.

probabilities = probe.predict_proba(X_test)
guesses = probabilities.argmax(axis=1)
wrong = np.flatnonzero(guesses != y_test)
for i in wrong[np.argsort(-probabilities[wrong, guesses[wrong]])][:5]:
    print(f"{probabilities[i].max():.3f}  {intents[y_test[i]]} taken for {intents[guesses[i]]}")
