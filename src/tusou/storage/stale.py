"""Pictures that changed in SQL, and that an index which servers share may not have followed yet.

A change marks its pictures in its own transaction. Then, or when its server has died, somebody
holds the marks, brings the index to what SQL says at that moment, and takes them away. Nobody can
change a picture while its mark is held, so the index never ends up behind, whoever writes when.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from tusou.storage.database import Database
from tusou.storage.items import stored_vector, stored_words
from tusou.storage.tables import (
    index_times,
    items,
    libraries,
    moves,
    stale_items,
    vectors,
    words,
)
from tusou.types import Vector, Words

_MARKS = 300
"""Rows of one statement: three numbers each; SQLite takes 32,766, older ones 999."""


class Entry(NamedTuple):
    """What an index is to hold of a picture."""

    key: int
    classes: tuple[int, int]
    vectors: Mapping[str, Vector]
    """By the id of the model pack."""
    words: Words | None


Apply = Callable[[Sequence[int], Sequence[Entry], Sequence[str]], None]
"""Brings the index to this: all the pictures meant, the entries of those that are there, and the
packs by which it is searched or is going to be."""


class Stale:
    """The marks of one library."""

    def __init__(self, database: Database, library_id: int) -> None:
        self._database = database
        self._library_id = library_id

    def settle(self, keys: Sequence[int], apply: Apply, clocks: Sequence["SharedClock"]) -> None:
        """Bring the index after those pictures whose marks are still there."""
        with self._database.write() as connection:
            marked = connection.scalars(
                select(stale_items.c.item_id)
                .where(stale_items.c.item_id.in_(keys))
                .order_by(stale_items.c.item_id)
                .with_for_update()
            ).all()
            if not marked:
                return  # another was faster, and saw what was written here
            self._apply(connection, marked, apply, clocks)

    def mend(self, keys: Sequence[int], apply: Apply, clocks: Sequence["SharedClock"]) -> None:
        """Bring the index after pictures that nobody has marked, though it has them otherwise.

        Those that are marked are left to whoever is to settle them: that may be more to do.
        """
        dialect = sqlite if self._database.engine.dialect.name == "sqlite" else postgresql
        with self._database.write() as connection:
            rows = _mark_rows(self._library_id, keys)
            # Whoever changes one of them waits for its mark, which is gone when this has ended.
            marked = [
                key
                for some in rows
                for key in connection.scalars(
                    dialect.insert(stale_items)
                    .values(some)
                    .on_conflict_do_nothing()
                    .returning(stale_items.c.item_id)
                )
            ]
            if marked:
                self._apply(connection, marked, apply, clocks)

    def begin(self, clear: Callable[[], None], clocks: Sequence["SharedClock"]) -> None:
        """Mark every picture of a library that no shared index follows yet; once.

        Other servers do the same first, and wait: what they change is not cleared away.

        Args:
            clear: Empties the library's part of the index, where something old may be.
            clocks: Of the index.
        """
        followed = select(index_times.c.time).where(index_times.c.library_id == self._library_id)
        with self._database.read() as connection:
            if connection.scalar(followed.limit(1)) is not None:
                return
        with self._database.write(f"index {self._library_id}") as connection:
            if connection.scalar(followed.limit(1)) is not None:
                return  # another was faster
            clear()
            _mark_all(connection, self._library_id)
            for clock in clocks:
                clock.write(connection)

    def waiting(self, most: int, older: float) -> list[int]:
        """Up to `most` pictures that were marked more than `older` seconds ago, by number."""
        query = (
            select(stale_items.c.item_id)
            .where(
                stale_items.c.library_id == self._library_id,
                stale_items.c.since <= int(time.time() - older),
            )
            .order_by(stale_items.c.item_id)
            .limit(most)
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def _apply(
        self,
        connection: Connection,
        marked: Sequence[int],
        apply: Apply,
        clocks: Sequence["SharedClock"],
    ) -> None:
        entries = _entries(connection, self._library_id, marked)
        apply(marked, entries, self._packs(connection))
        for clock in clocks:
            clock.write(connection)
        connection.execute(delete(stale_items).where(stale_items.c.item_id.in_(marked)))

    def _packs(self, connection: Connection) -> Sequence[str]:
        """The library's own, and the one to which it is being moved."""
        own = select(libraries.c.pack).where(libraries.c.id == self._library_id)
        next_ = select(moves.c.pack).where(moves.c.library_id == self._library_id)
        return connection.scalars(own.union(next_)).all()


