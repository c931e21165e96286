"""Picture files: whole or not there, in a folder and in a bucket."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import engines
from tusou.backends import open_blobs
from tusou.errors import Problem, TusouError
from tusou.settings import Settings
from tusou.storage.blobs import Blobs, FolderBlobs, new_name


@pytest.fixture(params=engines.BLOBS)
def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Blobs]:
    environ = {} if request.param == "folder" else request.getfixturevalue("bucket")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    store = open_blobs(Settings.load(environ, data=tmp_path))
    yield store
    store.close()


def test_what_was_put_is_got_and_after_a_delete_it_is_gone(blobs: Blobs) -> None:
    name = new_name()
    blobs.put(name, b"picture")
    assert blobs.get(name) == b"picture"
    assert [found for found, _ in blobs.names()] == [name]
    blobs.delete(name)
    blobs.delete(name)
    with pytest.raises(KeyError):
        blobs.get(name)


def test_several_are_put_together(blobs: Blobs) -> None:
    first, second = new_name(), new_name()
    several = {first: b"picture", f"{first}.thumb": b"small", second: b""}
    blobs.put_all(several)
    assert {name: blobs.get(name) for name, _ in blobs.names()} == several
    with pytest.raises(KeyError):
        blobs.put_all({"../secret.key": b"x"})


@pytest.mark.parametrize("name", ["../secret.key", "", "a/b", "..", "0" * 31, "0" * 32 + "/x"])
def test_a_name_cannot_lead_out_of_the_store(blobs: Blobs, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.key").write_bytes(b"secret")
    for act in (blobs.get, lambda name: blobs.put(name, b"x"), blobs.delete):
        with pytest.raises(KeyError):
            act(name)
    assert list(blobs.names()) == []


def test_many_threads_put_get_and_delete_and_names_tell_what_is_left(blobs: Blobs) -> None:
    kept: list[str] = []

    def work(number: int) -> None:
        for turn in range(12):
            name, data = new_name(), bytes([number]) * (1 + turn * 9000)
            blobs.put(name, data)
            blobs.put(f"{name}.thumb", b"small")
            assert blobs.get(name) == data
            if turn % 3:
                blobs.delete(name)
                blobs.delete(f"{name}.thumb")
            else:
                kept.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 16
    assert {name for name, _ in blobs.names()} == {*kept, *(f"{name}.thumb" for name in kept)}


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


def test_names_come_with_the_time_of_writing(blobs: Blobs) -> None:
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


@pytest.mark.cluster
def test_a_store_that_is_down_is_told_as_unavailable(
    bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    away = {**bucket, "TUSOU_S3_ENDPOINT": "http://127.0.0.1:9"}
    wrong = {**bucket, "TUSOU_BLOBS": "s3://no-such-bucket"}
    for environ in (away, wrong):
        store = open_blobs(Settings.load(environ))
        with pytest.raises(TusouError) as caught:
            store.put(new_name(), b"picture")
        assert caught.value.problem is Problem.UNAVAILABLE
        with pytest.raises(TusouError):
            store.get(new_name())
        with pytest.raises(TusouError):
            list(store.names())
        store.close()


@pytest.mark.parametrize("blobs", ["s3://", "ftp://host/folder"])
def test_a_setting_that_names_no_store_is_refused(blobs: str) -> None:
    with pytest.raises(RuntimeError, match="blobs setting"):
        open_blobs(Settings.load({}, blobs=blobs))
