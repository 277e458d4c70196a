"""
Newsgroups from the words of a post
===================================

TF-IDF and softmax regression in scikit-learn's pipeline: 11314 posts, 130107 words, 20 groups. The
matrix of the words is sparse and stays so; all threads work on it. ``FASTSOFTMAX_DATA`` names the
folder that holds ``20newsgroups``, with the archives of the split by date.
"""

import os
import sys
import tarfile
import time
from pathlib import Path, PurePosixPath

from matplotlib import pyplot
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fastsoftmax import SoftmaxRegression

folder = Path(os.environ.get("FASTSOFTMAX_DATA", ""), "20newsgroups")
if not folder.is_dir():
    print(f"no folder {folder}: set FASTSOFTMAX_DATA")
    sys.exit(0)


def posts(part):
    """Texts and newsgroups of an archive with a folder for each group and a file for each post."""
    texts, groups = [], []
    with tarfile.open(folder / f"20news-bydate-{part}.tar.gz") as archive:
        for member in archive:
            if member.isfile():
                texts.append(archive.extractfile(member).read().decode("latin-1"))
                groups.append(PurePosixPath(member.name).parent.name)
    return texts, groups


texts, groups = posts("train")
words = TfidfVectorizer(sublinear_tf=True)
X = words.fit_transform(texts)
print(f"{X.shape[0]} posts, {X.shape[1]} words, {X.nnz / X.shape[0]:.0f} of them in a post")

# %%
# The fit, and what it does on later posts, beside scikit-learn's with its fastest solver here:

test_texts, test_groups = posts("test")
theirs = LogisticRegression(C=10, solver="newton-cg")
for model in (theirs, SoftmaxRegression(C=10)):
    start = time.perf_counter()
    model.fit(X, groups)
    seconds = time.perf_counter() - start
    accuracy = make_pipeline(words, model).score(test_texts, test_groups)
    print(f"{type(model).__name__:18} {seconds:5.2f} s, test accuracy {accuracy:.4f}")

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
# With an L1 penalty most words get no weight at all; with this one some fifty are left a group.

sparse = SoftmaxRegression(C=1, l1_ratio=1, tol=1e-4).fit(X, groups)
print(f"{(sparse.coef_ != 0).sum()} of {sparse.coef_.size} weights are not 0")
print(f"test accuracy {make_pipeline(words, sparse).score(test_texts, test_groups):.4f}")
