"""
The group of a text from its words
==================================

TF-IDF and softmax regression in scikit-learn's pipeline. The matrix of the words is sparse and is
not made dense; all threads work on it.

The texts are made: 20 groups that share most words and prefer some of their own. If the folder that
the environment variable ``FASTSOFTMAX_DATA`` names has the archives of 20 Newsgroups by date
(http://qwone.com/~jason/20Newsgroups/) in ``20newsgroups``, they are its 18846 posts.
"""

import os
import tarfile
import time
from pathlib import Path, PurePosixPath

import numpy as np
from matplotlib import pyplot
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fastsoftmax import SoftmaxRegression, certify

folder = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "20newsgroups")


def posts(part):
    """Texts and newsgroups of an archive with a folder for each group and a file for each post."""
    texts, groups = [], []
    with tarfile.open(folder / f"20news-bydate-{part}.tar.gz") as archive:
        for member in archive:
            if member.isfile():
                texts.append(archive.extractfile(member).read().decode("latin-1"))
                groups.append(PurePosixPath(member.name).parent.name)
    return texts, groups


def made(n, seed):
    """n texts of 40 words from 20000, whose frequencies fall as 1 / rank, and their groups."""
    random, words = np.random.default_rng(seed), 20000
    common = 1 / np.arange(1, words + 1)
    groups = random.integers(0, 20, n)
    texts = []
    for group in groups:
        drawn = random.choice(words, 36, p=common / common.sum())
        own = 200 + 20 * random.integers(0, 80, 4) + group  # every 20th word is a group's own
        texts.append(" ".join(f"word{i}" for i in [*drawn, *own]))
    return texts, np.char.add("group ", groups.astype(str))


if folder.is_dir():
    (texts, groups), (test_texts, test_groups) = posts("train"), posts("test")
else:
    (texts, groups), (test_texts, test_groups) = made(4000, 0), made(1000, 1)
words = TfidfVectorizer(sublinear_tf=True)
X = words.fit_transform(texts)
print(f"{X.shape[0]} texts, {X.shape[1]} words, {X.nnz / X.shape[0]:.0f} of them in a text")

# %%
# The fit, and what it does on other texts, beside scikit-learn's defaults. ``certify`` says how far
# from its optimum a fit of either library can be.

for model in (LogisticRegression(C=10), SoftmaxRegression(C=10)):
    start = time.perf_counter()
    model.fit(X, groups)
    seconds = time.perf_counter() - start
    accuracy = make_pipeline(words, model).score(test_texts, test_groups)
    proof = certify(model.coef_, model.intercept_, X, groups, C=10)
    print(
        f"{type(model).__name__:18} {seconds:5.2f} s, test accuracy {accuracy:.4f}, "
        f"within {proof.gap_bound / proof.objective:.0e} of its optimum"
    )

# %%
# The words that speak most for some of the groups:

names = words.get_feature_names_out()
figure, panels = pyplot.subplots(2, 4, figsize=(10, 4.4), layout="constrained")
for axes, k in zip(panels.flat, range(0, 20, 2), strict=False):
    strongest = model.coef_[k].argsort()[-8:]
    axes.barh(names[strongest], model.coef_[k, strongest])
    axes.set_title(model.classes_[k], fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)

# %%
# With an L1 penalty most words get no weight at all; with this one some are left in each group.

sparse = SoftmaxRegression(C=1, l1_ratio=1, tol=1e-4).fit(X, groups)
print(f"{(sparse.coef_ != 0).sum()} of {sparse.coef_.size} weights are not 0")
print(f"test accuracy {make_pipeline(words, sparse).score(test_texts, test_groups):.4f}")
