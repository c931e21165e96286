"""A server with the manual's four ports, and programs that call it."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.server import Answer, Server, b64

KEY = "a key of ours"
_names = itertools.count()


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its ports are free ones, and serve what the manual's serve."""
    ports = "0=similar, 0=picturebook, 0=same_hq, 0=console"
    environ = {
        "TUSOU_PRIVATE_PORTS": ports,
        "TUSOU_PRIVATE_KEY": KEY,
        "TUSOU_CLOSED_SERVICES": "materiel",
    }
    running = Server(tmp_path_factory.mktemp("private") / "data", environ)
    yield running
    assert running.stop() == 0


class Program:
    """One that has an `appid` and calls a service as the manual's programs do."""

    def __init__(self, http: httpx.Client, home: str, appid: str) -> None:
        self.http, self.home, self.appid = http, home, appid

    def __call__(self, call: str, **fields: Any) -> Answer:
        """One call; bytes are sent as base64, and a field that is None is left out."""
        fields = {"appid": self.appid, "from": "tests", "logid": 7, "format": "json", **fields}
        body = {
            name: b64(value) if isinstance(value, bytes) else value
            for name, value in fields.items()
            if value is not None
        }
        response = self.http.post(f"{self.home}/RTSAsService/{call}", content=json.dumps(body))
        assert response.status_code == 200
        return dict(response.json())


def brief(text: str) -> dict[str, Any]:
    """Feature 1000."""
    return {"fea_id": 1000, "fea_data": b64(text.encode())}


@pytest.fixture
def program(private: Server) -> Program:
    """One that is signed up for `similar`."""
    made = Program(private.http, private.private["similar"], f"program {next(_names)}")
    assert made("signup") == {"err_no": 0, "err_msg": "OK"}
    return made
