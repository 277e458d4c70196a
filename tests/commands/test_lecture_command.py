"""`python -m fastsoftmax lecture`: what it writes and says, and what bad input leaves behind."""

import gzip
import re
import struct
import sys

import numpy as np
import pytest

from fastsoftmax.__main__ import main
from fastsoftmax._commands import lecture_experiments as experiments
from fastsoftmax._commands import lecture_pictures as pictures
from fastsoftmax._commands import lecture_report as reports
from fastsoftmax._commands.folder import written_whole
from fastsoftmax._commands.lecture_identities import Identity, agrees, identities, worked_example

PICTURES = {
    "learning.png", "neurons.png", "outputs.png", "rules.png", "solvers.png", "weights.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a whole run on the embedded digits."""
    out = tmp_path_factory.mktemp("work") / "lecture"
    assert main(["lecture", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def data():
    return experiments.read(None)


@pytest.fixture(scope="module")
def networks(data):
    return experiments.networks(data)


def test_pictures_and_report(written):
    assert {path.name for path in written.iterdir()} == PICTURES | {"report.md"}
    for name in PICTURES:
        head = (written / name).read_bytes()[:24]
        width, height = struct.unpack(">II", head[16:])
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert 600 <= width <= 1600 and 300 <= height <= 900
    assert list(written.parent.iterdir()) == [written]  # no scratch is left


def test_the_report_holds_the_figures_of_its_run(written, networks):
    text = (written / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.png)\)", text)) == PICTURES
    for name, model in networks.items():  # fits are the same to the bit each time
        (row,) = re.findall(rf"^\| {name} \| (\d+ .*)\|$", text, re.MULTILINE)[:1]
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[0] == str(experiments.n_parameters(model))
        assert cells[3] == f"{model.loss_:.4f}"
        assert cells[6] == f"{model.history_[-1].validation_accuracy:.4f}"
    assert "All agree with the notes" in text
    assert " identities hold" in text and "| NO |" not in text


@pytest.mark.parametrize(("n_features", "counts"), [(784, (7850, 7960)), (64, (650, 760))])
def test_parameter_counts(n_features, counts):
    random = np.random.default_rng(0)
    X = random.random((40, n_features), dtype=np.float32)
    y = np.arange(40) % 10
    few = experiments.Data("noise", X, y, X[:10], y[:10])
    sizes = [experiments.n_parameters(experiments.trained(few, hidden)) for hidden in ((), (10,))]
    assert tuple(sizes) == counts


def test_each_network_has_all_epochs(networks):
    for model in networks.values():
        assert len(model.history_) == experiments.EPOCHS
    for name in ("l1_b32", "l1_b1", "l2_b32"):  # of l2_b1 units may have died
        assert networks[name].history_[-1].validation_accuracy > 0.9


def test_worked_example():
    found = worked_example()
    notes = ("0.969692", "0.880200", "1.05268", "0.831490")
    assert all(map(agrees, found.losses, notes))
    assert agrees(found.mean, "0.9335")
    assert not agrees(0.9337, "0.9335")


def test_identities_hold_and_a_broken_one_is_told():
    found = identities()
    assert len(found) >= 10
    assert [one.name for one in found if not one.holds] == []
    text = reports.identities([*found, Identity("broken", "1 = 2", 1.0)])
    assert "| NO |" in text
    assert f"{len(found)} of {len(found) + 1} identities hold" in text


def test_drawn_data(networks, tmp_path):
    figure = pictures.learning(networks, tmp_path / "a.png")
    assert len(figure.axes) == 8
    for (name, model), above, below in zip(
        networks.items(), figure.axes[:4], figure.axes[4:], strict=True
    ):
        assert above.get_title() == f"{name}: {experiments.n_parameters(model)} parameters"
        for ax, metric in ((above, "loss"), (below, "accuracy")):
            training, test = ax.get_lines()
            expected = [getattr(e, metric) for e in model.history_]
            np.testing.assert_array_equal(training.get_ydata(), expected)
            expected = [getattr(e, f"validation_{metric}") for e in model.history_]
            np.testing.assert_array_equal(test.get_ydata(), expected)


def test_sums_of_outputs(data, networks, tmp_path):
    found = experiments.outputs(data, networks["l1_b32"])
    np.testing.assert_allclose(found.sums["softmax"], 1, atol=1e-5)
    assert np.ptp(found.sums["one sigmoid per class"]) > 0.5
    figure = pictures.outputs(found, tmp_path / "a.png")
    counted = sum(bar.get_height() for bar in figure.axes[1].patches)
    assert counted == 2 * len(data.X_test)


def test_neurons(data):
    found = experiments.neurons(data)
    assert found.pair == (3, 8)
    for name, model in found.models.items():
        tests = np.isin(data.y_test, found.pair)
        score = model.score(data.X_test[tests], data.y_test[tests])
        assert found.histories[name][-1].validation_accuracy == pytest.approx(score)
    assert "| ADALINE |" in reports.neurons(found)


@pytest.mark.parametrize(
    ("one", "other", "word"), [(0.91, 0.9, "up"), (0.9, 0.91, "down"), (0.90001, 0.9, "the same")]
)
def test_words_follow_figures(one, other, word):
    assert reports.compared(one, other, 4, more="up", less="down") == word


# ---- bad input: one line, exit code 2, nothing half-written


def refused(arguments, capsys, tmp_path):
    """What the command says; nothing may have been written."""
    before = sorted(tmp_path.rglob("*"))
    assert main(["lecture", *map(str, arguments)]) == 2
    assert sorted(tmp_path.rglob("*")) == before
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_folder_without_the_files(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    line = refused(["--mnist", empty, "--out", tmp_path / "out"], capsys, tmp_path)
    assert line.startswith("fastsoftmax lecture:")
    assert "missing train-images-idx3-ubyte" in line


def test_no_such_folder(tmp_path, capsys):
    line = refused(["--mnist", tmp_path / "none", "--out", tmp_path / "out"], capsys, tmp_path)
    assert "missing train-images-idx3-ubyte" in line


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def test_a_damaged_file(tmp_path, capsys):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", np.zeros((20, 4, 4), np.uint8))
        labels = (np.arange(20) % 10).astype(np.uint8)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    damaged = folder / "t10k-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    line = refused(["--mnist", folder, "--out", tmp_path / "out"], capsys, tmp_path)
    assert "t10k-images-idx3-ubyte.gz: expected a whole gzip stream" in line


def test_an_output_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    line = refused(["--out", tmp_path / "out"], capsys, tmp_path)
    assert "expected a folder, got a file" in line
    within = refused(["--out", tmp_path / "out" / "deeper"], capsys, tmp_path)
    assert "there is no folder" in within


def test_an_output_folder_in_no_folder(tmp_path, capsys):
    assert "there is no folder" in refused(["--out", tmp_path / "a" / "b"], capsys, tmp_path)


def test_an_output_folder_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    def no(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", no)  # whoever runs the tests may be allowed everything
    line = refused(["--out", tmp_path / "out"], capsys, tmp_path)
    assert line.endswith("out: cannot write there (Permission denied)")


def test_matplotlib_missing(tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = refused(["--out", tmp_path / "out"], capsys, tmp_path)
    assert "pip install matplotlib" in line


def test_a_disk_that_fills_up_leaves_the_folder_as_it_was(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("the last run's")

    def write():
        with written_whole(out) as folder:
            (folder / "report.md").write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert [path.name for path in out.iterdir()] == ["report.md"]
    assert (out / "report.md").read_text() == "the last run's"


def test_a_folder_that_is_there_keeps_its_other_files(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    (out / "report.md").write_text("old")
    with written_whole(out) as folder:
        (folder / "report.md").write_text("new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "mine.txt": "mine",
        "report.md": "new",
    }


def test_a_failed_run_makes_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "out"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
