"""The client library beside the official one: the same calls get the same answers."""

import json
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import aip
import httpx
import pytest
from sqlalchemy import delete

from support import round_trip
from support.host import PictureHost
from support.pictures import encoded, picture, scene
from support.round_trip import Trip
from support.server import Answer, Caller, Server
from support.vendor import PythonClient, call, connecting
from tusou.client import AipImageSearch
from tusou.storage.tables import tokens


def connected(server: Server, caller: Caller, secret: str = "") -> AipImageSearch:
    return AipImageSearch(
        str(caller.app_id), caller.api_key, secret or caller.secret_key, host=server.address
    )


@pytest.fixture
def client(server: Server, caller: Caller) -> Iterator[AipImageSearch]:
    with connected(server, caller) as client:
        yield client


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it is told, and with a token where it is asked for one."""

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path = self.path.partition("?")[0]
        answer: Answer = {"log_id": 0, "path": path, "fields": parse_qs(body)}
        if path == "/oauth/2.0/token":
            answer = {"access_token": "t", "expires_in": 2592000, "scope": "brain_all_scope"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Both:
    """Makes every call by both clients, each on libraries of its own."""

    def __init__(self, official: PythonClient, own: AipImageSearch) -> None:
        self._official, self._own = official, own

    def call(
        self, method: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        expected = self._official.call(method, subject, brief, **options)
        answer = call(self._own, method, subject, brief, options)
        assert answer | {"log_id": 0} == expected | {"log_id": 0}
        return answer


def test_both_clients_get_the_same_answers(
    open_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        connecting(monkeypatch) as connect,
        connected(open_server, open_server.caller()) as own,
        PictureHost(round_trip.PICTURES) as host,
    ):
        both = Both(connect(open_server.address, open_server.caller()), own)
        Trip(both, "product").with_pictures()
        urls = {name: host.url(name) for name in round_trip.PICTURES}
        Trip(both, "materiel").with_urls(urls)


@pytest.mark.parametrize("method", sorted(round_trip.methods()))
def test_every_method_sends_what_the_official_one_sends(
    echo: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    subject: bytes | str = "1,2;3,4"
    if method.endswith("Url"):
        subject = "http://example.com/a b.jpg?c=1&d=ä"
    elif not method.endswith("Sign"):
        subject = round_trip.A
    brief = round_trip.BRIEF if "Add" in method or "Update" in method else None
    caller = Caller(httpx.Client(), 1, "key", "secret", "")
    with (
        caller.http,
        connecting(monkeypatch) as connect,
        AipImageSearch("1", "key", "secret", host=echo) as own,
    ):
        both = Both(connect(echo, caller), own)
        answer = both.call(method, subject, brief, tags="1,2", rn=5, pn=None)
    assert answer["path"].startswith("/rest/2.0/")
    assert answer["fields"]["rn"] == ["5"]


def test_both_have_the_same_methods_with_the_same_parameters() -> None:
    official = {name for name in dir(aip.AipImageSearch) if not name.startswith("_")}
    own = {name for name in dir(AipImageSearch) if not name.startswith("_")}
    assert own - official == {"call", "close"}
    assert official <= own
    for name in official:
        expected = list(signature(getattr(aip.AipImageSearch, name)).parameters)
        assert list(signature(getattr(AipImageSearch, name)).parameters) == expected, name


def test_faults_of_pictures_are_told_without_asking_the_server(tmp_path: Path) -> None:
    with AipImageSearch("1", "k", "s", host="http://127.0.0.1:9") as client:  # nobody is there
        wide = encoded(scene(1, 700, 30), "PNG")
        answers = [
            client.similarAdd(encoded(scene(1, 1400, 1000), "BMP"), "b"),
            client.productSearch(encoded(scene(1, 400, 299), "PNG")),
            client.sameHqSearch(encoded(scene(1, 4097, 60), "PNG")),
            client.materielUpdate(wide, "b"),
            client.similarSearch(tmp_path / "nothing.jpg"),
            client.pictureBookSearchImage(b"GIF89a"),
            client.pictureBookSearchImage(picture(1)[:2000]),
        ]
    codes = [answer["error_code"] for answer in answers]
    assert codes == ["SDK100", *["SDK101"] * 3, "SDK102", "SDK109", "SDK109"]
    assert {tuple(answer) for answer in answers} == {("error_code", "error_msg")}


def test_a_server_that_does_not_answer_in_time_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with AipImageSearch("1", "k", "s", host=f"http://127.0.0.1:{port}") as client:
            client.setConnectionTimeoutInMillis(1000)
            client.setSocketTimeoutInMillis(50)
            assert client.similarSearch(picture(1))["error_code"] == "SDK108"


def test_a_server_that_is_not_there_is_an_oserror() -> None:
    with (
        AipImageSearch("1", "k", "s", host="http://127.0.0.1:9") as client,
        pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9"),
    ):
        client.similarSearch(picture(1))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "ftp://x", "http://"])
def test_a_host_without_its_scheme_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="http:// or https://"):
        AipImageSearch("1", "k", "s", host=host)


def test_a_picture_can_be_named_by_its_path(client: AipImageSearch, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(round_trip.A)
    sign = client.similarAdd(path, "by path")["cont_sign"]
    assert client.similarSearch(round_trip.A)["result"][0]["cont_sign"] == sign


def test_a_token_that_was_revoked_is_renewed_unnoticed(
    client: AipImageSearch, server: Server, caller: Caller
) -> None:
    client.similarAdd(round_trip.A, "a")
    with server.office() as office, office.database.write() as connection:
        connection.execute(delete(tokens).where(tokens.c.app_id == caller.app_id))

    def search(_: int) -> object:
        return client.similarSearch(round_trip.A)["result"][0]["brief"]

    with ThreadPoolExecutor(8) as threads:  # and one client serves many threads
        assert set(threads.map(search, range(16))) == {"a"}
    with server.office() as office, office.database.read() as connection:
        left = connection.execute(tokens.select().where(tokens.c.app_id == caller.app_id)).all()
    assert sorted(row.kind for row in left) == ["access", "refresh"]  # one renewal for all


def test_who_gets_no_token_signs(server: Server, caller: Caller) -> None:
    with connected(server, caller, secret="wrong") as wrong:
        assert wrong.similarSearch(round_trip.A)["error_code"] == 14
    with connected(server, caller) as client:
        client._signs = True  # as after an answer without a token
        assert client.similarAdd(round_trip.A, "签名 + & =").keys() == {"log_id", "cont_sign"}
        assert client.report("signed").keys() == {"log_id"}
    lines = server.lines_of(caller.app_id, 2)
    assert {line["auth"] for line in lines} == {"signature"}


def test_the_client_needs_nothing_but_httpx() -> None:
    program = """
        import sys

        class Wall:
            def find_spec(self, name, path, target=None):
                if name.partition(".")[0] in ALLOWED or name in sys.stdlib_module_names:
                    return None
                raise ModuleNotFoundError(name)

        ALLOWED = {*sys.stdlib_module_names, "tusou", "httpx", "httpcore", "anyio", "certifi",
                   "h11", "idna", "sniffio", "typing_extensions"}
        sys.meta_path.insert(0, Wall())
        from tusou.client import AipImageSearch
        print(*sorted(name for name in sys.modules if name.startswith("tusou")))
    """
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    ours = {name for name in run.stdout.split() if not name.startswith("tusou.client")}
    assert ours == {
        *("tusou", "tusou.errors", "tusou.services"),
        *("tusou.images", "tusou.images.containers"),
    }
