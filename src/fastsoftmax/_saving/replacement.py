"""A file that takes the place of another when it is complete, and is on the disk then."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fastsoftmax._validation import saved as check


@contextmanager
def in_place_of(path: Path) -> Iterator[BinaryIO]:
    """A new file beside the path, which takes its place if the block ends without an error.

    It has the mode of the file that was there, and its owner and group where the system permits. Of
    a symbolic link the target is replaced. Nothing but a file is.
    """
    path = Path(os.path.realpath(path))
    check.folder_of(path)
    before = check.file_or_nothing(path)
    scratch = path.with_name(f".fastsoftmax-{secrets.token_hex(16)}")
    try:
        with _new(scratch, path) as file:
            if before is not None:
                _take_over(scratch, before)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _new(scratch: Path, path: Path) -> BinaryIO:
    """The file; where there cannot be one, the error names the path that was asked for."""
    try:
        return open(scratch, "xb")
    except OSError as error:
        error.filename = os.fspath(path)
        raise


def _take_over(scratch: Path, before: os.stat_result) -> None:
    """Owner, group and mode."""
    if hasattr(os, "chown"):
        for owner in (before.st_uid, -1):  # of another's file the group at least
            with contextlib.suppress(OSError):
                os.chown(scratch, owner, before.st_gid)
                break
    os.chmod(scratch, stat.S_IMODE(before.st_mode))


def _sync_folder(folder: Path) -> None:
    """Put on the disk what its files are called."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
