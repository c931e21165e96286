"""Backups are of one moment, whatever happens while they are made."""

import fcntl
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.folders import Folder, pictures, whole
from tusou import runtime
from tusou.backup import sums
from tusou.backup.make import Made, make
from tusou.backup.restore import check, restore
from tusou.settings import Settings

KINDS = ["backups", "backup.tar"]


def _restored(made: Made, tmp_path: Path) -> Path:
    target = tmp_path / f"restored-{made.place.name}"
    assert restore(made.place, target).contents.pictures == made.pictures
    return target


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_everything_comes_back(folder: Folder, place: Path, tmp_path: Path) -> None:
    made = make(folder.sources, place)
    assert (made.pictures, made.reused, made.lost) == (3, 0, 0)
    assert pictures(_restored(made, tmp_path)) == whole(1, 2, 3)


def test_only_its_owner_may_read_it(folder: Folder, place: Path, tmp_path: Path) -> None:
    made = make(folder.sources, place)
    assert stat.S_IMODE(made.place.stat().st_mode) & 0o077 == 0
    assert (_restored(made, tmp_path) / "secret.key").stat().st_mode & 0o077 == 0


def test_a_picture_deleted_or_added_during_the_copy_is_as_in_the_rows(
    folder: Folder, place: Path, tmp_path: Path
) -> None:
    # The first picture that is read is in hand when the third goes and the fourth comes.
    def meanwhile() -> None:
        folder.delete(3)
        folder.add(4)

    folder.store.before[0] = meanwhile
    made = make(folder.sources, place)
    assert pictures(_restored(made, tmp_path)) == whole(1, 2, 4)


def test_a_picture_deleted_after_it_was_copied_is_gone(
    folder: Folder, place: Path, tmp_path: Path
) -> None:
    first = int(next(n for n, name in folder.blobs.items() if name == _first(folder)))
    folder.store.before[2] = lambda: folder.delete(first)
    made = make(folder.sources, place)
    left = {1, 2, 3} - {first}
    restored = _restored(made, tmp_path)
    if made.place.is_dir():
        assert pictures(restored) == whole(*left)
    else:  # what is in an archive cannot be taken out; the server sweeps it up
        (restored / sums.blob_path(folder.blobs[first])).unlink()
        (restored / sums.blob_path(f"{folder.blobs[first]}.thumb")).unlink()
        assert pictures(restored) == whole(*left)


def _first(folder: Folder) -> str:
    """The blob that is read first."""
    with folder.sources.database.read() as connection:
        return str(connection.exec_driver_sql("SELECT blob FROM items").scalars().first())


def test_a_picture_deleted_between_its_row_and_its_file_is_left_out(
    folder: Folder, place: Path, tmp_path: Path
) -> None:
    # 4 comes too late for the first round; when its file is wanted, it has been deleted.
    folder.store.before[0] = lambda: folder.add(4)
    folder.store.before[6] = lambda: folder.delete(4)
    made = make(folder.sources, place)
    assert (made.pictures, made.lost) == (3, 0)
    assert pictures(_restored(made, tmp_path)) == whole(1, 2, 3)


def test_a_picture_whose_file_was_lost_is_kept_and_told(
    folder: Folder, place: Path, tmp_path: Path
) -> None:
    folder.lose(2)
    made = make(folder.sources, place)
    assert (made.pictures, made.lost) == (3, 1)
    assert pictures(_restored(made, tmp_path)) == {**whole(1, 3), 2: None}


def test_the_next_backup_in_a_folder_links_what_the_last_one_has(
    folder: Folder, tmp_path: Path
) -> None:
    place = tmp_path / "backups"
    first = make(folder.sources, place)
    first.place.rename(place / "tusou-20260101T000000Z")
    folder.delete(1)
    folder.add(4)
    second = make(folder.sources, place)
    assert second.reused == 4
    shared = place / "tusou-20260101T000000Z" / sums.blob_path(folder.blobs[2])
    assert shared.samefile(second.place / sums.blob_path(folder.blobs[2]))
    assert make(folder.sources, tmp_path / "other").reused == 0
    shutil.rmtree(place / "tusou-20260101T000000Z")
    assert pictures(_restored(second, tmp_path)) == whole(2, 3, 4)


