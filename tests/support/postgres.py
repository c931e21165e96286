"""A real PostgreSQL of Debian's package, on a port of this machine that nobody else sees."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tusou.storage.database import Database

_TEMPLATE = "template_tusou"


class Postgres:
    """A server; hands out databases with tusou's tables in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self.port = free_port()
        options = "--auth=trust", "--username=tusou", "--encoding=UTF8", "--locale=C"
        self._run("initdb", *options, "-D")
        self.start()
        self._create(_TEMPLATE, "template0")
        database = Database(self.url(_TEMPLATE))
        database.migrate()
        database.close()

    def start(self) -> None:
        """Start it, or start it again."""
        # Without fsync: nobody cuts the power of a test.
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder} -F -c max_connections=200"
        log = self._folder / "log"
        self._run("pg_ctl", "start", "-w", "-l", str(log), "-o", options, "-D")

    def stop(self) -> None:
        """Stop it at once."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D")

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://tusou@127.0.0.1:{self.port}/{name}"

    def empty(self) -> str:
        """The URL of a new database without tables."""
        return self._new("template0")

    def new(self, first_library: int = 1) -> str:
        """The URL of a new database with empty tables."""
        url = self._new(_TEMPLATE)
        if first_library > 1:
            database = Database(url)
            with database.write() as connection:
                for table, number in (
                    ("libraries", first_library),
                    ("items", 1000 * first_library),
                ):
                    statement = f"ALTER SEQUENCE {table}_id_seq RESTART WITH {number}"
                    connection.execute(text(statement))
            database.close()
        return url

    def _new(self, template: str) -> str:
        self._made += 1
        name = f"test{self._made}"
        self._create(name, template)
        return self.url(name)

    def _create(self, name: str, template: str) -> None:
        url = self.url("postgres").replace("://", "+pg8000://")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        engine.dispose()

    def _run(self, program: str, *options: str) -> None:
        root = os.getuid() == 0
        subprocess.run(
            [_find(program), *options, str(self._folder / "data")],
            check=True,
            user="postgres" if root else None,  # it refuses to run as root
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server; the test is skipped where Debian's package is not installed."""
    if _find("initdb") == "":
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # Not in pytest's folder, which is closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()


def _find(program: str) -> str:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *os.get_exec_path()]
    return shutil.which(program, path=os.pathsep.join(map(str, places))) or ""
