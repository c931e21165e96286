"""Putting a restored data folder in the place of another: as a whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tusou.backup import sums

_LOCK = "server.lock"  # whoever restores holds it, as a server does
_NEW, _OLD = ".restoring", "before-"


@contextmanager
def workplace(folder: Path, *, force: bool) -> Iterator[Path]:
    """A new folder on the same disk as a data folder; what is left in it in the end is deleted.

    Raises:
        RuntimeError: the data folder is not empty, and `force` is not given.
    """
    if _entries(folder) and not force:
        raise RuntimeError(
            f"{folder} is not empty; with --force it is put aside, and nothing of it is deleted"
        )
    new = folder / _NEW if folder.is_mount() else folder.with_name(f".{folder.name}{_NEW}")
    shutil.rmtree(new, ignore_errors=True)  # of a restore that was killed
    new.mkdir(mode=0o700, parents=True)
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def put(new: Path, folder: Path) -> Path | None:
    """Make a workplace the data folder; returns where the old one is now, if there was any."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    if folder.is_mount():
        return _exchange_entries(new, folder, folder / f"{_OLD}{stamp}")
    old = folder.with_name(f"{folder.name}.{_OLD}{stamp}")
    if not _entries(folder):
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
        return None
    folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    return old


def _exchange_entries(new: Path, folder: Path, old: Path) -> Path | None:
    """Where a disk begins, a folder cannot be renamed: what is in it is, a few entries in a row.

    The old database goes first and the new one comes last, so that no server takes what a power cut
    leaves in between for either.
    """
    entries = sorted(_entries(folder), key=lambda path: path.name != sums.DATABASE)
    if entries:
        old.mkdir(mode=0o700)
    for path in entries:
        path.rename(old / path.name)
    for path in sorted(new.iterdir(), key=lambda path: path.name == sums.DATABASE):
        path.rename(folder / path.name)
    os.sync()
    return old if entries else None


def _entries(folder: Path) -> list[Path]:
    """What is in a data folder of its own, and not of a restore or of the disk."""
    if not folder.exists():
        return []
    passed = {_LOCK, _NEW, "lost+found"}
    return [
        path
        for path in folder.iterdir()
        if path.name not in passed and not (folder.is_mount() and path.name.startswith(_OLD))
    ]