def test_a_full_backup_links_nothing_and_a_lost_link_is_copied(
    folder: Folder, tmp_path: Path
) -> None:
    place = tmp_path / "backups"
    old = place / "tusou-20260101T000000Z"
    make(folder.sources, place).place.rename(old)
    (old / sums.blob_path(folder.blobs[2])).unlink()
    full = make(folder.sources, place, full=True)
    assert full.reused == 0
    full.place.rename(place / "aside")
    made = make(folder.sources, place)
    assert made.reused == 5
    assert pictures(_restored(made, tmp_path)) == whole(1, 2, 3)


def test_nothing_is_taken_from_a_backup_whose_sums_are_damaged(
    folder: Folder, tmp_path: Path
) -> None:
    place = tmp_path / "backups"
    (make(folder.sources, place).place / sums.SUMS).write_text("half a li")
    made = make(folder.sources, place)
    assert made.reused == 0
    assert pictures(_restored(made, tmp_path)) == whole(1, 2, 3)


def test_packs_that_were_added_are_in_it(folder: Folder, place: Path, tmp_path: Path) -> None:
    pack = folder.settings.data / "packs" / "tiny@1"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text("a")
    sources = folder.sources
    made = make(type(sources)(sources.database, sources.blobs, sources.key_file, [pack]), place)
    restored = _restored(made, tmp_path)
    assert (restored / "packs" / "tiny@1" / "pack.toml").read_text() == "a"


def test_sha256sum_reads_the_sums(folder: Folder, tmp_path: Path) -> None:
    made = make(folder.sources, tmp_path / "backups")
    status = os.spawnlp(
        *(os.P_WAIT, "sh", "sh", "-c"),
        f"cd '{made.place}' && sha256sum --check --strict --status {sums.SUMS}",
    )
    assert status == 0


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [5, 4096, 200_000])
def test_a_full_disk_leaves_nothing_behind(folder: Folder, place: Path, size: int) -> None:
    with _files_of_at_most(size), pytest.raises((OSError, RuntimeError)):
        make(folder.sources, place)
    left = [path for path in place.parent.iterdir() if path.name != "data"]
    assert [path for path in left if path.is_file() or any(path.iterdir())] == []
    assert make(folder.sources, place).pictures == 3


def test_what_a_killed_backup_left_is_cleared_away(folder: Folder, place: Path) -> None:
    left = place.with_name(f".{place.name}.part")
    if not place.suffix:
        place.mkdir()
        left = place / ".tusou-20260101T000000Z.part"
    left.mkdir()
    (left / "tusou.db").write_text("half")
    made = make(folder.sources, place)
    assert not left.exists()
    assert check(made.place).pictures == 3


def test_an_archive_never_replaces_another(folder: Folder, tmp_path: Path) -> None:
    place = tmp_path / "backup.tar"
    make(folder.sources, place)
    before = place.read_bytes()
    with pytest.raises(FileExistsError, match="never replaces"):
        make(folder.sources, place)
    assert place.read_bytes() == before


def test_two_backups_do_not_share_a_folder_at_once(folder: Folder, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    descriptor = os.open(place, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(RuntimeError, match="another backup"):
        make(folder.sources, place)
    os.close(descriptor)


def test_a_damaged_database_is_not_backed_up(folder: Folder, place: Path) -> None:
    folder.close()
    file = folder.settings.data / "tusou.db"
    data = bytearray(file.read_bytes())
    for start in range(8192, len(data), 4096):
        data[start : start + 600] = b"x" * 600
    file.write_bytes(data)
    with pytest.raises((RuntimeError, OSError)):
        runtime.back_up(folder.settings, place)
    assert not place.is_file()


def test_a_folder_without_a_database_has_nothing_to_back_up(tmp_path: Path, place: Path) -> None:
    with pytest.raises(RuntimeError, match="no database"):
        runtime.back_up(Settings.load({}, data=tmp_path / "none"), place)
    assert not (tmp_path / "none").exists()


def test_postgresql_is_referred_to_its_own_tools(tmp_path: Path, place: Path) -> None:
    environ = {"TUSOU_DATABASE": "postgresql+psycopg://tusou@127.0.0.1/tusou"}
    settings = Settings.load(environ, data=tmp_path / "data")
    with pytest.raises(RuntimeError, match="pg_dump"):
        runtime.back_up(settings, place)
    with pytest.raises(RuntimeError, match="unset TUSOU_DATABASE"):
        runtime.restore(settings, place)
