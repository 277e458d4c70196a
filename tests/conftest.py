"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets: FASTSOFTMAX_DATA, else ../shared/data beside the project."""
    named = os.environ.get("FASTSOFTMAX_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "mnist").is_dir():
        pytest.skip(f"no real data in {folder} (set FASTSOFTMAX_DATA)")
    return folder
