"""The database: migrations, durability settings, and processes that meet."""

import multiprocessing
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import (
    Integer,
    String,
    column,
    func,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.exc import IntegrityError

from tusou.errors import Problem, TusouError
from tusou.storage.database import Database, PatientLock
from tusou.storage.tables import apps, metadata


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'tusou.db'}"


def test_migrations_make_the_tables_that_the_code_uses(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    found = inspect(database.engine)
    assert set(found.get_table_names()) == {*metadata.tables, "alembic_version"}
    for name, wanted in metadata.tables.items():
        columns = {(c["name"], c["nullable"]) for c in found.get_columns(name)}
        assert columns == {(c.name, bool(c.nullable)) for c in wanted.columns}
        made = [index for index in found.get_indexes(name) if "duplicates_constraint" not in index]
        assert {index["name"] for index in made} == {index.name for index in wanted.indexes}
    database.close()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    database.migrate()
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    database.close()


def test_a_database_of_a_newer_version_is_refused_in_plain_words(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RuntimeError, match="newer tusou"):
        database.migrate()
    database.close()


def test_commits_reach_the_disk_before_they_return(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    with database.read() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    database.close()


def test_a_write_that_raises_leaves_nothing(empty_url: str) -> None:
    database = Database(empty_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        raise ZeroDivisionError
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(text("INSERT INTO t VALUES (2)"))
        connection.execute(text("INSERT INTO t VALUES (2)"))
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
    database.close()


def test_a_database_that_fails_is_told_as_unavailable_without_its_secrets(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(TusouError) as caught, database.read() as connection:
        connection.execute(text("SELECT * FROM not_there"))
    assert caught.value.problem is Problem.UNAVAILABLE
    assert "not_there" not in caught.value.message
    database.close()


def test_writers_in_many_threads_wait_for_each_other(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (0)"))

    def count_up() -> None:
        for _ in range(20):
            with database.write() as connection:
                value = connection.scalar(text("SELECT x FROM t"))
                connection.execute(text("UPDATE t SET x = :x"), {"x": value + 1})

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.scalar(text("SELECT x FROM t")) == 160
    database.close()


def _migrate_and_write(url: str) -> None:
    database = Database(url)
    database.migrate()
    for _ in range(10):
        with database.write("apps") as connection:
            key = (connection.scalar(select(func.max(apps.c.id))) or 0) + 1
            row = {"id": key, "name": "a", "api_key": str(key), "secret": b"\0", "services": ""}
            state = {"enabled": True, "deleted": False, "created": 0}
            connection.execute(insert(apps).values(**row, **state))
    database.close()


def test_processes_that_start_together_migrate_once_and_write_side_by_side(empty_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_migrate_and_write, args=(empty_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    database = Database(empty_url)
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM apps")) == 30
    database.close()


def test_a_database_of_the_first_form_keeps_its_pictures(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    with as_file(files("tusou.storage") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        with database.engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.execute(
                text("INSERT INTO apps VALUES (1, 'shop', 'key', x'00', 'similar', 1, 0, 5)")
            )
    database.migrate()
    with database.read() as connection:
        shop = connection.execute(text("SELECT name, plan, plan_since, limits FROM apps")).one()
        assert shop == ("shop", "open", 5, "{}")
        assert connection.scalar(text("SELECT count(*) FROM words")) == 0
    database.close()


def _damaged(data: bytes, damage: str) -> bytes:
    match damage:
        case "garbage":
            return b"no database" * 1000
        case "cut in half":
            return data[: len(data) // 2]
        case "cut within its first page":
            return data[:100]
        case _:
            return data[:4096] + bytes(len(data) - 4096)


@pytest.mark.parametrize(
    "damage", ["garbage", "cut in half", "cut within its first page", "zeroes after the first page"]
)
def test_a_damaged_database_is_refused_in_plain_words_and_left_as_it_is(
    tmp_path: Path, damage: str
) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    database.close()  # which leaves everything in one file
    file = tmp_path / "tusou.db"
    data = _damaged(file.read_bytes(), damage)
    file.write_bytes(data)
    database = Database(_url(tmp_path))
    with pytest.raises(RuntimeError, match="database") as caught:
        database.migrate()
    assert "tusou.db" in str(caught.value)
    database.close()
    assert file.read_bytes() == data


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tusou.db")) as theirs, theirs:
        theirs.execute("CREATE TABLE apps (name TEXT)")
        theirs.execute("INSERT INTO apps VALUES ('theirs')")
    database = Database(_url(tmp_path))
    with pytest.raises(RuntimeError, match="cannot open the database"):
        database.migrate()
    with database.read() as connection:
        assert connection.execute(text("SELECT name FROM apps")).all() == [("theirs",)]
    database.close()


def test_without_its_log_a_database_is_as_it_was_at_the_last_checkpoint(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.write() as connection:
        connection.execute(text("INSERT INTO usage_writers VALUES ('late', 1, 1)"))
    # What a crash leaves, less the log.
    shutil.copy(tmp_path / "tusou.db", tmp_path / "left.db")
    database.close()
    left = Database(f"sqlite:///{tmp_path / 'left.db'}")
    left.migrate()
    with left.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM usage_writers")) == 0
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    left.close()


def test_a_write_waits_for_another_process_that_holds_the_database(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    with closing(sqlite3.connect(tmp_path / "tusou.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(_write, database, 1)
            with pytest.raises(TimeoutError):
                writing.result(0.3)
            with database.read() as connection:  # who reads need not wait
                assert connection.scalar(text("SELECT count(*) FROM usage_writers")) == 0
            other.execute("COMMIT")
            writing.result(60)
    database.close()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tusou.storage.database._BUSY_SECONDS", 0.2)


@pytest.mark.usefixtures("_impatient")
def test_writers_give_up_on_a_process_that_holds_the_database_and_then_go_on(
    tmp_path: Path,
) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    with closing(sqlite3.connect(tmp_path / "tusou.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(6) as pool:
            tries = [pool.submit(_write, database, number) for number in range(6)]
            errors = [one.exception() for one in tries]
        other.execute("COMMIT")
    assert [error.problem for error in errors if isinstance(error, TusouError)] == [
        Problem.UNAVAILABLE
    ] * len(tries)
    _write(database, 99)
    with database.read() as connection:
        assert connection.scalars(text("SELECT writer FROM usage_writers")).all() == ["99"]
    database.close()


@pytest.mark.usefixtures("_impatient")
def test_a_lock_that_is_held_too_long_is_not_waited_for_and_can_be_had_later() -> None:
    lock = PatientLock()
    with lock, pytest.raises(TusouError) as caught, lock:
        raise AssertionError("had twice")
    assert caught.value.problem is Problem.UNAVAILABLE
    with lock:
        pass


def _write(database: Database, number: int) -> None:
    with database.write() as connection:
        connection.execute(
            text("INSERT INTO usage_writers VALUES (:name, 1, 1)"), {"name": str(number)}
        )


def test_the_rows_of_a_stream_come_in_portions_of_one_moment(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER, name TEXT)"))
        rows = [{"x": number, "name": "50% :x %(x)s"} for number in range(10)]
        connection.execute(text("INSERT INTO t VALUES (:x, :name)"), rows)
    t = table("t", column("x", Integer), column("name", String))
    query = select(t.c.x).where(t.c.x < 9, t.c.name == "50% :x %(x)s").order_by(t.c.x)
    portions = database.stream(query, 4)
    seen = [[row.x for row in next(portions)]]
    with database.write() as connection:
        connection.execute(text("DELETE FROM t"))
    seen += [[row.x for row in portion] for portion in portions]
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


# pg8000 leaves the socket of a connection that broke to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_name_has_one_owner_at_a_time(empty_url: str) -> None:
    one, two = Database(empty_url), Database(empty_url)
    if one.engine.dialect.name == "sqlite":
        pytest.skip("a folder has one server, and no names to share out")
    with one.owning("work") as owns:
        assert owns is not None
        assert owns()
        with two.owning("work") as other, two.owning("else") as another:
            assert other is None
            assert another is not None
        with one.read() as connection:
            connection.execute(text("SELECT 1"))
        assert owns()
        with two.write() as connection:  # as when the owner's machine is gone
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                    " AND pid <> pg_backend_pid()"
                )
            )
        assert not owns()
        with two.owning("work") as other:
            assert other is not None
    with one.owning("work") as owns:
        assert owns is not None
    one.close()
    two.close()


def test_an_engine_that_is_not_supported_is_told_in_plain_words() -> None:
    with pytest.raises(ValueError, match="sqlite and postgresql, not mysql"):
        Database("mysql://user:secret@host/name")
