"""`python -m fastsoftmax` itself, and its measurements."""

import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from importlib.metadata import version

import numpy as np
import pytest

from fastsoftmax.__main__ import COMMANDS, main
from fastsoftmax._commands import bench


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
