"""What `LogisticRegressionCV` keeps of its folds, in the forms that scikit-learn gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._linear.cv.folds import Fit
from fastsoftmax._linear.cv.search import Search
from fastsoftmax._validation import saved
from fastsoftmax._validation.labels import as_objects

SHAPE = ("F", "R", "S")  # folds, ratios, Cs


@dataclass(frozen=True)
class Paths:
    """Scores, coefficients and iterations of all folds, and what was chosen."""

    Cs: NDArray[np.float64]
    l1_ratios: NDArray[np.float64]
    scores: NDArray[np.float64]  # (folds, ratios, Cs), as those that follow
    iterations: NDArray[np.intp]
    coefs: NDArray[np.float64]  # and (…, logits, D + 1): intercepts last, if there are some
    C: float
    l1_ratio: float
    has_ratios: bool  # whether attributes have a dimension for them
    has_intercept: bool
    legacy: bool

    @classmethod
    def of(
        cls,
        search: Search,
        fits: Mapping[tuple[int, int, float], Fit],
        ratios: Sequence[float],
        has_ratios: bool,
        has_intercept: bool,
        legacy: bool,
    ) -> Self:
        """Collect fits by fold, ratio and C; coefficients of what was left out are NaN."""
        some = next(iter(fits.values()))
        width = some.coef.shape[1] + bool(has_intercept)
        coefs = np.full((*search.scores.shape, len(some.coef), width), np.nan)
        for (fold, ratio, C), fit in fits.items():
            table = (fit.coef, fit.intercept[:, None]) if has_intercept else (fit.coef,)
            coefs[fold, ratio, search.Cs == C] = np.hstack(table)
        return cls(
            search.Cs, np.asarray(ratios, float), search.scores, search.iterations, coefs,
            np.nan, np.nan, has_ratios, bool(has_intercept), legacy,
        )  # fmt: skip

    def choose(self, ratio: int, C: int) -> Self:
        """The same with this pair chosen."""
        return replace(self, C=float(self.Cs[C]), l1_ratio=float(self.l1_ratios[ratio]))

    def mean_of_best(self) -> tuple[Self, tuple[NDArray, NDArray]]:
        """The same with the mean of the folds' best C and ratio, and the mean of those models."""
        n_folds, n_ratios, n_Cs = self.scores.shape
        # the first of equal ones, by C
        by_C = np.moveaxis(np.nan_to_num(self.scores, nan=-np.inf), 1, 2).reshape(n_folds, -1)
        Cs, ratios = np.unravel_index(by_C.argmax(axis=1), (n_Cs, n_ratios))
        chosen = replace(
            self,
            C=float(self.Cs[Cs].mean()),
            l1_ratio=float(self.l1_ratios[ratios].mean()),
        )
        return chosen, self.mean_of(np.arange(n_folds), ratios, Cs)

    def mean_of(self, folds: NDArray, ratios: Any, Cs: Any) -> tuple[NDArray, NDArray]:
        """The means over the folds that were fitted of coefficients and intercepts."""
        mean = np.nanmean(self.coefs[folds, ratios, Cs], axis=0)
        if self.has_intercept:
            return mean[:, :-1].copy(), mean[:, -1].copy()
        return mean, np.zeros(len(mean))

    def attributes(self, classes: NDArray) -> dict[str, Any]:
        """The attributes in the forms that scikit-learn gives them."""
        common = {"Cs_": self.Cs, "l1_ratios_": self.l1_ratios}
        if not self.has_ratios:
            common["l1_ratios_"] = np.array([None])
        if not self.legacy:
            return common | {
                "C_": self.C,
                "l1_ratio_": self.l1_ratio,
                "scores_": self.scores,
                "coefs_paths_": self.coefs,
                "n_iter_": self.iterations,
            }
        of_logits = as_objects(classes)[-self.coefs.shape[3] :]

        def with_ratios_last(values: NDArray) -> NDArray:
            values = np.swapaxes(values, 1, 2)
            return values if self.has_ratios else values[:, :, 0]

        scores, coefs = with_ratios_last(self.scores), with_ratios_last(self.coefs)
        return common | {
            "C_": np.full(len(of_logits), self.C),
            "l1_ratio_": np.full(len(of_logits), self.l1_ratio),
            "scores_": dict.fromkeys(of_logits, scores),
            "coefs_paths_": {label: coefs[..., k, :] for k, label in enumerate(of_logits)},
            "n_iter_": with_ratios_last(self.iterations)[None],
        }

    # files

    @staticmethod
    def kinds() -> dict[str, saved.Kind]:
        """What a file keeps: the fields, each as an attribute."""
        return {
            "_path_Cs": saved.table("f", "S"),
            "_path_l1_ratios": saved.table("f", "R"),
            "_path_scores": saved.table("f", *SHAPE),
            "_path_iterations": saved.table("i", *SHAPE),
            "_path_coefs": saved.table("f", *SHAPE, "L", "P"),
            "_path_C": saved.number,
            "_path_l1_ratio": saved.number,
            "_path_has_ratios": saved.flag,
            "_path_has_intercept": saved.flag,
            "_path_legacy": saved.flag,
        }

    def to_save(self) -> dict[str, Any]:
        return {f"_path_{name}": value for name, value in asdict(self).items()}

    @classmethod
    def restored(cls, attributes: dict[str, Any]) -> Self:
        """Restore from the attributes of a file, which are taken out of them."""
        return cls(**{field.name: attributes.pop(f"_path_{field.name}") for field in fields(cls)})
