"""Fixtures that several folders of tests use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import engines
from support.milvus import milvus, milvus_lite
from support.postgres import Postgres, postgres
from support.s3 import new_bucket, s3
from support.server import Caller, Server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """PostgreSQL, started when the first test asks for it."""
    with postgres() as running:
        yield running


@pytest.fixture(params=engines.DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind that is tested here; its tables may be there already or not."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tusou.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new()


@pytest.fixture(params=engines.DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Likewise, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tusou.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.empty()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need no settings of their own."""
    running = Server(tmp_path_factory.mktemp("server") / "data")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may fetch pictures from this machine."""
    data = tmp_path_factory.mktemp("open") / "data"
    running = Server(data, {"TUSOU_FETCH_ALLOW": "127.0.0.0/8"})
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def milvus_address() -> Iterator[str]:
    """Milvus 2.3.5, started when the first test asks for it."""
    with milvus() as address:
        yield address


@pytest.fixture(scope="session")
def milvus_lite_address() -> Iterator[str]:
    """Milvus Lite, likewise."""
    with milvus_lite() as address:
        yield address


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of moto's S3, started when the first test asks for it."""
    with s3() as address:
        yield address


@pytest.fixture
def bucket(s3_endpoint: str) -> dict[str, str]:
    """A new bucket: the variables by which a server finds it."""
    return new_bucket(s3_endpoint)


@pytest.fixture
def caller(server: Server) -> Caller:
    """A new application with all five libraries."""
    return server.caller()
