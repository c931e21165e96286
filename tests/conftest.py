"""Fixtures that several folders of tests use."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from support.server import Caller, Server

# Machines are shared: how long an example takes says nothing.
settings.register_profile("tusou", deadline=None)
settings.load_profile("tusou")


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


@pytest.fixture
def caller(server: Server) -> Caller:
    """A new application with all five libraries."""
    return server.caller()
