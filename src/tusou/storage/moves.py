"""Which libraries are to be moved to which model pack, and the vectors that make it possible.

A move whose pack is the library's own has been made, or was called off: what is left of it is to
delete the vectors of other packs.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from tusou.storage.database import Database
from tusou.storage.items import VectorRows, vector_bytes, vector_rows
from tusou.storage.registry import require_library
from tusou.storage.tables import items, libraries, moves, vectors
from tusou.types import ContSign, Vector

_SQL_KEYS = 500
"""Numbers in one statement; SQLite takes 32,766, older ones 999."""


class MoveRow(NamedTuple):
    """One move."""

    library_id: int
    pack: str
    """Where to."""
    problem: str
    """Why it does not go on; empty: it does."""
    done: int
    """How many pictures have a vector of the pack."""


class Original(NamedTuple):
    """A picture that has no vector of a pack."""

    key: int
    sign: ContSign
    blob: str


class Moves:
    """The moves there are, at most one a library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self,
        library_id: int,
        pack: str,
        also: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        """Ask for a move; one that was asked for before is forgotten, or tried again.

        To the pack that the library has: call its move off. `also` writes what must be written in
        the same transaction.

        Raises:
            ValueError: the library has this pack and is not being moved; or some of its pictures
                were stored without their originals.
            TusouError: NO_LIBRARY, it was released.
        """
        with self._database.write("moves") as connection:
            require_library(connection, library_id)
            own = connection.scalar(select(libraries.c.pack).where(libraries.c.id == library_id))
            known = connection.execute(delete(moves).where(moves.c.library_id == library_id))
            if own == pack and not known.rowcount:
                raise ValueError(f"the library has the model pack {pack} already")
            if own != pack:
                _require_originals(connection, library_id)
            connection.execute(
                insert(moves).values(
                    library_id=library_id, pack=pack, problem="", started=int(time.time())
                )
            )
            also(connection)

    def list(self) -> list[MoveRow]:
        """All moves, with their progress."""
        done = (
            select(func.count())
            .select_from(vectors)
            .where(vectors.c.library_id == moves.c.library_id, vectors.c.pack == moves.c.pack)
            .scalar_subquery()
        )
        query = select(moves.c.library_id, moves.c.pack, moves.c.problem, done)
        with self._database.read() as connection:
            return [MoveRow(*row) for row in connection.execute(query.order_by(moves.c.started))]

    def is_wanted(self, library_id: int, pack: str) -> bool:
        """Whether a library is still to be moved to a pack."""
        with self._database.read() as connection:
            return connection.scalar(select(moves.c.pack).where(_is(library_id, pack))) is not None

    def fail(self, library_id: int, pack: str, problem: str) -> None:
        """Say why a move does not go on; it rests until it is asked for again."""
        with self._database.write() as connection:
            connection.execute(
                update(moves).where(_is(library_id, pack)).values(problem=problem[:500])
            )

    def switch(self, library_id: int, pack: str) -> bool:
        """Make the pack the library's own.

        False where the move was called off meanwhile, or another server has added a picture that
        has no vector of the pack.
        """
        with self._database.write("moves") as connection:
            # Held first: whoever adds a picture holds it, too, and sees the new pack after this.
            own = select(libraries.c.pack).where(libraries.c.id == library_id)
            connection.execute(own.with_for_update())
            if connection.scalar(select(moves.c.pack).where(_is(library_id, pack))) is None:
                return False
            if connection.execute(_missing(library_id, pack).limit(1)).first() is not None:
                return False
            connection.execute(
                update(libraries).where(libraries.c.id == library_id).values(pack=pack)
            )
            return True

    def next_pack(self, library_id: int) -> str | None:
        """The pack to which a library is being moved; None: it is in no move."""
        with self._database.read() as connection:
            return connection.scalar(select(moves.c.pack).where(moves.c.library_id == library_id))

    def others(self, library_id: int, pack: str) -> dict[str, int]:
        """The packs of which the library has vectors, but for one, and their dimensions."""
        query = (
            select(vectors.c.pack, func.max(func.length(vectors.c.vector)))
            .where(vectors.c.library_id == library_id, vectors.c.pack != pack)
            .group_by(vectors.c.pack)
        )
        with self._database.read() as connection:
            return {name: length // 2 for name, length in connection.execute(query)}

    def tidy(self, library_id: int, pack: str, most: int) -> bool:
        """Delete up to `most` vectors of other packs; the move is over when none is left.

        Returns:
            Whether it is over.
        """
        with self._database.write("moves") as connection:
            own = connection.scalar(select(libraries.c.pack).where(libraries.c.id == library_id))
            if own != pack:
                return True  # another move was asked for, and needs them
            keys = connection.scalars(
                select(vectors.c.item_id)
                .where(vectors.c.library_id == library_id, vectors.c.pack != pack)
                .limit(most)
            ).all()
            for some in _cut(keys):
                connection.execute(
                    delete(vectors).where(vectors.c.item_id.in_(some), vectors.c.pack != pack)
                )
            if not keys:
                connection.execute(delete(moves).where(_is(library_id, pack)))
            return not keys


class NextVectors:
    """The vectors of one pack in one library, while it fills up."""

    def __init__(self, database: Database, library_id: int, pack: str) -> None:
        self._database = database
        self._library_id = library_id
        self._pack = pack

    def missing(self, after: int, limit: int) -> list[Original]:
        """Up to `limit` pictures that have no vector of the pack, by number, behind `after`."""
        query = _missing(self._library_id, self._pack).where(items.c.id > after)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(items.c.id).limit(limit))
            return [Original(row.id, ContSign.from_int(row.sign), row.blob) for row in rows]

    def store(self, found: Mapping[int, Vector]) -> None:
        """Store vectors by picture, of pictures that are still there and have none."""
        if not found:
            return
        with self._database.write() as connection:
            # Locked where rows can be: a picture must not go between this line and the next.
            own = (vectors.c.item_id == items.c.id) & (vectors.c.pack == self._pack)
            there = connection.scalars(
                select(items.c.id)
                .where(items.c.id.in_(found), ~select(vectors.c.item_id).where(own).exists())
                .with_for_update(read=True, of=items)
            ).all()
            if there:
                connection.execute(
                    insert(vectors),
                    [
                        {
                            "item_id": key,
                            "pack": self._pack,
                            "library_id": self._library_id,
                            "vector": vector_bytes(found[key]),
                        }
                        for key in there
                    ],
                )

    def rows(self, keys: Sequence[int]) -> Iterator[VectorRows]:
        """Numbers, vectors and classes of those pictures that are there, in portions."""
        query = select(vectors.c.item_id, vectors.c.vector, items.c.class1, items.c.class2).join(
            items, items.c.id == vectors.c.item_id
        )
        for some in _cut(keys):
            with self._database.read() as connection:
                found = connection.execute(
                    query.where(vectors.c.item_id.in_(some), vectors.c.pack == self._pack)
                ).all()
            if found:
                yield vector_rows(found)


def _missing(library_id: int, pack: str):  # type: ignore[no-untyped-def]  # as below
    """The pictures that have no vector of a pack."""
    return (
        select(items.c.id, items.c.sign, items.c.blob)
        .outerjoin(vectors, and_(vectors.c.item_id == items.c.id, vectors.c.pack == pack))
        .where(items.c.library_id == library_id, vectors.c.item_id.is_(None))
    )


def _require_originals(connection: Connection, library_id: int) -> None:
    without = connection.scalar(
        select(func.count())
        .select_from(items)
        .where(items.c.library_id == library_id, items.c.blob == "")
    )
    if without:
        raise ValueError(
            f"{without:,} of the library's pictures were stored without their originals, "
            "which a new model would have to see; add them again to a new library"
        )


def _is(library_id: int, pack: str):  # type: ignore[no-untyped-def]  # SQLAlchemy's own type is private
    return (moves.c.library_id == library_id) & (moves.c.pack == pack)


def _cut(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + _SQL_KEYS] for start in range(0, len(keys), _SQL_KEYS))
