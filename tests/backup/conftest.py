"""What the tests of backups share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.folders import Folder


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("filled") / "data"
    made = Folder(data)
    for number in (1, 2, 3):
        made.add(number)
    made.close()
    return data


@pytest.fixture
def folder(_filled: Path, tmp_path: Path) -> Iterator[Folder]:
    """With the pictures 1, 2 and 3."""
    shutil.copytree(_filled, tmp_path / "data")
    made = Folder(tmp_path / "data")
    yield made
    made.close()
