"""Where a model is saved: in the place of a file, whole, on the disk; nowhere else."""

import errno
import os
import socket
import stat
from pathlib import Path

import numpy as np
import pytest
from support.estimators import LARGE, SMALL
from support.threads import at_once

import fastsoftmax
from fastsoftmax import load
from fastsoftmax._saving import replacement

MODEL, OTHER = fastsoftmax.fit(*SMALL), fastsoftmax.fit(*LARGE)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="places of POSIX")


def is_model(path, model):
    return np.array_equal(load(path).coef_, model.coef_)


def pipe(path):
    os.mkfifo(path)


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(path))


def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices are root's")


@pytest.mark.parametrize("make", [os.mkdir, pipe, a_socket, device])
def test_nothing_but_a_file_is_replaced_or_read(make, tmp_path):
    path = tmp_path / "model"
    make(path)
    kind = stat.S_IFMT(path.stat().st_mode)
    for call in (MODEL.save, load):
        with pytest.raises(OSError, match="expected a file, got a") as caught:
            call(path)
        assert caught.value.filename == str(path)
    assert stat.S_IFMT(path.stat().st_mode) == kind
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("make", [str, os.fsencode, Path, lambda path: Bytes(os.fsencode(path))])
def test_paths_of_every_type(make, tmp_path):
    path = make(tmp_path / "é model")
    MODEL.save(path)
    assert is_model(path, MODEL)
    assert is_model(tmp_path / "é model", MODEL)


class Bytes(os.PathLike):
    """A path-like of bytes."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_the_longest_names_and_no_longer_ones(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    MODEL.save(tmp_path / ("m" * longest))
    assert is_model(tmp_path / ("m" * longest), MODEL)
    with pytest.raises(OSError, match="File name too long"):
        MODEL.save(tmp_path / ("m" * (longest + 1)))
    assert os.listdir(tmp_path) == ["m" * longest]


def test_mode_owner_and_links_stay(tmp_path, monkeypatch):
    path, link = tmp_path / "model", tmp_path / "link"
    link.symlink_to("model")
    MODEL.save(link)  # the target of a link need not be there yet
    path.chmod(0o640)
    owner = (12345, 54321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    modes = []
    write_array = np.lib.format.write_array

    def write(*args, **kwargs):
        (scratch,) = tmp_path.glob(".fastsoftmax-*")
        modes.append(scratch.stat().st_mode & 0o777)
        write_array(*args, **kwargs)

    monkeypatch.setattr(np.lib.format, "write_array", write)
    OTHER.save(link)
    found = path.stat()
    assert link.is_symlink() and is_model(link, OTHER)
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o640, *owner)
    assert set(modes) == {0o640}  # no one else reads meanwhile


def test_the_file_is_on_the_disk_before_it_replaces_another(tmp_path, monkeypatch):
    path = tmp_path / "model"
    MODEL.save(path)
    synced, sizes, replace, fsync = [], [], os.replace, os.fsync

    def sync(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sizes.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    def checked(scratch, place):
        assert synced == [str(scratch)]
        assert is_model(scratch, OTHER)  # whole, as others see it
        replace(scratch, place)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", checked)
    OTHER.save(path)
    assert synced[1:] == [str(tmp_path)]
    assert sizes[0] == path.stat().st_size  # nothing was left in a buffer


@pytest.mark.parametrize("calls", [["fsync"], ["replace"], ["open", "unlink"]])
def test_what_the_system_refuses_names_the_path_that_was_given(calls, tmp_path, monkeypatch):
    """And not the file beside it, which is not left there."""
    link = tmp_path / "link"
    link.symlink_to("model")
    MODEL.save(link)

    def refused(*args, **how):
        raise OSError(errno.EROFS, "refused", ".fastsoftmax-0", None, "model")

    for name in calls:
        module = replacement if name == "open" else os
        monkeypatch.setattr(module, name, refused, raising=False)
    with pytest.raises(OSError, match="refused") as caught:
        OTHER.save(link)
    monkeypatch.undo()
    assert (caught.value.filename, caught.value.filename2) == (str(link), None)
    assert sorted(os.listdir(tmp_path)) == ["link", "model"] and is_model(link, MODEL)


def test_an_interrupt_right_after_the_replacement(tmp_path, monkeypatch):
    path, replace = tmp_path / "model", os.replace

    def interrupted(scratch, place):
        replace(scratch, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MODEL.save(path)
    assert os.listdir(tmp_path) == ["model"] and is_model(path, MODEL)


def test_many_save_and_read_at_once(tmp_path):
    path = tmp_path / "model"
    MODEL.save(path)

    def repeat(action):
        for _ in range(40):
            action()

    def read():
        coef = load(path).coef_
        assert any(np.array_equal(coef, model.coef_) for model in (MODEL, OTHER))

    at_once(repeat, [lambda: MODEL.save(path), lambda: OTHER.save(path), read, read])
    assert os.listdir(tmp_path) == ["model"]
