"""Pictures of a library that show the same, as SQL keeps them: found, decided, how far looked for.

What is said of a picture goes when the picture goes.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from tusou.storage.database import Also, Database
from tusou.storage.items import stored_vector, stored_words
from tusou.storage.registry import require_library
from tusou.storage.tables import (
    different_pairs,
    items,
    kept_pictures,
    keypoints,
    same_pairs,
    scans,
    vectors,
    words,
)
from tusou.types import Vector, Words

State = Literal["none", "waiting", "running", "done"]

_OPEN = ("waiting", "running")
_SQL_KEYS = 500  # numbers in one statement; SQLite takes 32,766, older ones 999


@dataclass(frozen=True, slots=True)
class Scan:
    """How far a library was looked through."""

    library_id: int
    state: State
    """`none`: never asked for."""
    last: int
    """The number of the last picture that was compared with all others."""
    until: int
    """Pictures of greater numbers came later; the next scan compares them."""
    total: int
    done: int
    asked: int
    ended: int | None
    problem: str
    """Why it does not go on just now; empty: it does."""

    @property
    def is_open(self) -> bool:
        """Whether it waits or is under way."""
        return self.state in _OPEN


class Seen(NamedTuple):
    """What is stored of a picture to compare it by."""

    key: int
    vector: Vector
    words: Words | None
    keypoints: bytes | None
    sketch: bytes | None
    blob: str
    """Name of its file in the blob store; empty: not kept."""


class Contender(NamedTuple):
    """A picture as it competes with others that show the same."""

    key: int
    pixels: int
    length: int
    """Bytes of the file."""
    kept: bool
    """Somebody would rather keep it."""


Pair = tuple[int, int]
"""Numbers of two pictures, the smaller first."""


Mark = tuple[int, ...]
"""A revision, which grows with what is added, and how many rows there are, which falls with what
goes: together they are equal only where nothing has changed."""


def pair(one: int, other: int) -> Pair:
    """Two pictures as a pair."""
    return min(one, other), max(one, other)


class Scans:
    """How far libraries were looked through, and which are to be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, library_id: int) -> Scan:
        """The scan of a library, or one of state `none`."""
        with self._database.read() as connection:
            row = connection.execute(_scan_of(library_id)).one_or_none()
        return Scan(library_id, "none", 0, 0, 0, 0, 0, None, "") if row is None else _scan(row)

    def open(self) -> list[Scan]:
        """Scans that wait or are under way, in the order in which they were asked for."""
        query = select(scans).where(scans.c.state.in_(_OPEN)).order_by(scans.c.asked)
        with self._database.read() as connection:
            return [_scan(row) for row in connection.execute(query)]

    def fresh(self, library_id: int) -> int:
        """How many pictures are not compared yet."""
        last = self.get(library_id).last
        mine = (items.c.library_id == library_id) & (items.c.id > last)
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(items).where(mine)) or 0

    def ask(self, library_id: int, also: Also = lambda _: None) -> Scan:
        """Have the pictures compared that were not yet; one that is open already goes on.

        Raises:
            TusouError: NO_LIBRARY, it was released.
        """
        with self._database.write(f"scan {library_id}") as connection:
            require_library(connection, library_id)
            row = connection.execute(_scan_of(library_id).with_for_update()).one_or_none()
            if row is not None and _scan(row).is_open:
                return _scan(row)
            last = 0 if row is None else row.last
            mine = (items.c.library_id == library_id) & (items.c.id > last)
            until, total = connection.execute(
                select(func.max(items.c.id), func.count()).where(mine)
            ).one()
            values = {
                "state": "waiting",
                "last": last,
                "until": until or last,
                "total": total,
                "done": 0,
                "asked": int(time.time()),
                "ended": None,
                "problem": "",
            }
            if row is None:
                connection.execute(
                    insert(scans).values(library_id=library_id, revision=0, **values)
                )
            else:
                connection.execute(
                    update(scans).where(scans.c.library_id == library_id).values(**values)
                )
            also(connection)
            return _scan(connection.execute(_scan_of(library_id)).one())

    def begin(self, scan: Scan) -> None:
        """It is under way."""
        self._set(scan, state="running", problem="")

    def hold(self, scan: Scan, problem: str) -> None:
        """Say why it does not go on just now; it is tried again."""
        self._set(scan, problem=problem[:500])

    def end(self, scan: Scan) -> None:
        """It is done."""
        self._set(scan, state="done", ended=int(time.time()), problem="")

    def _set(self, scan: Scan, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(scans).where(scans.c.library_id == scan.library_id).values(**values)
            )


