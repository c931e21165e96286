"""Fixtures that several folders of tests use."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from support import engines
from support.milvus import milvus, milvus_lite
from support.postgres import Postgres, postgres
from support.redis import redis
from support.s3 import new_bucket, s3
from support.server import Caller, Server

# Machines are shared: how long an example takes says nothing.
settings.register_profile("tusou", deadline=None)
settings.load_profile("tusou")


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
def redis_url() -> Iterator[str]:
    """Redis, likewise."""
    with redis() as url:
        yield url


@pytest.fixture
def cluster(engines_of_a_cluster: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Engines of a cluster, with nothing in them yet: the variables of its servers."""
    return engines_of_a_cluster()


@pytest.fixture(scope="session")
def engines_of_a_cluster(
    postgres_server: Postgres,
    s3_endpoint: str,
    milvus_address: str,
    milvus_lite_address: str,
    redis_url: str,
) -> Callable[[], dict[str, str]]:
    """Makes a new database and bucket; libraries in one Milvus must not have the same numbers."""
    made = count()

    def make() -> dict[str, str]:
        number = next(made)
        return {
            "TUSOU_DATABASE": postgres_server.new(first_library=1 + number * 1000),
            "TUSOU_MILVUS": milvus_address,
            "TUSOU_MILVUS_WORDS": milvus_lite_address,
            "TUSOU_REDIS": f"{redis_url.removesuffix('/0')}/{number}",
            **new_bucket(s3_endpoint),
        }

    return make


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests that need no settings of their own; in `make test-cluster`, one
    of a cluster."""
    make = request.getfixturevalue("engines_of_a_cluster") if engines.CLUSTER else dict
    running = Server(tmp_path_factory.mktemp("server") / "data", make())
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may fetch pictures from this machine."""
    data = tmp_path_factory.mktemp("open") / "data"
    running = Server(data, {"TUSOU_FETCH_ALLOW": "127.0.0.0/8"})
    yield running
    assert running.stop() == 0


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes one more database: of PostgreSQL where there is one, else a file."""
    made = count()

    def make() -> str:
        if not engines.CLUSTER:
            return f"sqlite:///{tmp_path / f'more{next(made)}.db'}"
        server: Postgres = request.getfixturevalue("postgres_server")
        return server.new()

    return make


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
