"""Making a backup while the server adds, changes and deletes.

Pictures are copied first, then the database as it is at one moment, then the pictures that came in
between: what is written before its row is there when the row is. A picture deleted before its file
was copied is left out of the copy of the database; it was gone when the backup was done.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tusou import __version__
from tusou.backup import chests, sums
from tusou.backup.chests import Chest
from tusou.storage import snapshot
from tusou.storage.blobs import THUMBNAIL, Blobs
from tusou.storage.database import Database

FORM = 1
"""Of a backup; another one is not read."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to be backed up."""

    database: Database
    blobs: Blobs
    key_file: Path
    packs: Sequence[Path]
    """Folders of the model packs that were added."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made."""

    place: Path
    pictures: int
    files: int
    reused: int
    """Of the files, those that an earlier backup had."""
    lost: int
    """Pictures whose files are not in the store, though nobody deleted them."""


def require_current(database: Database) -> None:
    """Refuse a database that this version does not read.

    Raises:
        RuntimeError: it is not there, or of another version.
    """
    state = database.state()
    if state == "absent":
        raise RuntimeError("there is no database here to back up")
    if state != "current":
        raise RuntimeError(f"the tusou that wrote this database is {state}: back it up with that")


def make(sources: Sources, place: Path, *, full: bool = False) -> Made:
    """Back everything up; see `chests.new` for `place` and `full`.

    Raises:
        RuntimeError: the database is damaged.
        OSError: the place is full, or cannot be written to.
    """
    with chests.new(place, full=full) as (chest, final):
        pictures = _Pictures(sources.blobs, chest)
        pictures.copy(list(snapshot.blobs(sources.database)))
        file = chest.workplace / "copy.db"
        snapshot.take(sources.database, file)
        held, lost = _complete(sources.database, file, pictures)
        chest.move_file(sums.DATABASE, file)
        chest.put_file(sums.KEY, sources.key_file)
        for pack in sources.packs:
            for path in sorted(pack.rglob("*")):
                if path.is_file():
                    chest.put_file(f"{sums.PACKS}/{path.relative_to(pack.parent)}", path)
        facts = {"form": FORM, "version": __version__, "made": int(time.time()), "pictures": held}
        chest.put(sums.FACTS, json.dumps(facts | {"files": len(chest.digests)}).encode())
        made = Made(final, held, len(chest.digests), pictures.reused, lost)
    return made


class _Pictures:
    """Copies the files of pictures, thumbnails too."""

    def __init__(self, blobs: Blobs, chest: Chest) -> None:
        self._blobs = blobs
        self._chest = chest
        self.reused = 0
        self.copied: set[str] = set()

    def copy(self, names: Iterable[str]) -> list[str]:
        """Copy those that are there; returns those that are not."""
        missing = []
        for name in names:
            if self._copy(name):
                self.copied.add(name)
                self._copy(name + THUMBNAIL)  # feedback has none
            else:
                missing.append(name)
        return missing

    def drop(self, name: str) -> None:
        """Take a picture out again."""
        for path in (sums.blob_path(name), sums.blob_path(name + THUMBNAIL)):
            if path in self._chest.digests:
                self._chest.drop(path)
        self.copied.remove(name)

    def _copy(self, name: str) -> bool:
        path = sums.blob_path(name)
        if self._chest.reuse(path):
            self.reused += 1
            return True
        try:
            data = self._blobs.get(name)
        except KeyError:
            return False
        self._chest.put(path, data)
        return True


def _complete(live: Database, file: Path, pictures: _Pictures) -> tuple[int, int]:
    """Make the copied pictures those of the copied rows; returns how many rows, and files lost."""
    copy = Database(f"sqlite:///{file}")
    try:
        wanted = set(snapshot.blobs(copy))
        missing = pictures.copy(wanted - pictures.copied)
        # A row goes before its file, so a file that a row still names was lost, not deleted.
        lost = snapshot.still_there(live, missing)
        snapshot.leave_out(copy, set(missing) - lost)
        for name in pictures.copied - wanted:
            pictures.drop(name)
        return snapshot.pictures(copy), len(lost)
    finally:
        copy.close()
