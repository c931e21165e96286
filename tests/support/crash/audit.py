"""What is really there: rows, features, files and counts, each compared with what must be."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Row as SqlRow
from sqlalchemy import text

from support.crash.history import Row, Slot, State
from support.crash.stock import Stock
from tusou.office import Office
from tusou.services import SERVICES
from tusou.types import ContSign

_ITEMS = """
SELECT items.*, libraries.service, libraries.pack, vectors.vector, words.words, keypoints.keypoints
FROM items JOIN libraries ON libraries.id = items.library_id
LEFT JOIN vectors ON vectors.item_id = items.id AND vectors.pack = libraries.pack
LEFT JOIN words ON words.item_id = items.id
LEFT JOIN keypoints ON keypoints.item_id = items.id
"""
_SIZES = """
SELECT libraries.service, libraries.size, count(items.id) AS counted
FROM libraries LEFT JOIN items ON items.library_id = libraries.id GROUP BY libraries.id
"""
_STRANGERS = """
SELECT count(*) FROM vectors JOIN libraries ON libraries.id = vectors.library_id
WHERE vectors.pack <> libraries.pack
AND vectors.library_id NOT IN (SELECT library_id FROM moves)
"""
_USAGE = "SELECT service, operation, sum(calls) AS calls FROM usage GROUP BY service, operation"

_PATIENCE = 60.0  # for what the server does in the background, on a busy machine


class Seen(NamedTuple):
    """What one picture's features were when they were first seen."""

    vectors: Mapping[str, bytes]
    """By pack."""
    words: bytes
    keypoints: bytes


@dataclass
class Audit:
    """Looks into the data folder of a server that nobody changes anything on meanwhile."""

    office: Office
    stock: Stock
    seen: dict[Slot, Seen] = field(default_factory=dict)
    """A picture's features are the same whenever it is added."""

    def rows(self) -> list[SqlRow[Any]]:
        """All pictures with their features, once no import or change of many is under way."""
        self._wait_for_none("SELECT count(*) FROM batches WHERE state IN ('waiting', 'running')")
        return self._select(_ITEMS)

    def states(self, rows: Sequence[SqlRow[Any]]) -> dict[Slot, State]:
        """The state of every picture of the stock."""
        slots = self._slots()
        found: dict[Slot, State] = dict.fromkeys(self.stock)
        for row in rows:
            slot = slots[row.service, str(ContSign.from_int(row.sign))]
            found[slot] = Row(row.brief, (row.class1, row.class2))
        return found

    def features(self, rows: Sequence[SqlRow[Any]]) -> Iterator[str]:
        """Each picture has all features of its service, those it always had; no row is left over.

        Rows are compared with themselves, too: sizes, references, and SQLite's own check.
        """
        slots = self._slots()
        for row in rows:
            yield from self._of_picture(slots[row.service, str(ContSign.from_int(row.sign))], row)
        for size in self._select(_SIZES):
            if size.size != size.counted:
                yield f"{size.service} says {size.size} pictures and has {size.counted}"
        (strangers,) = self._select(_STRANGERS)
        if strangers[0]:
            yield f"{strangers[0]} vectors of packs that no library has"
        for check in ("foreign_key_check", "integrity_check"):
            broken = [tuple(row) for row in self._select(f"PRAGMA {check}")]
            if broken not in ([], [("ok",)]):
                yield f"{check}: {broken[:3]}"

    def files(self, rows: Sequence[SqlRow[Any]]) -> Iterator[str]:
        """Each picture has its file and a whole thumbnail, and there is no other file.

        Files left by a crash are swept up by the starting server, which takes a moment.
        """
        slots = self._slots()
        wanted = {name for row in rows for name in (row.blob, f"{row.blob}.thumb")}
        end = time.monotonic() + _PATIENCE
        while (there := self.names()) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        if there != wanted:
            yield f"files: {sorted(there - wanted)} too many, {sorted(wanted - there)} missing"
            return
        for row in rows:
            slot = slots[row.service, str(ContSign.from_int(row.sign))]
            if self._read(row.blob) != self.stock.file(slot):
                yield f"{slot}: the file is not what was sent"
            small = self._read(f"{row.blob}.thumb")
            if not (small.startswith(b"\xff\xd8") and small.endswith(b"\xff\xd9")):
                yield f"{slot}: the thumbnail is not whole"

    def names(self) -> set[str]:
        """All files of the picture store."""
        folder = self.office.settings.data / "blobs"
        return {path.name for path in folder.glob("*/*")}

    def counted(self) -> dict[tuple[str, str], int]:
        """Stored counts of calls by service and operation."""
        return {(row.service, row.operation): row.calls for row in self._select(_USAGE)}

    def wait_for_moves(self) -> None:
        """Wait until no library is being moved to another pack."""
        self._wait_for_none("SELECT count(*) FROM moves")

    def wait_for_scans(self) -> None:
        """Wait until no library is looked through for duplicates."""
        self._wait_for_none("SELECT count(*) FROM scans WHERE state <> 'done'")

    def _of_picture(self, slot: Slot, row: SqlRow[Any]) -> Iterator[str]:
        local = SERVICES[row.service].explains
        if row.vector is None or (local, local) != (bool(row.words), bool(row.keypoints)):
            yield f"{slot} lacks features, or has too many"
            return
        now = Seen({row.pack: row.vector}, row.words or b"", row.keypoints or b"")
        first = self.seen.setdefault(slot, now)
        if (now.words, now.keypoints) != (first.words, first.keypoints):
            yield f"{slot}: its words or keypoints are not those it had"
        vector = first.vectors.get(row.pack)
        if vector is None:
            self.seen[slot] = first._replace(vectors={**first.vectors, **now.vectors})
        elif not _alike(vector, row.vector):
            yield f"{slot}: its vector is not the one it had"

    def _slots(self) -> dict[tuple[str, str], Slot]:
        return {(slot.service, self.stock.sign(slot)): slot for slot in self.stock}

    def _read(self, name: str) -> bytes:
        return (self.office.settings.data / "blobs" / name[:2] / name).read_bytes()

    def _select(self, query: str) -> list[SqlRow[Any]]:
        with self.office.database.read() as connection:
            return list(connection.execute(text(query)))

    def _wait_for_none(self, query: str) -> None:
        end = time.monotonic() + _PATIENCE
        while self._select(query)[0][0]:
            if time.monotonic() > end:
                raise AssertionError(f"never ends: {query}")
            time.sleep(0.05)


def _alike(one: bytes, other: bytes) -> bool:
    """Vectors may differ by what rounding does to pictures embedded side by side."""
    if len(one) != len(other):
        return False
    first, second = (np.frombuffer(data, "<f2").astype(float) for data in (one, other))
    return bool(np.allclose(first, second, atol=0.01))
