"""Newsgroups from the words of a post: TF-IDF and softmax regression in a pipeline.

    python examples/text_20newsgroups.py FOLDER

FOLDER holds the by-date split, 20news-bydate-train.tar.gz and 20news-bydate-test.tar.gz; without it
the 20newsgroups folder of FASTSOFTMAX_DATA is taken. scikit-learn's LogisticRegression is timed
beside, unless --no-peer is given.
"""

import argparse
import os
import sys
import tarfile
import time
from pathlib import Path, PurePosixPath

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fastsoftmax import SoftmaxRegression


def posts(path):
    """Texts and newsgroups of an archive with a folder for each group and a file for each post."""
    texts, groups = [], []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                texts.append(archive.extractfile(member).read().decode("latin-1"))
                groups.append(PurePosixPath(member.name).parent.name)
    return texts, groups


def archives(folder):
    """Paths of the training and the test posts; exits with what is missing."""
    if folder is None and "FASTSOFTMAX_DATA" in os.environ:
        folder = Path(os.environ["FASTSOFTMAX_DATA"], "20newsgroups")
    if folder is None:
        sys.exit("20 Newsgroups: expected its folder as argument, or FASTSOFTMAX_DATA to be set")
    paths = [folder / f"20news-bydate-{part}.tar.gz" for part in ("train", "test")]
    for path in paths:
        if not path.is_file():
            sys.exit(f"20 Newsgroups: no file {path}")
    return paths


def main():
    parser = argparse.ArgumentParser(description="TF-IDF and softmax regression of 20 Newsgroups")
    parser.add_argument("folder", nargs="?", type=Path, help="where the two archives are")
    parser.add_argument("--C", type=float, default=10.0, help="inverse penalty (default: 10)")
    parser.add_argument("--no-peer", action="store_true", help="without scikit-learn's model")
    args = parser.parse_args()

    (train, groups), (test, test_groups) = map(posts, archives(args.folder))
    models = [SoftmaxRegression(C=args.C)]
    if not args.no_peer:
        models.append(LogisticRegression(C=args.C, solver="newton-cg"))
    for model in models:
        pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True), model)
        start = time.perf_counter()
        X = pipeline[0].fit_transform(train)
        read = time.perf_counter()
        model.fit(X, groups)
        fitted = time.perf_counter()
        accuracy = pipeline.score(test, test_groups)
        if model is models[0]:
            print(
                f"{X.shape[0]} posts of {len(model.classes_)} groups, {X.shape[1]} words, "
                f"{X.nnz} entries: TF-IDF in {read - start:.1f} s"
            )
        print(f"{type(model).__name__:20} {fitted - read:6.2f} s   test accuracy {accuracy:.4f}")

    model, words = models[0], pipeline[0].get_feature_names_out()
    print("\nwords that speak most for a group:")
    for group, weights in zip(model.classes_, model.coef_, strict=True):
        print(f"  {group:26} {' '.join(words[weights.argsort()[:-6:-1]])}")


if __name__ == "__main__":
    main()
