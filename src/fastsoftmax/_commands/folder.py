"""A folder of results that is written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(out: str | os.PathLike[str]) -> Iterator[Path]:
    """A scratch folder whose files come to lie in `out` if the block ends without an error.

    The scratch folder is made at once, within `out` if that is there and beside it if not, so that
    a place that cannot be written to is an OSError before any work is done. Files of the same
    names are replaced, each at once; other files in `out` are left alone.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out}: expected a folder, got a file")
    there = out.is_dir()
    where = out if there else out.parent
    if not where.is_dir():
        raise FileNotFoundError(f"{out}: cannot be made, there is no folder {where}")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=where))
    except OSError as error:
        raise OSError(f"{out}: cannot write there ({error.strerror})") from error
    try:
        yield scratch
        if there:
            for path in sorted(scratch.iterdir()):
                path.replace(out / path.name)
        else:
            scratch.chmod(0o755)
            scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
