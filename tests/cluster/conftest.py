"""What the tests of several servers share: servers on one set of engines, and one data folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.server import Server


@pytest.fixture
def start(cluster: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Starts one more server; all end with the test."""
    running: list[Server] = []

    def start_one() -> Server:
        running.append(Server(tmp_path / "data", cluster))
        return running[-1]

    yield start_one
    for server in running:
        if server.process.poll() is None:
            server.kill()
