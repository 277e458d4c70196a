"""Progress: at most a line per second where nothing can change in place, else tqdm's bar."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fastsoftmax import MLPClassifier, SoftmaxRegression
from fastsoftmax._runtime import progress as module
from fastsoftmax._runtime.progress import Bar, Lines, progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.time))
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_at_most_one_line_per_second_and_the_last(clock, capsys):
    with progress(True, 50, "epoch") as show:
        assert isinstance(show, Lines)
        for i in range(50):
            clock.time += 0.09  # 4.5 seconds in all
            show(f"loss {i}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "epoch 12/50   loss 11"
    assert lines[-1] == "epoch 50/50   loss 49"
    assert len(lines) == 5


def test_a_short_fit_is_one_line(clock, capsys):
    with progress(True) as show:
        show("gap 0.5")
        show("gap 0.1")
    assert capsys.readouterr().err == "iteration 2   gap 0.1\n"


def test_a_line_that_was_shown_is_not_shown_again(clock, capsys):
    with progress(True, 2, "fit") as show:
        clock.time += 1.5
        show("score 1")
    assert capsys.readouterr().err == "fit 1/2   score 1\n"


def test_silent_unless_wanted(clock, capsys):
    with progress(False, 5) as show:
        clock.time += 9
        show("loss")
    assert capsys.readouterr() == ("", "")


def test_what_was_reached_is_shown_when_a_fit_fails(clock, capsys):
    def fit():
        with progress(True, 5, "epoch") as show:
            show("loss 1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit()
    assert capsys.readouterr().err == "epoch 1/5   loss 1\n"


def test_a_bar_in_a_terminal(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(True, 3, "epoch") as show:
        assert isinstance(show, Bar)
        for i in range(3):
            show(f"loss {i}")
    shown = sys.stderr.getvalue()
    assert "3/3" in shown and "epochs/s" in shown and "loss 2" in shown


def test_no_bar_in_a_file(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress(True), Lines)
    monkeypatch.setattr(sys, "stderr", None)  # as of programs without a console
    assert not module.can_draw()


def test_lines_in_a_terminal_without_tqdm(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert isinstance(progress(True), Lines)


def test_a_notebook_can_draw(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert module.can_draw()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not module.can_draw()


def test_fits_count_what_they_do(capsys):
    X, y = np.arange(12.0).reshape(6, 2), [0, 1, 0, 1, 0, 1]
    MLPClassifier(3, max_iter=4, tol=0.0, n_iter_no_change=9, verbose=True).fit(
        X, y, callback=lambda state: len(state.history) == 4
    )
    assert capsys.readouterr().err.startswith("epoch 4/4   loss ")
    model = SoftmaxRegression(verbose=True).fit(X, y)
    assert capsys.readouterr().err.startswith(f"iteration {model.n_iter_}   pass ")
