"""
Soft labels: what several annotators saw
========================================

Annotators disagree, and their disagreement carries information. Instead of a majority vote, ``y``
may hold the counts: a column per class with the number of annotators who chose it.
"""

import numpy as np
from matplotlib import pyplot

from fastsoftmax import SoftmaxRegression, cross_entropy
from fastsoftmax.datasets import load_digits

# %%
# Five simulated annotators read digits. Each choice is drawn from probabilities that are near 1 for
# clear images and spread over several digits for others.

X, digits = load_digits()
X = X / 16
chances = SoftmaxRegression(C=0.03).fit(X, digits).predict_proba(X)
counts = np.random.default_rng(0).multinomial(5, chances)
train, test = slice(1200), slice(1200, None)

votes = counts.argmax(axis=1)
print("choices of the annotators, first images:")
print(counts[:5])
print(f"the vote is right on {np.mean(votes == digits):.3f} of the images")

# %%
# A model of the counts beside one of the votes, on images that neither has seen: how often each
# finds the digit, and how well it predicts what annotators choose. A row of five events weighs as
# five rows, so that a fifth of the C gives the same penalty.

by_votes = SoftmaxRegression(C=1.0).fit(X[train], votes[train])
by_counts = SoftmaxRegression(C=0.2).fit(X[train], counts[train])
for name, model in {"votes": by_votes, "counts": by_counts}.items():
    loss = cross_entropy(model.decision_function(X[test]), counts[test])
    accuracy = model.score(X[test], digits[test])
    print(f"{name:6} accuracy {accuracy:.3f}, loss of an annotator's choice {loss:.3f}")

# %%
# A model should be more certain where more annotators agree.

agreement = counts[test].max(axis=1)
figure, axes = pyplot.subplots(figsize=(5, 3.4), layout="constrained")
for name, model in {"votes": by_votes, "counts": by_counts}.items():
    sure = model.predict_proba(X[test]).max(axis=1)
    axes.plot(range(2, 6), [sure[agreement == k].mean() for k in range(2, 6)], "o-", label=name)
axes.plot(range(2, 6), np.arange(2, 6) / 5, "k:", label="share that agrees")
axes.set(xlabel="annotators who agree", ylabel="mean largest probability", xticks=range(2, 6))
axes.grid(alpha=0.3)
axes.legend(frameon=False)
