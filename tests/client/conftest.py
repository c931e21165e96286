"""What the tests of the clients share."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.clients import Awaited, Connect
from support.server import Caller, Server
from tusou.client import Client

# Not yet imported, so that its asserts can be made to show what they compared.
pytest.register_assert_rewrite("support.round_trip")


@pytest.fixture(params=[Client, Awaited], ids=["blocking", "awaiting"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients, for an application and an address."""
    made: list[Any] = []

    def connect(caller: Caller, address: str, **options: Any) -> Any:
        made.append(request.param(caller.api_key, caller.secret_key, address, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Connect, caller: Caller, server: Server) -> Any:
    return connect(caller, server.address)


@pytest.fixture(scope="module")
def blocking(server: Server) -> Iterator[Client]:
    """For what only the calls decide, which both clients share."""
    caller = server.caller("product", "same_hq", "similar")
    with Client(caller.api_key, caller.secret_key, server.address) as client:
        yield client
