"""``python -m fastsoftmax lecture``: the lecture's experiments, as pictures and a report."""

import argparse
import time

from fastsoftmax._commands import lecture_experiments as experiments
from fastsoftmax._commands import lecture_pictures as pictures
from fastsoftmax._commands import lecture_report as reports
from fastsoftmax._commands.folder import written_whole
from fastsoftmax._commands.lecture_identities import identities, worked_example
from fastsoftmax._commands.lecture_timing import seconds_a_step
from fastsoftmax._runtime.optional import needed

HELP = "run the lecture's experiments: pictures and a report, in seconds"
REPORT = "report.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mnist",
        metavar="FOLDER",
        help="use the first 5000 and 1000 images of the four MNIST files there, not the digits",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", default="lecture", help="where to write (default: lecture)"
    )


def run(arguments: argparse.Namespace) -> None:
    began = time.perf_counter()
    needed("matplotlib.figure", "drawing needs")
    with written_whole(arguments.out) as folder:
        data = experiments.read(arguments.mnist)
        print(f"{data.name}: {len(data.X)} images to train on, {len(data.X_test)} to test")
        networks = experiments.networks(data)
        found = reports.Findings(
            data,
            networks,
            experiments.rules(data),
            experiments.neurons(data),
            experiments.outputs(data, networks["l1_b32"]),
            experiments.solved(data),
            worked_example(),
            identities(),
            seconds_a_step(data),
        )
        pictures.learning(networks, folder / pictures.LEARNING)
        pictures.rules(found.rules, folder / pictures.RULES)
        pictures.weights(networks["l1_b32"], folder / pictures.WEIGHTS)
        pictures.neurons(found.neurons, folder / pictures.NEURONS)
        pictures.outputs(found.outputs, folder / pictures.OUTPUTS)
        pictures.solvers(found.solved, folder / pictures.SOLVERS)
        text = reports.report(found, time.perf_counter() - began)
        (folder / REPORT).write_text(text, encoding="utf-8")
    _print(found)
    seconds = time.perf_counter() - began
    print(f"\npictures and {REPORT} in {arguments.out}, {seconds:.1f} s")


def _print(found: reports.Findings) -> None:
    for name, model in found.networks.items():
        last = model.history_[-1]
        print(
            f"{name:<8} {experiments.n_parameters(model)} parameters   training loss "
            f"{last.loss:.4f}   accuracy: training {last.accuracy:.4f}, test "
            f"{last.validation_accuracy:.4f}"
        )
    losses = "   ".join(f"{loss:.6f}" for loss in found.example.losses)
    print(f"\nworked example   {losses}   mean {found.example.mean:.6f}")
    for one in found.identities:
        verdict = "holds" if one.holds else "DOES NOT HOLD"
        print(f"{verdict}, to {one.difference:.1e}   {one.name}: {one.formula}")