class SharedClock:
    """The time of the last write to a library in one engine, as all servers know it."""

    def __init__(self, database: Database, library_id: int, kind: str) -> None:
        self._database = database
        self._key = {"library_id": library_id, "kind": kind}
        self._pending = 0

    def read(self) -> int:
        """The time; 0 where nothing was written."""
        query = select(index_times.c.time).filter_by(**self._key)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def advance(self, time: int) -> None:
        """Let it be no earlier than this, from the next `write` on."""
        self._pending = max(self._pending, time)

    def write(self, connection: Connection) -> None:
        """Tell the other servers, in the transaction that takes the marks away."""
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        row = dialect.insert(index_times).values(**self._key, time=self._pending)
        connection.execute(
            row.on_conflict_do_update(
                index_elements=list(index_times.primary_key.columns),
                set_={"time": row.excluded.time},
                where=index_times.c.time < row.excluded.time,
            )
        )


def mark(connection: Connection, library_id: int, keys: Sequence[int]) -> None:
    """Mark pictures in the transaction that changes them."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    for rows in _mark_rows(library_id, keys):
        row = dialect.insert(stale_items).values(rows)
        # An update, though nothing but the time changes: it waits for whoever holds the mark.
        statement = row.on_conflict_do_update(
            index_elements=[stale_items.c.item_id], set_={"since": row.excluded.since}
        )
        connection.execute(statement)


def _mark_rows(library_id: int, keys: Sequence[int]) -> list[list[dict[str, int]]]:
    """Marks, as many as one statement takes; in one order for all, so that none wait in a ring."""
    now = int(time.time())
    rows = [{"item_id": key, "library_id": library_id, "since": now} for key in sorted(keys)]
    return [rows[start : start + _MARKS] for start in range(0, len(rows), _MARKS)]


def _mark_all(connection: Connection, library_id: int) -> None:
    """Mark all pictures of a library, where it is not known which the index holds."""
    connection.execute(delete(stale_items).where(stale_items.c.library_id == library_id))
    every = select(items.c.id, items.c.library_id, items.c.created * 0)
    connection.execute(
        insert(stale_items).from_select(
            ["item_id", "library_id", "since"], every.where(items.c.library_id == library_id)
        )
    )


def libraries_waiting(database: Database, older: float) -> list[int]:
    """The libraries of which marks are more than `older` seconds old."""
    query = select(stale_items.c.library_id).distinct()
    with database.read() as connection:
        return list(
            connection.scalars(query.where(stale_items.c.since <= int(time.time() - older)))
        )


def forget_all(database: Database) -> None:
    """Say that no shared index follows this database: it changes without marks from here on."""
    with database.read() as connection:
        if connection.scalar(select(index_times.c.time).limit(1)) is None:
            return
    with database.write() as connection:
        connection.execute(delete(stale_items))
        connection.execute(delete(index_times))


def _entries(connection: Connection, library_id: int, keys: Sequence[int]) -> list[Entry]:
    mine = items.c.library_id == library_id, items.c.id.in_(keys)
    rows = connection.execute(select(items.c.id, items.c.class1, items.c.class2).where(*mine)).all()
    seen: dict[int, dict[str, Vector]] = {row.id: {} for row in rows}
    query = select(vectors.c.item_id, vectors.c.pack, vectors.c.vector)
    for key, pack, data in connection.execute(query.where(vectors.c.item_id.in_(keys))):
        if key in seen:
            seen[key][pack] = stored_vector(data)
    bags = select(words.c.item_id, words.c.words).where(words.c.item_id.in_(keys))
    said = {key: stored_words(data) for key, data in connection.execute(bags)}
    return [Entry(row.id, (row.class1, row.class2), seen[row.id], said.get(row.id)) for row in rows]
