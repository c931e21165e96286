"""The official Node client, `baidu-aip-sdk`, unmodified except for where it sends."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from support import round_trip
from support.host import PictureHost
from support.round_trip import Trip
from support.server import Answer, Caller, Server, b64
from tusou.services import SERVICES

_PROGRAM = Path(__file__).with_name("node_client.mjs")
_PACKAGE = Path(__file__).parents[1] / "node_modules" / "baidu-aip-sdk"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(not _PACKAGE.exists(), reason="run `npm ci` in tests/"),
]


class NodeClient:
    """The client in a process of its own; see `node_client.mjs`."""

    def __init__(self, calls: IO[str], answers: IO[str]) -> None:
        self._calls = calls
        self._answers = answers
        self.methods = set(self._read())

    def call(
        self, method: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        """This client wants pictures in base64."""
        told = {
            "method": method,
            "subject": b64(subject) if isinstance(subject, bytes) else subject,
            "brief": brief,
            "options": options,
        }
        print(json.dumps(told), file=self._calls, flush=True)
        return dict(self._read())

    def _read(self) -> Any:
        line = self._answers.readline()
        assert line, "the Node client has ended; its complaint is on standard error"
        return json.loads(line)


@contextmanager
def _client(caller: Caller, mode: str = "token") -> Iterator[NodeClient]:
    address = str(caller.http.base_url).rstrip("/")
    keys = [str(caller.app_id), caller.api_key, caller.secret_key]
    with subprocess.Popen(
        ["node", _PROGRAM, address, *keys, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield NodeClient(process.stdin, process.stdout)
    assert process.returncode == 0


@pytest.fixture
def client(open_server: Server) -> Iterator[NodeClient]:
    """A client of a new application."""
    with _client(open_server.caller()) as client:
        yield client


def test_the_round_trips_leave_no_method_of_the_client_out(client: NodeClient) -> None:
    assert client.methods - {"constructor", "commonImpl"} == round_trip.methods()


@pytest.mark.parametrize("service", SERVICES)
def test_a_library_is_filled_searched_changed_and_emptied(client: NodeClient, service: str) -> None:
    Trip(client, service).with_pictures()


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_by_url(client: NodeClient, service: str) -> None:
    with PictureHost(round_trip.PICTURES) as host:
        Trip(client, service).with_urls({name: host.url(name) for name in round_trip.PICTURES})


def test_an_error_comes_back_as_an_answer(client: NodeClient) -> None:
    answer = client.call("similarAdd", b"no picture", "brief")
    assert answer["error_code"] == 216201
    assert answer["error_msg"].startswith("image format error")


@pytest.mark.parametrize("service", SERVICES)
def test_it_can_sign_instead(open_server: Server, service: str) -> None:
    caller = open_server.caller()
    with _client(caller, "signature") as client:
        Trip(client, service).with_pictures()
        with PictureHost(round_trip.PICTURES) as host:
            Trip(client, service).with_urls({name: host.url(name) for name in round_trip.PICTURES})
    lines = open_server.lines_of(caller.app_id, 20)
    assert {line["auth"] for line in lines} == {"signature"}


def test_a_secret_that_is_not_the_applications_is_refused(open_server: Server) -> None:
    caller = open_server.caller("similar")
    with _client(replace(caller, secret_key=caller.secret_key + "x"), "signature") as client:
        assert client.call("similarSearch", round_trip.A)["error_code"] == 14
