"""The lecture's report in Markdown: tables, and sentences made from the figures of one run."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fastsoftmax import _core
from fastsoftmax._commands import lecture_pictures as pictures
from fastsoftmax._commands.lecture_experiments import (
    EPOCHS,
    NETWORKS,
    RATE,
    RULES,
    SIGMOIDS,
    Data,
    Neurons,
    Outputs,
    Solved,
    n_parameters,
    silent_units,
)
from fastsoftmax._commands.lecture_identities import (
    LABELS,
    NOTED,
    NOTED_MEAN,
    PROBABILITIES,
    Example,
    Identity,
    agrees,
)
from fastsoftmax._neural import MLPClassifier
from fastsoftmax._runtime.threads import available_threads
from fastsoftmax._runtime.versions import processor

NOTED_PARAMETERS = {1: 7850, 2: 7960}  # by layers, of 784 pixels and 10 classes
LATE = EPOCHS // 2  # epochs at the end over which curves are called rough or smooth


@dataclass(frozen=True)
class Findings:
    """All that a run of the lecture found."""

    data: Data
    networks: Mapping[str, MLPClassifier]
    rules: Mapping[str, MLPClassifier]
    neurons: Neurons
    outputs: Outputs
    solved: Solved
    example: Example
    identities: list[Identity]
    seconds_a_step: Mapping[str, Mapping[str, float]]


def report(found: Findings, seconds: float) -> str:
    """The whole report; seconds that all of it took."""
    data = found.data
    sections = [
        "# The lecture's experiments\n\n"
        f"Made by `python -m fastsoftmax lecture` from {data.name}: {len(data.X)} images to train "
        f"on, {len(data.X_test)} to test, {data.n_features} pixels from 0 to 1. {processor()}, "
        f"{available_threads()} threads, kernels {_core.level}; {seconds:.1f} s in all. Every "
        "figure and every sentence below is made from this run.",
        learning(found),
        rules(found),
        weights(found),
        neurons(found.neurons),
        outputs(found.outputs),
        solvers(found.solved),
        worked_example(found.example),
        identities(found.identities),
        timing(found.seconds_a_step),
    ]
    return "\n\n".join(sections) + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(title: str, picture: str | None, *parts: str) -> str:
    image = [f"![{title}]({picture})"] if picture else []
    return "\n\n".join([f"## {title}", *image, *parts])


def listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def compared(one: float, other: float, digits: int, *, more: str, less: str) -> str:
    """The word for how one number stands to another, as they are written."""
    one, other = round(one, digits), round(other, digits)
    return "the same" if one == other else more if one > other else less


def course(model: MLPClassifier, field: str) -> np.ndarray:
    return np.array([getattr(epoch, field) for epoch in model.history_])


def roughness(model: MLPClassifier) -> float:
    """How far test accuracy moves from one epoch to the next, on average, late in training."""
    return float(np.abs(np.diff(course(model, "validation_accuracy")[-LATE:])).mean())


def learning(found: Findings) -> str:
    models, data = found.networks, found.data
    as_noted = data.n_features == 784 and len(models["l1_b32"].classes_) == 10
    rows = []
    for name, model in models.items():
        last, tests = model.history_[-1], course(model, "validation_accuracy")
        noted = NOTED_PARAMETERS[len(model.coefs_)] if as_noted else "–"
        rows.append(
            [name, f"{n_parameters(model)}", f"{noted}", f"{model.history_[0].loss:.4f}",
             f"{last.loss:.4f}", f"{last.validation_loss:.4f}", f"{last.accuracy:.4f}",
             f"{tests[-1]:.4f}", f"{tests.max():.4f} ({tests.argmax() + 1})",
             f"{sum(epoch.seconds for epoch in model.history_):.2f}"]
        )  # fmt: skip
    head = ["network", "parameters", "in the notes", "training loss, first epoch", "last",
            "test loss", "training accuracy", "test accuracy", "best (epoch)",
            "seconds"]  # fmt: skip
    final = {name: model.history_[-1].validation_accuracy for name, model in models.items()}
    best, worst = max(final, key=final.get), min(final, key=final.get)
    sentences = [
        "l1 is one layer, l2 has a hidden layer of 10 units before it; b32 and b1 are batches of "
        "32 images and of 1.",
        f"After {EPOCHS} epochs of SGD at rate {RATE:g}, {best} classifies the largest share of "
        f"the test images correctly, {final[best]:.4f}, and {worst} the smallest, "
        f"{final[worst]:.4f}.",
    ]
    for layers, one, many in (("one layer", "l1_b1", "l1_b32"), ("two layers", "l2_b1", "l2_b32")):
        sentences.append(
            f"With {layers}, batches of {NETWORKS[one][1]} end at a training loss of "
            f"{models[one].loss_:.4f}, batches of {NETWORKS[many][1]} at {models[many].loss_:.4f}; "
            f"over the last {LATE} epochs test accuracy moves by {roughness(models[one]):.4f} from "
            f"one epoch to the next with the former, by {roughness(models[many]):.4f} with the "
            "latter."
        )
    gaps = {
        name: model.history_[-1].accuracy - model.history_[-1].validation_accuracy
        for name, model in models.items()
    }
    sentences.append(
        "Accuracy on the training images is above that on the test images by "
        + listed([f"{gap:.4f} ({name})" for name, gap in gaps.items()])
        + " at the end."
    )
    for name, model in models.items():
        losses = course(model, "validation_loss")
        least = int(losses.argmin())
        if least < len(losses) - 1:
            sentences.append(
                f"The test loss of {name} is lowest after epoch {least + 1}, {losses[least]:.4f}, "
                f"and {losses[-1]:.4f} at the end."
            )
        else:
            sentences.append(f"The test loss of {name} is lowest at the end, {losses[-1]:.4f}.")
    for name, model in models.items():
        if len(model.coefs_) > 1:
            silent = silent_units(model, data.X)
            sentences.append(
                f"At the end, {silent} of the {model.coefs_[0].shape[1]} hidden units of {name} "
                "are 0 for every training image."
            )
    bullets = "\n".join(f"- {sentence}" for sentence in sentences)
    return section("Learning behaviour", pictures.LEARNING, table(head, rows), bullets)


def rules(found: Findings) -> str:
    models = found.rules
    rows = [
        [name, f"{RULES[name][1]:g}", f"{model.history_[0].loss:.4f}", f"{model.loss_:.4f}",
         f"{model.history_[0].validation_accuracy:.4f}",
         f"{model.history_[-1].validation_accuracy:.4f}"]
        for name, model in models.items()
    ]  # fmt: skip
    head = ["rule", "rate", "training loss, first epoch", "last", "test accuracy, first", "last"]
    fastest = min(models, key=lambda name: models[name].history_[0].loss)
    lowest = min(models, key=lambda name: models[name].loss_)
    accuracy = {name: model.history_[-1].validation_accuracy for name, model in models.items()}
    highest = max(accuracy.values())
    best = [name for name, share in accuracy.items() if share == highest]
    spread = highest - min(accuracy.values())
    same = lowest == fastest
    end = f"and {'it also' if same else lowest} has the lowest after {EPOCHS}"
    text = (
        f"One layer, batch 32. In the first epoch {fastest} has the lowest training loss, "
        f"{models[fastest].history_[0].loss:.4f}, {end}, "
        f"{models[lowest].loss_:.4f}. On the test images {listed(best)} "
        f"{'ends' if len(best) == 1 else 'end'} highest, at {highest:.4f}; "
        f"the best and the worst rule differ by {spread:.4f}."
    )
    return section("Optimisers", pictures.RULES, table(head, rows), text)


def weights(found: Findings) -> str:
    model = found.networks["l1_b32"]
    W = model.coefs_[0]
    k, pixel = np.unravel_index(np.abs(W.T).argmax(), W.T.shape)
    ink = found.data.X.max(axis=0) > 0
    still = int((~ink).sum())
    parts = [
        f"The weights of l1_b32 lie between {W.min():.3f} and {W.max():.3f}; the strongest, "
        f"{W[pixel, k]:.3f}, is class {model.classes_[k]}'s for pixel {pixel}."
    ]
    if still:
        moved = float(np.abs(W[~ink]).max())
        parts.append(
            f"{still} pixels are 0 in every training image, so that no gradient moves their "
            f"weights: these are as they were drawn, at most {moved:.3f} in size."
        )
    else:
        parts.append("No pixel is 0 in every training image.")
    return section("Weights of the classes", pictures.WEIGHTS, " ".join(parts))


def neurons(found: Neurons) -> str:
    rows, ends = [], {}
    for name, history in found.histories.items():
        tests = [epoch.validation_accuracy for epoch in history]
        ends[name] = tests[-1]
        rows.append(
            [name, f"{history[-1].accuracy:.4f}", f"{tests[-1]:.4f}",
             f"{max(tests):.4f} ({int(np.argmax(tests)) + 1})"]
        )  # fmt: skip
    head = ["neuron", "training accuracy", "test accuracy", "best (epoch)"]
    ada, logistic = ends["ADALINE"], ends["logistic regression"]
    word = compared(ada, logistic, 4, more="higher", less="lower")
    apart = abs(round((ada - logistic) * found.n_test))
    text = (
        f"The images show {found.pair[0]} or {found.pair[1]}: {found.n_rows} to train on, taken "
        f"one at a time for {EPOCHS} epochs, and {found.n_test} to test. Both neurons learn by the "
        f"rule w ← w − η (a − y) x at the rate η = {found.rate:.2g}, a being w x + b for ADALINE "
        "and σ(w x + b) for logistic regression. "
        + (
            f"Both classify {ada:.4f} of the test images correctly."
            if word == "the same"
            else f"ADALINE classifies a {word} share of the test images correctly, {ada:.4f} "
            f"against {logistic:.4f}: {apart} image{'s' if apart != 1 else ''} of {found.n_test}."
        )
    )
    return section("ADALINE against logistic regression", pictures.NEURONS, table(head, rows), text)


def outputs(found: Outputs) -> str:
    rows = []
    for name, model in found.models.items():
        sums, fired = found.sums[name], found.fired[name]
        rows.append(
            [name, f"{model.history_[-1].validation_accuracy:.4f}",
             f"{sums.min():.3f} to {sums.max():.3f}", f"{sums.mean():.3f}",
             *(f"{int(n)}" for n in ((fired == 0).sum(), (fired == 1).sum(), (fired > 1).sum()))]
        )  # fmt: skip
    head = ["outputs", "test accuracy", "sum of an image's outputs", "mean",
            "images with none above ½", "one", "several"]  # fmt: skip
    soft, sigmoid = (m.history_[-1].validation_accuracy for m in found.models.values())
    sums, fired = found.sums[SIGMOIDS], found.fired[SIGMOIDS]
    word = compared(sigmoid, soft, 4, more="more", less="fewer")
    text = (
        f"With a sigmoid for each class, the outputs of a test image sum to {sums.mean():.3f} on "
        f"average, from {sums.min():.3f} to {sums.max():.3f}: classes need not exclude each other. "
        f"{int((fired > 1).sum())} images get several classes above ½ and "
        f"{int((fired == 0).sum())} none. Softmax outputs sum to 1 within "
        f"{np.abs(found.sums['softmax'] - 1).max():.1e}. By the largest output, "
        + (
            f"both classify {soft:.4f} of the test images correctly."
            if word == "the same"
            else f"the sigmoids classify {word} test images correctly, {sigmoid:.4f} against "
            f"{soft:.4f}."
        )
    )
    return section(
        "One sigmoid per class against softmax", pictures.OUTPUTS, table(head, rows), text
    )


def solvers(found: Solved) -> str:
    rows, gaps = [], {}
    for name, model in found.models.items():
        gaps[name] = model.objective_ / found.optimum - 1
        rows.append(
            [name, f"{model.n_iter_}", f"{model.n_passes_:.0f}",
             f"{model.history_[-1].seconds:.3f}", f"{gaps[name]:.1e}", f"{model.grad_norm_:.1e}"]
        )  # fmt: skip
    head = ["solver", "iterations", "passes", "seconds", "relative gap", "max \\|gradient\\|"]
    parts = [
        f"{name} ends with a relative gap of {gaps[name]:.1e} after {model.n_passes_:.0f} passes "
        f"over the images{'' if model.converged_ else ', without having converged'}."
        for name, model in found.models.items()
    ]
    return section(
        "Batch gradient descent and its successors",
        pictures.SOLVERS,
        f"Softmax regression with an L2 penalty, C = 1; the optimum is {found.optimum:.8f}.",
        table(head, rows),
        " ".join(part[0].upper() + part[1:] for part in parts),
    )


def worked_example(found: Example) -> str:
    rows = [
        [f"{i}", f"{PROBABILITIES[i - 1][label]}", f"{loss:.6f}", noted]
        for i, (label, loss, noted) in enumerate(zip(LABELS, found.losses, NOTED, strict=True), 1)
    ]
    rows.append(["mean", "", f"{found.mean:.6f}", NOTED_MEAN])
    pairs = zip([*found.losses, found.mean], [*NOTED, NOTED_MEAN], strict=True)
    wrong = sum(not agrees(value, noted) for value, noted in pairs)
    text = (
        "All agree with the notes to the digits that they give."
        if not wrong
        else f"{wrong} of {len(NOTED) + 1} DIFFER from the notes."
    )
    head = ["example", "probability of its class", "loss, −log p", "in the notes"]
    return section("The worked example of the loss", None, table(head, rows), text)


def identities(found: list[Identity]) -> str:
    rows = [
        [one.name, one.formula, f"{one.difference:.1e}", f"{one.allowed:.0e}",
         "yes" if one.holds else "NO"]
        for one in found
    ]  # fmt: skip
    head = ["identity", "formula", "largest difference", "allowed", "holds"]
    holding = sum(one.holds for one in found)
    worst = max(found, key=lambda one: one.difference / one.allowed)
    text = (
        f"{holding} of {len(found)} identities hold, both sides computed in float64; the one "
        f"nearest to its limit is “{worst.name}”, {worst.difference:.1e} of {worst.allowed:.0e}."
    )
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return section("Identities", None, table(head, rows), text)


def timing(found: Mapping[str, Mapping[str, float]]) -> str:
    ways = list(next(iter(found.values())))
    rows, ratios = [], {way: [] for way in ways[:-1]}
    for name, times in found.items():
        for way in ratios:
            ratios[way].append(times[way] / times["fastsoftmax"])
        rows.append(
            [name, *(f"{1e6 * times[way]:.2f}" for way in ways),
             *(f"{ratios[way][-1]:.1f}" for way in ratios)]
        )  # fmt: skip
    head = ["network", *(f"{way}, µs per step" for way in ways), *(f"× {way}" for way in ratios)]
    text = "A step takes " + listed(
        [f"{min(r):.1f} to {max(r):.1f} times as long in {way}" for way, r in ratios.items()]
    ) + " as in fastsoftmax: medians over the turns of this run, in float32."  # fmt: skip
    if "PyTorch" in ratios:
        text += " PyTorch is the eager loop on one thread."
    else:
        text += " PyTorch is not installed here."
    return section("Time of a step", None, table(head, rows), text)
