"""
A linear probe on embeddings in a Parquet file
==============================================

How much of a task do the features of a frozen network already hold? A linear classifier on top of
them tells. Embeddings are often stored in float16; they are read as they are, without a copy in
float32, and the strength of the penalty is chosen along a path of warm starts.

The embeddings here are made of the digits that come with the package, by a random network. If the
folder that the environment variable ``FASTSOFTMAX_DATA`` names has ``embeddings/banking77.npz``,
they are those of 13083 questions to a bank (BANKING77, https://github.com/PolyAI-LDN/task-specific-datasets,
CC BY 4.0), by all-MiniLM-L6-v2.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import polars
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression
from fastsoftmax.datasets import load_digits


def embedded_digits():
    """A layer of 384 random ReLU features of the digits, in float16, and their labels."""
    X, y = load_digits()
    random = np.random.default_rng(0)
    W = random.normal(size=(64, 384)) / 64
    return np.maximum(X @ W + random.normal(size=384), 0).astype(np.float16), y


path = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "embeddings", "banking77.npz")
if path.is_file():
    with np.load(path) as file:
        X, y = file["X_train"], file["classes"][file["y_train"]]
else:
    X, y = embedded_digits()
    y = np.char.add("digit ", y.astype(str))

# %%
# A Parquet file with one column of labels and one of embeddings, a list of numbers in each row,
# such as an image model writes for a folder of images. Of your own files only the two lines that
# read it are needed: the embeddings come as an array without a loop over rows.

folder = tempfile.TemporaryDirectory()
table = Path(folder.name, "embeddings.parquet")
polars.DataFrame({"label": y, "embedding": X.astype(np.float32)}).write_parquet(table)

frame = polars.read_parquet(table)
X, y = frame["embedding"].to_numpy().astype(np.float16), frame["label"].to_numpy()
folder.cleanup()

order = np.random.default_rng(0).permutation(len(X))
train, test = order[len(X) // 4 :], order[: len(X) // 4]
print(f"{len(train)} rows of {X.shape[1]} features in {X.dtype}, {len(np.unique(y))} classes")

# %%
# One model, fitted again and again from strong to weak penalties: each fit starts from the last.

probe = SoftmaxRegression(warm_start=True)
Cs = np.logspace(-3, 2, 11)
accuracies = []
start = time.perf_counter()
for C in Cs:
    probe.set_params(C=C).fit(X[train], y[train])
    accuracies.append(probe.score(X[test], y[test]))
print(f"{len(Cs)} fits in {time.perf_counter() - start:.2f} s")

# %%
# The accuracy on other rows rises with C and then levels off or falls: the best C is where it is
# highest. ``SoftmaxRegressionCV`` chooses it by cross-validation.

best = int(np.argmax(accuracies))
figure, axes = pyplot.subplots(figsize=(5, 3.4), layout="constrained")
axes.semilogx(Cs, accuracies, "o-")
axes.axvline(Cs[best], color="0.4", linestyle=":", label=f"best C = {Cs[best]:.2g}")
axes.set(xlabel="C", ylabel="accuracy on other rows")
axes.grid(alpha=0.3)
axes.legend(frameon=False)

# %%
# Rows that were taken for another class, and how sure the probe was of that.

probe.set_params(C=Cs[best]).fit(X[train], y[train])
probabilities = probe.predict_proba(X[test])
guesses = probe.classes_[probabilities.argmax(axis=1)]
wrong = np.flatnonzero(guesses != y[test])
for i in wrong[np.argsort(-probabilities[wrong].max(axis=1))][:5]:
    print(f"{probabilities[i].max():.3f}  {y[test][i]} taken for {guesses[i]}")
