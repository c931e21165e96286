"""The SQL database: connections, transactions that are on disk when they end, migrations."""

import socket
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    ClauseElement,
    Connection,
    Engine,
    Executable,
    Row,
    Select,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.compiler import SQLCompiler

from tusou.errors import Problem, TusouError
from tusou.stages import timed

State = Literal["absent", "older", "current", "newer"]
"""Where a database stands to this version; the server makes of the first two what it needs."""

_BUSY_SECONDS = 30
_LOCK_SECONDS = 0.2  # between two looks whether a lock of another process is free
_WRITE = "tusou_write"
_POSTGRES = "postgresql"

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
        parsed = _parse(url)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 10}
        if not self._sqlite:
            options |= {"pool_size": 8, "max_overflow": 8, "pool_pre_ping": True}
        if self._sqlite:
            options["connect_args"] = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
        try:
            # A failed statement is logged without its values: briefs, digests, sealed keys.
            self.engine = create_engine(parsed, hide_parameters=True, **options)
            # Reads have no transaction around them: in PostgreSQL they would wait for the server
            # six times and not three, in SQLite `BEGIN` and `ROLLBACK` cost what a row by key does.
            self._reader = create_engine(
                parsed,
                hide_parameters=True,
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
                **options,
            )
        except ModuleNotFoundError as error:
            raise ValueError(
                f"the database setting needs the package {error.name}: pip install 'tusou[cluster]'"
            ) from None
        for engine in (self.engine, self._reader):
            if engine.driver == "pg8000":
                _prepare_pg8000(engine)
        # SQLite has one writer at a time; waiting here is fair and cheap, waiting there is polling.
        self._writer = PatientLock() if self._sqlite else _NoLock()
        if self._sqlite:
            for engine in (self.engine, self._reader):
                _prepare_sqlite(engine)
            event.listen(self.engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """For statements that only read; each sees a moment of its own."""
        with timed("sql"), _translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self, alone: str = "") -> Iterator[Connection]:
        """A transaction: on disk when the block has ended, undone when it raises.

        Args:
            alone: A name. No two transactions of one name run at once, in any process: for those
                that look whether something is there and then write it. In SQLite none do anyway.
        """
        with timed("sql"), self._writer, _translated(), self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITE: True})
            with connection.begin():
                if alone and not self._sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(_lock_number(alone))))
                yield connection

    def stream(self, query: Select[Any], rows: int) -> Iterator[Sequence[Row[Any]]]:
        """The rows of a query in portions, of one moment, never all of them in memory."""
        with timed("sql"), _translated(), self.engine.connect() as connection:
            if self._sqlite:
                result = connection.execution_options(yield_per=rows).execute(query)
                yield from result.partitions()
                return
            # By hand, because not every driver of PostgreSQL can leave rows with the server.
            connection.execute(_Declare(query))
            fetch = text(f"FETCH {rows} FROM portions")
            while portion := connection.execute(fetch).all():
                yield portion

    @contextmanager
    def owning(self, name: str, shared: bool = False) -> Iterator[Callable[[], bool] | None]:
        """Own a name among all processes on this database while the block lasts.

        Alone, or with all others that share it.

        Gives None where another process owns it; else a function that tells whether this one still
        does, for the database lets go of what a process owns when their connection breaks.
        A file has no other processes to share with here: the data folder's lock sees to that.
        """
        if self._sqlite:
            yield lambda: True
            return
        with _translated(), self.engine.connect() as connection:
            # Outside of a transaction: one that stays open for hours keeps the tables from being
            # tidied up.
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            number = _lock_number(name)
            take = func.pg_try_advisory_lock_shared if shared else func.pg_try_advisory_lock
            if not connection.scalar(select(take(number))):
                yield None
                return
            try:
                yield lambda: _answers(connection)
            finally:
                if _answers(connection):
                    connection.execute(select(func.pg_advisory_unlock_all()))
                else:
                    connection.invalidate()

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
                self._migrate_alone(connection)
                if self._is_current(connection, config):
                    return
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _migrate_alone(self, connection: Connection) -> None:
        """Wait while another process migrates; by asking again, for that may take an hour."""
        lock = select(func.pg_try_advisory_xact_lock(_lock_number("migrate")))
        while not self._sqlite and not connection.scalar(lock):
            time.sleep(_LOCK_SECONDS)

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
        pools = [engine.pool for engine in (self.engine, self._reader)]
        return sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._reader.dispose()


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


def _parse(url: str) -> URL:
    """The URL, with a driver that tusou may be shipped with where none is named."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the database setting is not an SQLAlchemy URL") from None
    known = {"sqlite": "sqlite", _POSTGRES: f"{_POSTGRES}+pg8000"}
    if parsed.get_backend_name() not in known:
        raise ValueError(f"tusou works with {' and '.join(known)}, not {parsed.drivername}")
    return parsed.set(drivername=known.get(parsed.drivername, parsed.drivername))


def _lock_number(name: str) -> int:
    """The number by which PostgreSQL knows a lock; the others of its database may lock, too."""
    return zlib.crc32(f"tusou {name}".encode())


def _answers(connection: Connection) -> bool:
    try:
        return bool(connection.scalar(text("SELECT 1")) == 1)
    except (SQLAlchemyError, ConnectionError):
        return False


class _Declare(Executable, ClauseElement):
    """A query whose rows stay with PostgreSQL until they are fetched."""

    inherit_cache = False

    def __init__(self, query: Select[Any]) -> None:
        self.query = query


@compiles(_Declare)
def _declare(element: _Declare, compiler: SQLCompiler, **options: Any) -> str:
    query = compiler.process(element.query, **options)
    return f"DECLARE portions NO SCROLL CURSOR FOR {query}"


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
    except (DBAPIError, PoolTimeout, ConnectionError, TimeoutError) as error:
        # The last two are what pg8000 lets through when a connection breaks.
        if isinstance(error, DBAPIError) and _breaks_a_constraint(error):
            raise IntegrityError(error.statement, error.params, _cause(error)) from error
        raise TusouError(Problem.UNAVAILABLE, "the database did not answer") from error


def _breaks_a_constraint(error: DBAPIError) -> bool:
    """Whether SQLSTATE says so: pg8000 has an exception of its own for unique keys alone."""
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return isinstance(said, dict) and str(said.get("C", "")).startswith("23")


def _cause(error: DBAPIError) -> BaseException:
    return error if error.orig is None else error.orig


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: object) -> None:
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - narrows the type
        # Transactions are begun by `_begin`, not by the driver, which would begin a write as a read
        # and then fail with "database is locked" instead of waiting.
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


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare_pg8000(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: object) -> None:
        # It writes a statement in pieces, and the last would wait for the server to confirm the
        # first: a transaction takes 5 ms instead of 1 (docs/decisions.md).
        link: socket.socket = connection._usock
        if link.family != socket.AF_UNIX:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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