class Pairs:
    """What was found and decided in one library."""

    def __init__(self, database: Database, library_id: int) -> None:
        self._database = database
        self._library_id = library_id

    def portion(self, after: int, until: int, count: int) -> list[int]:
        """Numbers of up to `count` pictures from `after` (not) to `until` (too)."""
        query = (
            select(items.c.id)
            .where(items.c.library_id == self._library_id, items.c.id > after, items.c.id <= until)
            .order_by(items.c.id)
            .limit(count)
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def seen(self, keys: Sequence[int], pack: str) -> list[Seen]:
        """What is stored of pictures; those that are gone or have no vector are left out."""
        query = (
            select(
                items.c.id,
                vectors.c.vector,
                words.c.words,
                keypoints.c.keypoints,
                keypoints.c.sketch,
                items.c.blob,
            )
            .join(vectors, and_(vectors.c.item_id == items.c.id, vectors.c.pack == pack))
            .outerjoin(words, words.c.item_id == items.c.id)
            .outerjoin(keypoints, keypoints.c.item_id == items.c.id)
            .where(items.c.library_id == self._library_id, items.c.id.in_(keys))
        )
        with self._database.read() as connection:
            return [
                Seen(
                    row.id,
                    stored_vector(row.vector),
                    None if row.words is None else stored_words(row.words),
                    row.keypoints,
                    row.sketch,
                    row.blob,
                )
                for row in connection.execute(query)
            ]

    def same_as(self, keys: Iterable[int]) -> set[Pair]:
        """The pairs that were found of any of these pictures."""
        wanted = list(keys)
        query = select(same_pairs.c.first, same_pairs.c.second).where(
            or_(same_pairs.c.first.in_(wanted), same_pairs.c.second.in_(wanted))
        )
        with self._database.read() as connection:
            return {(row.first, row.second) for row in connection.execute(query)}

    def found(self, pairs: Mapping[Pair, float], last: int) -> None:
        """Keep the pairs of a picture, and that all up to it, of number `last`, are compared.

        Pairs of pictures that are gone by now are passed over.
        """
        keys = {key for both in pairs for key in both}
        with self._alone() as connection:
            there = _lock(connection, keys)
            known = {
                (row.first, row.second)
                for some in _cut(sorted(keys))
                for row in connection.execute(
                    select(same_pairs.c.first, same_pairs.c.second).where(
                        same_pairs.c.first.in_(some)
                    )
                )
            }
            rows = [
                self._row(both) | {"score": score}
                for both, score in pairs.items()
                if both not in known and there.issuperset(both)
            ]
            if rows:
                connection.execute(insert(same_pairs), rows)
            connection.execute(
                update(scans)
                .where(scans.c.library_id == self._library_id)
                .values(
                    last=last,
                    done=scans.c.done + 1,
                    # PostgreSQL adds no truth value to a number.
                    revision=scans.c.revision + (1 if rows else 0),
                )
            )

    def same(self, of: Sequence[int] | None = None) -> dict[Pair, float]:
        """All pairs, or those of some pictures, with their scores.

        But those that somebody said are different.
        """
        said = and_(
            different_pairs.c.first == same_pairs.c.first,
            different_pairs.c.second == same_pairs.c.second,
        )
        query = (
            select(same_pairs.c.first, same_pairs.c.second, same_pairs.c.score)
            .outerjoin(different_pairs, said)
            .where(same_pairs.c.library_id == self._library_id, different_pairs.c.first.is_(None))
        )
        if of is not None:
            query = query.where(same_pairs.c.first.in_(of) | same_pairs.c.second.in_(of))
        with self._database.read() as connection:
            return {(row.first, row.second): row.score for row in connection.execute(query)}

    def contenders(self, keys: Iterable[int]) -> dict[int, Contender]:
        """What pictures compete by, by number; those that are gone are left out."""
        query = select(
            items.c.id, items.c.width, items.c.height, items.c.bytes, kept_pictures.c.item_id
        ).outerjoin(kept_pictures, kept_pictures.c.item_id == items.c.id)
        with self._database.read() as connection:
            return {
                key: Contender(key, width * height, length, kept is not None)
                for some in _cut(sorted(keys))
                for key, width, height, length, kept in connection.execute(
                    query.where(items.c.id.in_(some))
                )
            }

    def keep(self, key: int, others: Sequence[int], also: Also = lambda _: None) -> None:
        """Prefer a picture to others, whatever was preferred before."""
        with self._alone() as connection:
            connection.execute(
                delete(kept_pictures).where(kept_pictures.c.item_id.in_([key, *others]))
            )
            if _lock(connection, {key}):
                connection.execute(
                    insert(kept_pictures).values(item_id=key, library_id=self._library_id)
                )
            self._revise(connection)
            also(connection)

    def part(self, pairs: Iterable[Pair], also: Also = lambda _: None) -> None:
        """Say of pairs that they are different; they are never grouped again."""
        wanted = set(pairs)
        with self._alone() as connection:
            there = _lock(connection, {key for both in wanted for key in both})
            known = connection.execute(
                select(different_pairs.c.first, different_pairs.c.second).where(
                    different_pairs.c.library_id == self._library_id
                )
            )
            wanted -= {(row.first, row.second) for row in known}
            rows = [self._row(both) for both in sorted(wanted) if there.issuperset(both)]
            if rows:
                connection.execute(insert(different_pairs), rows)
            self._revise(connection)
            also(connection)

    def mark(self) -> Mark:
        """What differs whenever any pair or decision of the library does."""
        tables = (same_pairs, different_pairs, kept_pictures)
        counts = [
            select(func.count())
            .select_from(table)
            .where(table.c.library_id == self._library_id)
            .scalar_subquery()
            for table in tables
        ]
        query = select(scans.c.revision, *counts).where(scans.c.library_id == self._library_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return () if row is None else tuple(row)

    def _alone(self) -> AbstractContextManager[Connection]:
        """A transaction beside which no other looks for pairs or decisions to write what lacks."""
        return self._database.write(f"pairs {self._library_id}")

    def _revise(self, connection: Connection) -> None:
        connection.execute(
            update(scans)
            .where(scans.c.library_id == self._library_id)
            .values(revision=scans.c.revision + 1)
        )

    def _row(self, both: Pair) -> dict[str, object]:
        return {"first": both[0], "second": both[1], "library_id": self._library_id}


def _lock(connection: Connection, keys: set[int]) -> set[int]:
    """Those pictures that are there, which cannot go before the transaction ends."""
    return {
        key
        for some in _cut(sorted(keys))
        for key in connection.scalars(
            select(items.c.id).where(items.c.id.in_(some)).with_for_update(read=True)
        )
    }


def _cut(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[start : start + _SQL_KEYS] for start in range(0, len(keys), _SQL_KEYS))


def _scan_of(library_id: int):  # type: ignore[no-untyped-def]  # SQLAlchemy's own type is private
    return select(scans).where(scans.c.library_id == library_id)


def _scan(row: Row[tuple[object, ...]]) -> Scan:
    return Scan(
        library_id=row.library_id,
        state=row.state,
        last=row.last,
        until=row.until,
        total=row.total,
        done=row.done,
        asked=row.asked,
        ended=row.ended,
        problem=row.problem,
    )
