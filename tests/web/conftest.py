"""Fixtures that the tests of the web layer share."""

from collections.abc import Iterator

import pytest

from support.server import Server

# Not yet imported, so that its asserts can be made to show what they compared.
pytest.register_assert_rewrite("support.round_trip")


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may fetch pictures from this machine."""
    data = tmp_path_factory.mktemp("open") / "data"
    running = Server(data, {"TUSOU_FETCH_ALLOW": "127.0.0.0/8"})
    yield running
    assert running.stop() == 0
