"""Making one database equal to another: moving between engines, in runs that go on where one ended.

Both are walked by primary key and compared row by row; what differs is written. So a run that was
broken off, or during which the source changed, is made good by the next one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from tusou.storage.database import Database
from tusou.storage.stale import forget_all
from tusou.storage.tables import index_times, metadata, stale_items

_PORTION = 500
# What a shared index has not followed: the other side's index is another, or none.
_LEFT_OUT = {stale_items, index_times}
TABLES = [table for table in metadata.sorted_tables if table not in _LEFT_OUT]
"""What is copied, each after those it refers to."""


@dataclass(slots=True)
class Changes:
    """What a run did to a table of the target."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Sum:
    """What a table holds, in few words: equal for equal rows, on any engine."""

    rows: int
    digest: str


def equalize(source: Database, target: Database) -> Iterator[tuple[str, Changes]]:
    """Give the target the rows of the source, table by table; tells each when it is done."""
    forget_all(target)
    changes = {table: Changes() for table in TABLES}
    for table in reversed(TABLES):  # what refers to others goes before them
        for mine, theirs in _pairs(source, target, table):
            gone = [key for key in theirs if key not in mine]
            changes[table].deleted += _delete(target, table, gone)
    for table in TABLES:
        for mine, theirs in _pairs(source, target, table):
            new = [row for key, row in mine.items() if key not in theirs]
            other = [row for key, row in mine.items() if key in theirs and theirs[key] != row]
            _write(target, table, new, other)
            changes[table].inserted += len(new)
            changes[table].updated += len(other)
        _give_numbers(source, target, table)
        yield table.name, changes[table]


def sums(database: Database) -> dict[str, Sum]:
    """Count and add up every table, by reading it again."""
    found = {}
    for table in TABLES:
        digest, rows = hashlib.sha256(), 0
        for portion in _walk(database, table):
            rows += len(portion)
            for row in portion.values():
                digest.update(repr(_plain(row)).encode())
        found[table.name] = Sum(rows, digest.hexdigest()[:16])
    return found


Key = tuple[Any, ...]
Portion = dict[Key, Row[Any]]
"""Rows by their primary keys, rising."""


def _pairs(source: Database, target: Database, table: Table) -> Iterator[tuple[Portion, Portion]]:
    """Portions of the source, each with the target's rows of the same range of keys."""
    last: Key | None = None
    for mine in _walk(source, table):
        end = next(reversed(mine))
        yield mine, _range(target, table, last, end)
        last = end
    while rest := _range(target, table, last, None):
        yield {}, rest
        last = next(reversed(rest))


def _walk(database: Database, table: Table) -> Iterator[Portion]:
    last: Key | None = None
    while portion := _range(database, table, last, None):
        yield portion
        last = next(reversed(portion))


def _range(database: Database, table: Table, after: Key | None, until: Key | None) -> Portion:
    """Rows whose keys are above `after`, up to `until`, or else one portion of them."""
    with database.read() as connection:
        key = _key(connection, table)
        query = select(table).order_by(*key)
        # The first column alone, too: PostgreSQL's index may have texts in another order.
        if after is not None:
            query = query.where(key[0] >= after[0], tuple_(*key) > tuple_(*after))
        if until is None:
            query = query.limit(_PORTION)
        else:
            query = query.where(key[0] <= until[0], tuple_(*key) <= tuple_(*until))
        place = [table.c.keys().index(column.name) for column in table.primary_key]
        return {tuple(row[n] for n in place): row for row in connection.execute(query)}


def _key(connection: Connection, table: Table) -> list[ColumnElement[Any]]:
    """The primary key; texts in the order of their bytes, as SQLite has them."""
    by_bytes = connection.dialect.name != "sqlite"
    return [
        column.collate("C") if by_bytes and isinstance(column.type, String) else column
        for column in table.primary_key
    ]


def _delete(target: Database, table: Table, keys: Sequence[Key]) -> int:
    if keys:
        with target.write() as connection:
            first, *rest = table.primary_key
            these = tuple_(first, *rest).in_(keys) if rest else first.in_([key for (key,) in keys])
            connection.execute(delete(table).where(these))
    return len(keys)


def _write(
    target: Database, table: Table, new: Sequence[Row[Any]], other: Sequence[Row[Any]]
) -> None:
    if not (new or other):
        return
    with target.write() as connection:
        if new:
            # One statement: a driver sends those of a list one by one.
            connection.execute(insert(table).values([row._asdict() for row in new]))
        for row in other:
            same = [column == row._mapping[column.name] for column in table.primary_key]
            connection.execute(update(table).where(*same).values(**row._asdict()))


def _give_numbers(source: Database, target: Database, table: Table) -> None:
    """Let new rows get numbers that the source never gave: indexes name pictures by them."""
    if not table.dialect_options["sqlite"]["autoincrement"]:
        return
    with source.read() as connection:
        last = _last_number(connection, table)
    with target.write() as connection:
        last = max(last, _last_number(connection, table))
        if connection.dialect.name == "sqlite":
            gone = text("DELETE FROM sqlite_sequence WHERE name = :name")
            connection.execute(gone, {"name": table.name})
            keep = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)")
            connection.execute(keep, {"name": table.name, "last": last})
        elif last:
            sequence = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(sequence, last)))


def _last_number(connection: Connection, table: Table) -> int:
    if connection.dialect.name == "sqlite":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return connection.scalar(query, {"name": table.name}) or 0
    last, called = connection.execute(
        text(f"SELECT last_value, is_called FROM {table.name}_id_seq")  # noqa: S608 - a table's name
    ).one()
    return int(last) if called else 0


def _plain(row: Row[Any]) -> list[object]:
    return [bytes(value) if isinstance(value, memoryview) else value for value in row]
