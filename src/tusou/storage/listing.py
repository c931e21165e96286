"""Looking through a library: pictures page by page, filtered by brief, class and sign."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.sql import operators

from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import items
from tusou.types import ClassFilter, ClassTerm, ContSign, Filter, Item


class Listing:
    """The pictures of one library, in the order in which they were added."""

    def __init__(self, database: Database, library_id: int) -> None:
        self._database = database
        self._library_id = library_id
        # SQLite's LIKE takes no notice of capitals; its `ilike` takes lower() of every row first,
        # which doubles the time.
        plain = database.engine.dialect.name == "sqlite"
        self._like = operators.like_op if plain else operators.ilike_op

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

    def last(self) -> int:
        """The number of the newest picture; 0 where there is none."""
        query = select(func.max(items.c.id)).where(items.c.library_id == self._library_id)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

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
            items.c.library_id == self._library_id, *_conditions(wanted, self._like)
        )


def _conditions(wanted: Filter, like: Callable[..., Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        like(items.c.brief, f"%{_escaped(word)}%", escape="\\") for word in wanted.brief.split()
    ]
    if wanted.classes is not None:
        combine = or_ if wanted.classes.match == "any" else and_
        found.append(combine(*map(_term, wanted.classes.terms)))
    if wanted.sign is not None:
        found.append(items.c.sign == int(wanted.sign))
    if wanted.keys is not None:
        found.append(items.c.id.in_(wanted.keys))
    if wanted.without:
        found.append(items.c.id.not_in(wanted.without))
    return found


def _term(term: ClassTerm) -> ColumnElement[bool]:
    if term.dimension is None:
        return or_(items.c.class1 == term.value, items.c.class2 == term.value)
    return (items.c.class1, items.c.class2)[term.dimension] == term.value


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


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


def to_json(wanted: Filter) -> str:
    """A filter as text that is kept."""
    classes = wanted.classes
    return json.dumps(
        {
            "brief": wanted.brief,
            "terms": [list(term) for term in classes.terms] if classes else [],
            "match": classes.match if classes else "all",
            "sign": str(wanted.sign) if wanted.sign else None,
            "keys": wanted.keys,
            "without": wanted.without,
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> Filter:
    """Undo `to_json`."""
    found: Mapping[str, Any] = json.loads(text)
    terms = tuple(ClassTerm(*term) for term in found["terms"])
    return Filter(
        brief=found["brief"],
        classes=ClassFilter(terms, found["match"]) if terms else None,
        sign=ContSign.parse(found["sign"]) if found["sign"] else None,
        keys=None if found["keys"] is None else tuple(found["keys"]),
        without=tuple(found["without"]),
    )
