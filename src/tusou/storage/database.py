"""The SQL database: connections, transactions that are on disk when they end, migrations."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from tusou.errors import Problem, TusouError
from tusou.stages import timed

State = Literal["absent", "older", "current", "newer"]
"""Where a database stands to this version; the server makes of the first two what it needs."""

_BUSY_SECONDS = 30
_WRITE = "tusou_write"

Also = Callable[[Connection], None]
"""What must be written in a transaction that is somebody else's."""


class Database:
    """Connections to one database, and the two kinds of transaction: `read` and `write`.

    A database error that no caller handles reaches clients as "Service temporarily unavailable",
    because its text may name files and hosts; a broken constraint stays an `IntegrityError`.
    """

    def __init__(self, url: str) -> None:
        """Prepare to connect; nothing is opened yet.

        Raises:
            ValueError: the URL is none that SQLAlchemy knows.
        """
        try:
            self._sqlite = make_url(url).get_backend_name() == "sqlite"
        except ArgumentError:
            raise ValueError("the database setting is not an SQLAlchemy URL") from None
        options: dict[str, Any] = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 10}
        if self._sqlite:
            options["connect_args"] = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
        # A failed statement is logged without its values: briefs, digests, sealed keys.
        self.engine = create_engine(
            url, pool_pre_ping=not self._sqlite, hide_parameters=True, **options
        )
        # SQLite has one writer at a time; waiting here is fair and cheap, waiting there is polling.
        self._writer = PatientLock() if self._sqlite else _NoLock()
        if self._sqlite:
            _prepare_sqlite(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the database."""
        with timed("sql"), _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: on disk when the block has ended, undone when it raises."""
        with timed("sql"), self._writer, _translated(), self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITE: True})
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the tables to this version's form; does nothing where they have it already.

        Raises:
            RuntimeError: it cannot be opened, or was written by a newer version.
        """
        try:
            self._migrate()
        except DBAPIError as error:
            raise RuntimeError(
                f"cannot open the database {self.engine.url!r}: {error.orig}"
            ) from error

    def state(self) -> State:
        """Which form the tables have; nothing is written, and no file is made.

        Raises:
            RuntimeError: it cannot be opened.
        """
        file = self.engine.url.database
        if self._sqlite and file is not None and not Path(file).exists():
            return "absent"
        try:
            with self._scripts() as config, self.engine.connect() as connection:
                if MigrationContext.configure(connection).get_current_revision() is None:
                    return "absent"
                try:
                    return "current" if self._is_current(connection, config) else "older"
                except RuntimeError:
                    return "newer"
        except DBAPIError as error:
            raise RuntimeError(
                f"cannot open the database {self.engine.url!r}: {error.orig}"
            ) from error

    @contextmanager
    def _scripts(self) -> Iterator[Config]:
        with as_file(files("tusou.storage") / "migrations") as folder:
            config = Config()
            config.set_main_option("script_location", str(folder))
            yield config

    def _migrate(self) -> None:
        with self._writer, self._scripts() as config, self.engine.connect() as connection:
            # Two processes that start together must not both migrate.
            connection = connection.execution_options(**{_WRITE: True})
            with connection.begin():
                if self._is_current(connection, config):
                    return
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _is_current(self, connection: Connection, config: Config) -> bool:
        scripts = ScriptDirectory.from_config(config)
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in {
            row.revision for row in scripts.walk_revisions()
        }:
            raise RuntimeError(
                f"the database has form {current}, which this version does not know: "
                "it was written by a newer tusou; install that version or restore a backup"
            )
        return current == scripts.get_current_head()

    @property
    def in_use(self) -> int:
        """Connections that somebody has at the moment."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def add_up(
    connection: Connection, table: Table, column: str, rows: Sequence[dict[str, object]]
) -> None:
    """Insert rows; where the table has a row with the same key, add to its column instead."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    grown = table.c[column] + statement.excluded[column]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={column: grown}
        ),
        rows,
    )


class PatientLock:
    """Lets one thread change something at a time; the others wait, but not for ever.

    While another process holds the database, each writer waits as long as SQLite does. One after
    the other, a few of them would keep every thread of the server for minutes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Wait; raises TusouError, UNAVAILABLE, where that takes too long."""
        if not self._lock.acquire(timeout=_BUSY_SECONDS):
            raise TusouError(Problem.UNAVAILABLE, "the database did not answer")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout) as error:
        raise TusouError(Problem.UNAVAILABLE, "the database did not answer") from error


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: object) -> None:
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - narrows the type
        # Transactions are begun by the listener below, not by the driver, which would begin
        # a write as a read and then fail with "database is locked" instead of waiting.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged add must survive a power cut
            "foreign_keys=ON",
            "cache_size=-65536",
            "mmap_size=1073741824",
        ):
            _patiently(cursor, f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _patiently(cursor: sqlite3.Cursor, statement: str) -> None:
    """Run a pragma; changing to WAL ignores the busy timeout while another process does it."""
    for attempt in range(50):
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError:
            if attempt == 49:
                raise
            time.sleep(0.05)
