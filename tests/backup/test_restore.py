"""A damaged backup is told of, and a data folder is replaced as a whole or not at all."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path
from typing import Any

import pytest

from support.folders import Folder, pictures, whole
from tusou import runtime
from tusou.backup import sums
from tusou.backup.make import make
from tusou.backup.restore import check, restore
from tusou.settings import Settings


@pytest.fixture
def backup(folder: Folder, tmp_path: Path) -> Path:
    return make(folder.sources, tmp_path / "backups").place


@pytest.fixture
def archive(folder: Folder, tmp_path: Path) -> Path:
    return make(folder.sources, tmp_path / "backup.tar").place


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_flipped_byte_in_any_file_is_found(backup: Path, tmp_path: Path) -> None:
    dice = random.Random(1)
    files = [path for path in backup.rglob("*") if path.is_file()]
    assert len(files) == 10
    for path in files:
        data = path.read_bytes()
        place = dice.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ValueError, match=r"as (it|they) w|damaged"):
            restore(backup, tmp_path / "target")
        path.write_bytes(data)
    assert not (tmp_path / "target").exists()
    assert not list(tmp_path.glob(".target*"))
    restore(backup, tmp_path / "target")


def test_a_flipped_byte_in_an_archive_is_found_or_does_no_harm(
    archive: Path, tmp_path: Path
) -> None:
    data, dice = archive.read_bytes(), random.Random(1)
    restore(archive, tmp_path / "good")
    good, found = _contents(tmp_path / "good"), 0
    for place in dice.sample(range(len(data)), 40):
        archive.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            restore(archive, tmp_path / "target", force=True)
        except ValueError:
            found += 1
        else:  # a byte between the files, or of their dates
            assert _contents(tmp_path / "target") == good
    assert found > 20


def test_a_truncated_archive_is_found(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        end = tar.getmembers()[-1].offset_data + tar.getmembers()[-1].size
    for length in (0, 1, 511, 512, 1536, len(data) // 2, end - 600, end - 1):
        archive.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"backup\.tar|damaged"):
            restore(archive, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_missing_file_and_one_too_many_are_found(backup: Path) -> None:
    blob = next((backup / "blobs").rglob("*.thumb"))
    moved = blob.with_name("0" * 32)
    blob.rename(moved)
    with pytest.raises(ValueError, match="2 files are missing or not as they were"):
        check(backup)
    moved.rename(blob)
    assert check(backup).pictures == 3
    (backup / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        check(backup)


def test_sums_cut_after_a_line_are_found(backup: Path) -> None:
    lines = (backup / sums.SUMS).read_bytes().splitlines(keepends=True)
    (backup / sums.SUMS).write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"backup\.json"):
        check(backup)


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "/etc/out",
        "packs/../../out",
        "packs/..",
        "blobs/aa/../../out",
        "packs/a/../b",
        "x",
    ],
)
def test_an_archive_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        head = tarfile.TarInfo(name)
        head.size = 4
        tar.addfile(head, io.BytesIO(b"evil"))
    with pytest.raises(ValueError, match="no backup has"):
        restore(tmp_path / "evil.tar", tmp_path / "a" / "target")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "evil.tar"]


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        head = tarfile.TarInfo(sums.DATABASE)
        head.type, head.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(head)
    with pytest.raises(ValueError, match="is no file"):
        check(tmp_path / "evil.tar")


def test_what_is_no_backup_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no backup"):
        check(tmp_path)
    (tmp_path / "a.tar").write_bytes(b"not a tar archive" * 100)
    with pytest.raises(ValueError, match="no whole archive"):
        check(tmp_path / "a.tar")


def test_of_a_folder_of_backups_the_newest_is_taken(folder: Folder, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    make(folder.sources, place).place.rename(place / "tusou-20260101T000000Z")
    folder.delete(1)
    make(folder.sources, place)
    restore(place, tmp_path / "target")
    assert pictures(tmp_path / "target") == whole(2, 3)


def test_a_folder_in_use_is_replaced_only_by_force_and_kept(
    folder: Folder, backup: Path, tmp_path: Path
) -> None:
    folder.add(4)
    folder.close()
    before = _contents(folder.settings.data)
    with pytest.raises(RuntimeError, match="not empty"):
        runtime.restore(folder.settings, backup)
    assert _contents(folder.settings.data).keys() - before.keys() <= {"server.lock"}
    replaced = runtime.restore(folder.settings, backup, force=True).replaced
    assert replaced is not None
    assert _contents(replaced).items() >= before.items()
    assert pictures(folder.settings.data) == whole(1, 2, 3)


def test_an_empty_folder_is_no_hindrance(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    assert runtime.restore(Settings.load({}, data=target), backup).replaced is None
    assert pictures(target) == whole(1, 2, 3)


def test_a_damaged_backup_leaves_a_folder_in_use_as_it_was(
    folder: Folder, backup: Path, tmp_path: Path
) -> None:
    (backup / sums.KEY).write_bytes(b"another")
    before = _contents(folder.settings.data)
    with pytest.raises(ValueError, match=r"secret\.key"):
        restore(backup, folder.settings.data, force=True)
    assert _contents(folder.settings.data) == before


def test_what_a_killed_restore_left_is_cleared_away(backup: Path, tmp_path: Path) -> None:
    left = tmp_path / ".target.restoring"
    left.mkdir()
    (left / "tusou.db").write_text("half")
    restore(backup, tmp_path / "target")
    assert not left.exists()
    assert pictures(tmp_path / "target") == whole(1, 2, 3)


def test_a_link_to_a_data_folder_stays_one(folder: Folder, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.settings.data)
    folder.close()
    replaced = restore(backup, tmp_path / "link", force=True).replaced
    assert replaced is not None
    assert replaced.parent == tmp_path
    assert (tmp_path / "link").readlink() == folder.settings.data
    assert pictures(folder.settings.data) == whole(1, 2, 3)


def _on_a_disk(mount: Path, size: str, program: str, *words: object) -> Any:
    """What a program says, as JSON, that has a small disk of its own mounted."""
    mount.mkdir()
    script = f"""
