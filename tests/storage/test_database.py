"""The database: migrations, durability settings, and processes that meet."""

import multiprocessing
import threading
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
from tusou.storage.database import Database
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
