"""Picture files: whole or not there."""

import os
import time
from pathlib import Path

import pytest

from tusou.errors import Problem, TusouError
from tusou.storage.blobs import FolderBlobs, new_name


def test_what_was_put_is_got_and_after_a_delete_it_is_gone(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    name = new_name()
    blobs.put(name, b"picture")
    assert blobs.get(name) == b"picture"
    assert [found for found, _ in blobs.names()] == [name]
    blobs.delete(name)
    blobs.delete(name)
    with pytest.raises(KeyError):
        blobs.get(name)


@pytest.mark.parametrize("name", ["../secret.key", "", "a/b", "..", "0" * 31, "0" * 32 + "/x"])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.key").write_bytes(b"secret")
    blobs = FolderBlobs(tmp_path / "blobs")
    with pytest.raises(KeyError):
        blobs.get(name)
    with pytest.raises(KeyError):
        blobs.put(name, b"x")


def test_a_write_that_fails_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FolderBlobs(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TusouError) as caught:
        blobs.put(new_name(), b"picture")
    assert caught.value.problem is Problem.UNAVAILABLE
    assert list(blobs.names()) == []


def test_names_come_with_the_time_of_writing(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    before = time.time() - 2
    blobs.put(new_name(), b"")
    ((_, written),) = blobs.names()
    assert before <= written <= time.time() + 2


def test_a_file_that_cannot_be_read_is_no_file_that_is_gone(tmp_path: Path) -> None:
    blobs, name = FolderBlobs(tmp_path), new_name()
    (tmp_path / name[:2] / name).mkdir(parents=True)  # in place of a disk that is breaking
    with pytest.raises(TusouError) as caught:
        blobs.get(name)
    assert caught.value.problem is Problem.UNAVAILABLE
