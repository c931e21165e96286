"""A server that logs all it can, has room for few requests, and keeps a key."""

from collections.abc import Iterator

import pytest

from support.server import Server

KEY = "the-key-of-the-private-interface"
PLACES = 8
# Every logger of every library says all it has to say.
_TALKATIVE = """
import logging
_configure = logging.basicConfig
logging.basicConfig = lambda **options: _configure(**{**options, "level": 1})
"""


@pytest.fixture(scope="package")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(_TALKATIVE)
    environ = {
        "PYTHONPATH": str(site),
        "TUSOU_FETCH_ALLOW": "127.0.0.0/8",
        "TUSOU_PRIVATE_KEY": KEY,
        "TUSOU_PRIVATE_PORTS": "0=similar, 0=console",
        "TUSOU_QUEUE": str(PLACES),
    }
    running = Server(tmp_path_factory.mktemp("talkative") / "data", environ)
    yield running
    assert running.stop() == 0