import json, os, subprocess, sys
from pathlib import Path
from tusou import runtime
from tusou.backup.restore import restore
from tusou.settings import Settings
disk, *words = map(Path, sys.argv[1:])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size={size}", "none", disk], check=True)
def main():
{textwrap.indent(program, "    ")}
print(json.dumps(main()))
"""
    command = ["unshare", "--mount", sys.executable, "-c", script, str(mount), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stderr.startswith(("unshare:", "mount:")):
        pytest.skip("disks cannot be mounted here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


NEEDS_MOUNT = pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0, reason="needs to mount a disk"
)


@NEEDS_MOUNT
def test_where_a_disk_begins_what_is_in_it_is_replaced(backup: Path, tmp_path: Path) -> None:
    program = """
settings = Settings.load({}, data=disk)
first = runtime.restore(settings, words[0]).replaced
(disk / "secret.key").write_text("changed")
try:
    runtime.restore(settings, words[0])
except RuntimeError as error:
    refused = str(error)
replaced = runtime.restore(settings, words[0], force=True).replaced
names = sorted(os.listdir(disk))
for name in ("tusou.db", "secret.key", "blobs"):
    subprocess.run(["cp", "-r", disk / name, words[1]])
return first, refused, (replaced / "secret.key").read_text(), replaced.name, names
"""
    (tmp_path / "out").mkdir()
    said = _on_a_disk(tmp_path / "disk", "20m", program, backup, tmp_path / "out")
    first, refused, changed, replaced, names = said
    assert (first, changed) == (None, "changed")
    assert "not empty" in refused
    assert names == sorted(["blobs", replaced, "secret.key", "server.lock", "tusou.db"])
    assert pictures(tmp_path / "out") == whole(1, 2, 3)


@NEEDS_MOUNT
def test_a_full_disk_leaves_no_half_folder_and_no_half_backup(
    folder: Folder, backup: Path, tmp_path: Path
) -> None:
    program = """
told = []
for attempt in (
    lambda: restore(words[0], disk / "target"),
    lambda: runtime.back_up(Settings.load({}, data=words[1]), disk / "a.tar"),
    lambda: runtime.back_up(Settings.load({}, data=words[1]), disk / "b"),
):
    try:
        attempt()
    except (OSError, RuntimeError) as error:
        told.append(str(error))
return told, [str(path) for path in disk.rglob("*") if path.is_file()]
"""
    told, left = _on_a_disk(tmp_path / "disk", "200k", program, backup, folder.settings.data)
    assert len(told) == 3
    assert "No space left" in told[0]
    assert "full" in told[1]
    assert left == []


def test_a_backup_of_a_newer_version_is_refused(folder: Folder, tmp_path: Path) -> None:
    with folder.sources.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    with pytest.raises(RuntimeError, match="newer"):
        runtime.back_up(folder.settings, tmp_path / "a.tar")
    made = make(folder.sources, tmp_path / "a.tar")
    with pytest.raises(RuntimeError, match="newer"):
        restore(made.place, tmp_path / "target")
    assert not (tmp_path / "target").exists()
