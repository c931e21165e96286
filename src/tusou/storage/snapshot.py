"""A copy of the database at one moment, made while others write to it."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import delete, func, select, update

from tusou.storage.database import Database
from tusou.storage.tables import feedback, items, libraries

_SQL_NAMES = 500
"""Names in one statement; older SQLite takes 999."""


def take(database: Database, file: Path) -> None:
    """Copy an SQLite database to a file that is not there yet; nobody waits for it.

    Raises:
        RuntimeError: it is damaged, or the file cannot be written.
    """
    try:
        with closing(database.engine.raw_connection()) as ours, closing(_new(file)) as copy:
            source = ours.driver_connection
            assert isinstance(source, sqlite3.Connection)  # noqa: S101 - narrows the type
            # All pages in one step: that is one transaction, which in WAL mode hinders no writer. A
            # copy in several steps begins anew whenever somebody writes.
            source.backup(copy)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise RuntimeError(f"the database could not be copied to {file}: {error}") from error
    if found != "ok":
        raise RuntimeError(f"the database is damaged: {found}")


def require_sqlite(url: str) -> None:
    """Refuse a database that has better means of its own.

    Raises:
        RuntimeError: it is not SQLite.
    """
    name = url.partition(":")[0].partition("+")[0]
    if name != "sqlite":
        raise RuntimeError(
            f"the database is {name}: back it up with its own tools, such as pg_dump and "
            "pg_restore; and after it, the pictures and secret.key"
        )


def blobs(database: Database) -> Iterator[str]:
    """The blobs that rows refer to, thumbnails aside: those of pictures, and of feedback."""
    with database.read() as connection:
        for table in (items, feedback):
            yield from connection.scalars(select(table.c.blob).where(table.c.blob != ""))


def still_there(database: Database, names: Collection[str]) -> set[str]:
    """Which of some blobs rows refer to now."""
    found = set[str]()
    with database.read() as connection:
        for portion in _portions(names):
            for table in (items, feedback):
                query = select(table.c.blob).where(table.c.blob.in_(portion))
                found |= set(connection.scalars(query))
    return found


def leave_out(database: Database, names: Collection[str]) -> None:
    """Delete the pictures of some blobs from a copy, and take them away from feedback."""
    with database.write() as connection:
        for portion in _portions(names):
            connection.execute(delete(items).where(items.c.blob.in_(portion)))
            connection.execute(update(feedback).where(feedback.c.blob.in_(portion)).values(blob=""))
        left = select(func.count()).where(items.c.library_id == libraries.c.id).scalar_subquery()
        connection.execute(update(libraries).values(size=left))


def pictures(database: Database) -> int:
    """How many pictures all libraries hold."""
    with database.read() as connection:
        return connection.scalar(select(func.coalesce(func.sum(libraries.c.size), 0))) or 0


def _new(file: Path) -> sqlite3.Connection:
    file.touch(mode=0o600, exist_ok=False)
    return sqlite3.connect(file, isolation_level=None)


def _portions(names: Collection[str]) -> Iterator[list[str]]:
    listed = list(names)
    return (listed[start : start + _SQL_NAMES] for start in range(0, len(listed), _SQL_NAMES))
