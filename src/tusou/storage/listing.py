"""Looking through a library: pictures page by page, filtered by brief, class and sign."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, desc, func, select

from tusou.errors import Problem, TusouError
from tusou.storage.conditions import conditions
from tusou.storage.database import Database
from tusou.storage.tables import items
from tusou.types import ContSign, Filter, Item

_MOST_CLASSES = 100
_SQL_KEYS = 500
"""Numbers in one statement; SQLite takes 32,766, older ones 999."""


class Stats(NamedTuple):
    """A library in figures."""

    pictures: int
    length: int
    """Bytes of the pictures' files."""
    first: int | None
    """When the oldest picture was added, UTC seconds."""
    last: int | None
    classes: Sequence[Mapping[int, int]]
    """Pictures by their first class, and by their second; the most frequent first."""


class Listing:
    """The pictures of one library, in the order in which they were added."""

    def __init__(self, database: Database, library_id: int) -> None:
        self._database = database
        self._library_id = library_id
        self._dialect = database.engine.dialect.name

    def page(
        self, wanted: Filter, count: int, after: int | None = None, oldest_first: bool = False
    ) -> list[Item]:
        """Up to `count` pictures, newest first, that come after the one of number `after`."""
        order = items.c.id.asc() if oldest_first else items.c.id.desc()
        keys = self._keys(wanted).order_by(order).limit(count)
        if after is not None:
            keys = keys.where(items.c.id > after if oldest_first else items.c.id < after)
        # By number first, which reads the index alone; then the rows of the few that are shown.
        query = select(items).where(items.c.id.in_(keys.scalar_subquery())).order_by(order)
        with self._database.read() as connection:
            return [_item(row) for row in connection.execute(query)]

    def portion(
        self, wanted: Filter, after: int, until: int, count: int
    ) -> list[tuple[int, ContSign]]:
        """Numbers and signs of up to `count` pictures from `after` (not) to `until` (too)."""
        keys = self._keys(wanted).where(items.c.id > after, items.c.id <= until)
        found = keys.add_columns(items.c.sign).order_by(items.c.id).limit(count)
        with self._database.read() as connection:
            return [(row.id, ContSign.from_int(row.sign)) for row in connection.execute(found)]

    def count(self, wanted: Filter) -> int:
        """How many pictures are meant."""
        keys = self._keys(wanted).subquery()
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(keys)) or 0

    def passing(self, wanted: Filter, keys: Sequence[int] | None = None) -> set[int]:
        """The numbers that a filter lets through: of some, or of all."""
        with self._database.read() as connection:
            if keys is None:
                return set(connection.scalars(self._keys(wanted)))
            found = set[int]()
            for start in range(0, len(keys), _SQL_KEYS):
                some = items.c.id.in_(keys[start : start + _SQL_KEYS])
                found.update(connection.scalars(self._keys(wanted).where(some)))
            return found

    def scan(self, wanted: Filter, after: int, until: int) -> Iterator[Item]:
        """Pictures from `after` (not) to `until` (too), oldest first."""
        last = after
        while True:
            query = (
                select(items)
                .where(
                    items.c.library_id == self._library_id,
                    items.c.id > last,
                    items.c.id <= until,
                    *conditions(wanted, self._dialect),
                )
                .order_by(items.c.id)
                .limit(_SQL_KEYS)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from map(_item, rows)
            last = rows[-1].id

    def last(self) -> int:
        """The number of the newest picture; 0 where there is none."""
        query = select(func.max(items.c.id)).where(items.c.library_id == self._library_id)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def stats(self) -> Stats:
        """The library in figures; goes through all of it."""
        mine = items.c.library_id == self._library_id
        totals = select(
            func.count(),
            func.coalesce(func.sum(items.c.bytes), 0),
            func.min(items.c.created),
            func.max(items.c.created),
        ).where(mine)
        classes = list[Mapping[int, int]]()
        with self._database.read() as connection:
            pictures, length, first, last = connection.execute(totals).one()
            for column in (items.c.class1, items.c.class2):
                query = (
                    select(column, func.count().label("pictures"))
                    .where(mine, column != 0)
                    .group_by(column)
                    .order_by(desc("pictures"), column)
                    .limit(_MOST_CLASSES)
                )
                classes.append(dict(connection.execute(query).tuples().all()))
        return Stats(pictures, int(length), first, last, classes)

    def describe(self, key: int) -> Item:
        """One picture by its number.

        Raises:
            TusouError: ITEM_MISSING.
        """
        query = select(items).where(items.c.library_id == self._library_id, items.c.id == key)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise TusouError(Problem.ITEM_MISSING, str(key))
        return _item(row)

    def by_sign(self, signs: Sequence[ContSign]) -> dict[ContSign, Item]:
        """Pictures by their signs; those that are not there are left out."""
        numbers = [int(sign) for sign in signs]
        query = select(items).where(
            items.c.library_id == self._library_id, items.c.sign.in_(numbers)
        )
        with self._database.read() as connection:
            found = [_item(row) for row in connection.execute(query)]
        return {item.sign: item for item in found}

    def _keys(self, wanted: Filter) -> Select[tuple[int]]:
        return select(items.c.id).where(
            items.c.library_id == self._library_id, *conditions(wanted, self._dialect)
        )


def _item(row: Row[Any]) -> Item:
    return Item(
        key=row.id,
        sign=ContSign.from_int(row.sign),
        brief=row.brief,
        classes=(row.class1, row.class2),
        blob=row.blob,
        media_type=row.media_type,
        length=row.bytes,
        width=row.width,
        height=row.height,
        created=row.created,
        updated=row.updated,
    )
