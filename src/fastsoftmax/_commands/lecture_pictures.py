"""The lecture's pictures, each a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastsoftmax._commands.lecture_experiments import Neurons, Outputs, Solved, n_parameters
from fastsoftmax._neural import MLPClassifier
from fastsoftmax.plotting import (
    ComparisonDisplay,
    ConvergenceDisplay,
    HistoryDisplay,
    WeightsDisplay,
)
from fastsoftmax.plotting import _style as style

LEARNING, RULES, WEIGHTS = "learning.png", "rules.png", "weights.png"
NEURONS, OUTPUTS, SOLVERS = "neurons.png", "outputs.png", "solvers.png"
BIN = 1 / 16  # of a sum of outputs, one of them centred at 1


def learning(models: Mapping[str, MLPClassifier], path: Path) -> Any:
    """Loss above, accuracy below, a column for each network."""
    figure, axes = style.panels(2, len(models), width=3.1, height=2.6)
    for (name, model), column in zip(models.items(), axes.T, strict=True):
        for ax, metric in zip(column, ("loss", "accuracy"), strict=True):
            HistoryDisplay.from_estimator(
                model, metric=metric, subset_names=("training", "test"), ax=ax
            )
        column[0].set_title(f"{name}: {n_parameters(model)} parameters", fontsize="medium")
        column[0].set_xlabel("")
    _share_y(axes)
    figure.savefig(path)
    return figure


def rules(models: Mapping[str, MLPClassifier], path: Path) -> Any:
    """Training loss and test accuracy by each rule."""
    figure, ((left, right),) = style.panels(1, 2)
    ComparisonDisplay.from_estimators(models, metric="loss", ax=left)
    left.set_ylabel("training: mean loss per row, nats")
    ComparisonDisplay.from_estimators(models, metric="accuracy", subset="validation", ax=right)
    right.set_ylabel("test: accuracy, share of rows")
    right.get_legend().remove()
    figure.savefig(path)
    return figure


def weights(model: MLPClassifier, path: Path) -> Any:
    """One image per class."""
    figure, ((ax,),) = style.panels(1, 1, width=7.0, height=3.2)
    WeightsDisplay.from_estimator(model, ax=ax)
    figure.savefig(path)
    return figure


def neurons(found: Neurons, path: Path) -> Any:
    """Test accuracy by epoch, and the weights of both, each on a scale of its own."""
    figure, ((left, *others),) = style.panels(1, 3, width=3.7, height=3.0)
    ComparisonDisplay.from_histories(
        found.histories, metric="accuracy", subset="validation", ax=left
    )
    left.set_ylabel("test: accuracy, share of rows")
    for ax, (name, model) in zip(others, found.models.items(), strict=True):
        against = f"{model.classes_[1]} against {model.classes_[0]}"
        WeightsDisplay.from_estimator(model, names=[name], ax=ax)
        for text in ax.texts:
            text.set(text=f"{name}\n{against}", size="medium", va="bottom")
    figure.savefig(path)
    return figure


def outputs(found: Outputs, path: Path) -> Any:
    """Test accuracy by epoch, and what the outputs of a test image sum to."""
    figure, ((left, right),) = style.panels(1, 2)
    ComparisonDisplay.from_estimators(found.models, metric="accuracy", subset="validation", ax=left)
    left.set_ylabel("test: accuracy, share of rows")
    top = max(2.0, *(sums.max() for sums in found.sums.values()))
    bins = np.arange(-BIN / 2, top + BIN, BIN)
    for number, (name, sums) in enumerate(found.sums.items()):
        curve_style = {"color": style.COLOURS[number], "label": name, "zorder": 3 - number}
        right.hist(sums, bins, rwidth=0.35 if number == 0 else 0.9, **curve_style)
    style.dress(right, "sum of the outputs of a test image", "test images", log=True)
    style.legend(right)
    figure.savefig(path)
    return figure


def solvers(found: Solved, path: Path) -> Any:
    """Gap against passes, and gradient norm against seconds."""
    figure, ((left, right),) = style.panels(1, 2)
    for name, model in found.models.items():
        ConvergenceDisplay.from_estimator(model, optimum=found.optimum, name=name, ax=left)
        ConvergenceDisplay.from_estimator(model, y="grad_norm", x="seconds", name=name, ax=right)
    for ax in (left, right):
        ax.set_xscale("log")
    right.get_legend().remove()
    figure.savefig(path)
    return figure


def _share_y(axes: Any) -> None:
    """The same scale along each line of panels, labels on the first, a legend on the very first."""
    for line in axes:
        limits = [ax.get_ylim() for ax in line]
        for i, ax in enumerate(line):
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
            if i:
                ax.set_ylabel("")
            if ax is not axes[0, 0]:
                ax.get_legend().remove()
