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
    target = Path(os.path.realpath(path))
    check.folder_of(target)
    before = check.file_or_nothing(target)
    scratch = target.with_name(f".fastsoftmax-{secrets.token_hex(16)}")
    try:
        with open(scratch, "xb") as file:
            if before is not None:
                _take_over(scratch, before)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, target)
    except BaseException as error:
        with contextlib.suppress(OSError):  # where it could not be made
            scratch.unlink()
        if isinstance(error, OSError) and error.errno:  # by the system: names what was asked for
            error.filename = os.fspath(path)
            del error.filename2
        raise
    _sync_folder(target.parent)


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
