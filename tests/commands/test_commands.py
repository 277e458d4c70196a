"""`python -m fastsoftmax` itself, and its measurements."""

import os
import re
import signal
import subprocess
import sys
import warnings
from argparse import Namespace
from importlib.metadata import version

import numpy as np
import pytest

from fastsoftmax.__main__ import COMMANDS, main
from fastsoftmax._commands import bench, gradient, timing
from fastsoftmax._runtime.sklearn_compat import ConvergenceWarning


def test_alone_it_prints_its_help(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == "" and all(f"\n    {command} " in out for command in COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == version("fastsoftmax")


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="no such signal")
@pytest.mark.parametrize("arguments", [["demo"], ["info"], ["--help"], ["lecture", "--help"]])
def test_a_closed_pipe_ends_it_in_silence(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fastsoftmax", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == -signal.SIGPIPE
    assert "pipe" not in done.stderr.lower() and "Error" not in done.stderr


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "C??CE"), ("cp1252", "C·?CE")])
def test_letters_that_an_encoding_lacks_do_no_harm(encoding, shown):
    """On Windows a pipe or a file gets one byte for each letter."""
    command = [sys.executable, "-m", "fastsoftmax", "demo"]
    variables = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=variables)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout.decode(encoding)


def test_bench_says_what_comes_and_numbers_its_rows(capsys, monkeypatch):
    cases = [(200, 16, 3, np.float32), (100, 8, 2, np.float64)]
    seen = []

    def compare(*arrays, seconds):
        seen.append(capsys.readouterr().out)  # before this row
        return original(*arrays, seconds=seconds)

    original = bench.compare
    monkeypatch.setattr(bench, "compare", compare)
    bench.run(Namespace(quick=False, mnist=None), cases, 0.0)
    rest = capsys.readouterr().out
    assert "2 rows of at least 0 s each, then fits of embedded digits" in seen[0]
    assert re.search(r"^1/2   200×16, K = 3, float32 +\d", seen[1], re.MULTILINE)
    assert re.search(r"^2/2   100×8, K = 2, float64 +\d", rest, re.MULTILINE)
    assert "fit of embedded digits" in rest and "converged" in rest


def test_bench_looks_for_mnist_before_it_measures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "compare", None)
    assert main(["bench", "--mnist", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "missing train-images-idx3-ubyte" in err


@pytest.mark.parametrize("C", ["1e5", "1e8", "inf"])
def test_demo_of_a_loss_that_float32_does_not_resolve(C, capsys, monkeypatch):
    times = {"fused": timing.Timing(1, 1, 1), "numpy": timing.Timing(2, 2, 2)}
    monkeypatch.setattr(gradient, "in_turns", lambda ways, seconds: times)
    monkeypatch.setattr(gradient, "find_spec", lambda name: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert main(["demo", "--C", C]) == 0
    assert "2.0× faster" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["loss", "gradient"])
def test_kernels_that_are_wrong_are_not_timed(change, monkeypatch):
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(20, 4)).astype("f4"), rng.normal(size=(3, 4)).astype("f4")
    y, right = rng.integers(0, 3, 20), gradient.linear_cross_entropy_value_and_grad

    def wrong(*given):
        loss, grads = right(*given)
        if change == "loss":
            return loss * (1 + 2e-5), grads
        grads.W[2, 3] += 2e-5 * np.abs(X).max()
        return loss, grads

    assert gradient.compare(X, W, np.zeros(3, "f4"), y, 0.0).ratio > 0
    monkeypatch.setattr(gradient, "linear_cross_entropy_value_and_grad", wrong)
    with pytest.raises(AssertionError, match=r"differs from NumPy's by 2\.\de-05"):
        gradient.compare(X, W, np.zeros(3, "f4"), y, 0.0)
