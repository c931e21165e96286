"""Every code of the contract that this version can reach, by an input that really causes it.

Not reached, because this version has nothing yet that could cause them:

13 (no service tokens), 216110 (no call names an AppID), 216401, 282000, 216630, 216634, 282810
(no step of recognition fails on a sound picture), 282003, 282004, 282005, 282006 (no batch calls),
282808, 282809 (no asynchronous tasks).
"""

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from sqlalchemy import text, update

from support.pictures import encoded, picture, scene
from support.server import Answer, Caller, Server, b64
from tusou.errors import Problem
from tusou.office import Office
from tusou.services import OPERATIONS, SERVICES
from tusou.settings import Settings
from tusou.storage.tables import keypoints, libraries, tokens

NOT_REACHED_YET = {
    Problem.SERVICE_TOKEN: "there are no service tokens",
    Problem.APP_UNKNOWN: "no call names an AppID",
    Problem.INTERNAL: "no step is known to fail",
    Problem.INTERNAL_BACKEND: "there are no backends beside the database",
    Problem.RECOGNIZE: "no sound picture is known that the model fails on",
    Problem.DETECT: "there is no detector",
    Problem.IMAGE_RECOGNIZE: "no sound picture is known that the model fails on",
    Problem.MISSING_PARAMETERS: "there are no native and no batch calls",
    Problem.INVALID_PARAMETERS: "there are no native and no batch calls",
    Problem.BATCH_FAILED: "there are no batch calls",
    Problem.BATCH_LIMIT: "there are no batch calls",
    Problem.REQUEST_MISSING: "there are no asynchronous tasks",
    Problem.RESULT_TYPE: "there are no asynchronous tasks",
}

PICTURE = picture(1)
FEEDBACK = "/rpc/2.0/feedback/v1/report"
CLOSED = "same_hq"


class _OtherServer(BaseHTTPRequestHandler):
    """What picture URLs lead to."""

    released = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.released.wait(30)
        pages = {"/page": b"<html>no picture</html>", "/empty": b"", "/picture": PICTURE}
        body = pages.get(self.path, b"")
        self.send_response(200 if self.path in pages or self.path == "/large" else 404)
        self.send_header("Content-Length", str(5 << 20 if self.path == "/large" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@dataclass
class Place:
    """A server with settings of its own, an application that may do all, and another server."""

    server: Server
    caller: Caller
    other: str

    def post(
        self, path: str, token: str | None = None, query: dict[str, str] | None = None, **kept: Any
    ) -> Answer:
        """Post with any token or none; the answer is checked to be the contract's."""
        query = ({} if token is None else {"access_token": token}) | (query or {})
        response = self.server.http.post(path, params=query, **kept)
        assert response.status_code == 200
        return dict(response.json())

    def search(self, token: str | None, **options: Any) -> Answer:
        """A good search but for its token."""
        data = {"image": b64(PICTURE)}
        return self.post(f"{SERVICES['similar'].prefix}/search", token, data=data, **options)

    def add(self, image: bytes, service: str = "similar") -> Answer:
        return self.caller.call(service, "add", image=image, brief="x")

    def fetch(self, url: str) -> Answer:
        return self.caller.call("similar", "search", url=url)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    other = ThreadingHTTPServer(("127.0.0.1", 0), _OtherServer)
    other.daemon_threads = True
    threading.Thread(target=other.serve_forever, daemon=True).start()
    server = Server(
        tmp_path_factory.mktemp("errors") / "data",
        {
            "TUSOU_CLOSED_SERVICES": CLOSED,
            "TUSOU_FETCH_ALLOW": "127.0.0.0/8",
            "TUSOU_FETCH_SECONDS": "1",
        },
    )
    try:
        caller = server.caller()
        assert "cont_sign" in caller.call("similar", "add", image=PICTURE, brief="the good one")
        yield Place(server, caller, f"http://127.0.0.1:{other.server_port}")
    finally:
        _OtherServer.released.set()
        server.stop()
        other.shutdown()
        other.server_close()


# Causes that need more than a line.


def _unknown_error(place: Place) -> Answer:
    """Features that were damaged in the database."""
    caller = place.server.caller("picturebook")
    caller.call("picturebook", "add", image=PICTURE, brief="x")
    with place.server.office() as office, office.database.write() as connection:
        connection.execute(update(keypoints).values(keypoints=b"damaged"))
    return caller.call("picturebook", "search", image=PICTURE)


def _other_model(place: Place) -> Answer:
    caller = place.server.caller("similar")
    with place.server.office() as office, office.database.write() as connection:
        mine = libraries.c.app_id == caller.app_id
        connection.execute(update(libraries).where(mine).values(pack="another"))
    return caller.call("similar", "search", image=PICTURE)


def _broken_store(place: Place) -> Answer:
    def rename(old: str, new: str) -> None:
        with place.server.office() as office, office.database.write() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    rename("feedback", "mislaid")
    try:
        return place.caller.post(FEEDBACK, data={"feedback": "hello"})
    finally:
        rename("mislaid", "feedback")


def _wrong_method(place: Place) -> Answer:
    path = f"{SERVICES['similar'].prefix}/search"
    response = place.server.http.get(path, params={"access_token": place.caller.token})
    assert response.status_code == 200
    return dict(response.json())


def _disabled(place: Place) -> Answer:
    caller = place.server.caller("similar", libraries=False)
    with place.server.office() as office:
        office.apps.enable(caller.app_id, False)
    return place.search(caller.token)


def _deleted(place: Place) -> Answer:
    caller = place.server.caller("similar", libraries=False)
    with place.server.office() as office:
        office.apps.delete(caller.app_id)
    return place.search(caller.token)


def _revoked(place: Place) -> Answer:
    caller = place.server.caller("similar", libraries=False)
    with place.server.office() as office:
        office.apps.reset_key(caller.app_id)
    return place.search(caller.token)


def _expired(place: Place, **query: str) -> Answer:
    caller = place.server.caller("similar", libraries=False)
    with place.server.office() as office, office.database.write() as connection:
        mine = tokens.c.app_id == caller.app_id
        connection.execute(update(tokens).where(mine).values(expires=int(time.time()) - 1))
    return place.search(caller.token, query=query)


def _over(place: Place, kind: str) -> Answer:
    """A second call, where one is allowed."""
    caller = place.server.caller("similar")
    with place.server.office() as office:
        office.apps.set_limits(caller.app_id, "similar", "search", {kind: 1})
    assert "error_code" not in caller.call("similar", "search", image=PICTURE)
    answer = caller.call("similar", "search", image=PICTURE)
    # Once more, from memory, and alike.
    again = caller.call("similar", "search", image=PICTURE)
    assert again["error_msg"] == answer["error_msg"]
    assert "error_code" not in caller.call("similar", "add", image=PICTURE, brief="x")
    return answer


def _full(place: Place) -> Answer:
    caller = place.server.caller("similar", libraries=False)
    with Office(Settings.load({}, data=place.server.data, library_capacity=1)) as office:
        office.create_library(caller.app_id, "similar")
    caller.call("similar", "add", image=PICTURE, brief="x")
    return caller.call("similar", "add", image=picture(2), brief="x")


def _already_there(place: Place) -> Answer:
    found = place.caller.call("similar", "search", image=PICTURE)["result"]
    answer = place.add(PICTURE)
    assert answer["cont_sign"] == found[0]["cont_sign"]
    assert answer["cont_sign"] in answer["error_msg"]
    return answer


def _closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/picture"


class Row(NamedTuple):
    """A problem, what causes it, and a word that its message must have."""

    problem: Problem
    title: str
    cause: Callable[[Place], Answer]
    word: str = ""


def _call(
    problem: Problem, title: str, service: str, operation: str, word: str = "", **fields: Any
) -> Row:
    """A call that the good application makes."""
    return Row(problem, title, lambda place: place.caller.call(service, operation, **fields), word)


def _invalid(word: str, operation: str, service: str = "similar", **fields: Any) -> Row:
    """A value out of range, which the message names."""
    shown = ",".join(f"{name}={value!s:.12}" for name, value in fields.items())
    title = f"{service} {operation} {shown}"
    given: dict[str, Any] = {"image": PICTURE}
    if operation == "add":
        given["brief"] = "x"
    if "cont_sign" in fields:
        del given["image"]
    return _call(Problem.INVALID_PARAM, title, service, operation, word, **given | fields)


def _body(title: str, word: str, media: str, content: bytes) -> Row:
    """A body that cannot be read."""
    path, headers = f"{SERVICES['similar'].prefix}/add", {"content-type": media}
    return Row(
        Problem.INVALID_PARAM,
        title,
        lambda place: place.caller.post(path, content=content, headers=headers),
        word,
    )


def _feedback(title: str, problem: Problem, feedback: str) -> Row:
    return Row(
        problem,
        f"feedback {title}",
        lambda place: place.caller.post(FEEDBACK, data={"feedback": feedback}),
        "feedback",
    )


def _size(title: str, service: str, width: int, height: int) -> Row:
    image = encoded(scene(3, width, height))
    return _call(Problem.IMAGE_SIZE, title, service, "search", f"{width} x {height}", image=image)


def _fetch(problem: Problem, title: str, url: str, word: str = "") -> Row:
    """A URL; one that begins with a slash is of the other server."""
    return Row(
        problem,
        title,
        lambda place: place.fetch(place.other + url if url.startswith("/") else url),
        word,
    )


FLAT = encoded(np.full((320, 400, 3), 200, np.uint8))
UNKNOWN_SIGN = "1,2"

ROWS = (
    Row(Problem.UNKNOWN, "damaged features", _unknown_error),
    Row(Problem.UNAVAILABLE, "a library of another model", _other_model, "model"),
    Row(Problem.UNAVAILABLE, "a table is gone", _broken_store, "database"),
    Row(Problem.METHOD, "GET", _wrong_method, "/similar/search"),
    Row(Problem.METHOD, "no such call", lambda place: place.post("/rest/2.0/nothing")),
    Row(
        Problem.METHOD,
        "no such operation",
        lambda place: place.post(f"{SERVICES['similar'].prefix}/replace", place.caller.token),
    ),
    Row(
        Problem.METHOD,
        "a slash too many",
        lambda place: place.post(f"{SERVICES['similar'].prefix}/add/", place.caller.token),
    ),
    Row(
        Problem.PERMISSION,
        "service not ticked",
        lambda place: place.server.caller("similar", libraries=False).call(
            "product", "search", image=PICTURE
        ),
        "product",
    ),
    Row(
        Problem.SIGNATURE,
        "a signature that does not hold",
        lambda place: place.search(
            None,
            headers={
                "authorization": "bce-auth-v1/nobody/2015-04-27T08:23:49Z/1800/host/" + "0" * 64,
                "x-bce-date": "2015-04-27T08:23:49Z",
            },
        ),
    ),
    Row(
        Problem.SIGNATURE,
        "an authorization header of another kind",
        lambda place: place.search(None, headers={"authorization": "Basic c2hvcDpzZWNyZXQ="}),
        "bce-auth-v1/{access key}",
    ),
    Row(
        Problem.SIGNATURE,
        "an authorization header that is no text",
        lambda place: place.search(
            None, headers={"authorization": b"bce-auth-v1/\xff/\xfe/1/\xfd/\xfc"}
        ),
        "UTC",
    ),
    Row(Problem.DAILY_LIMIT, "a call too many today", lambda place: _over(place, "daily"), "1 a"),
    Row(Problem.QPS_LIMIT, "a call too many at once", lambda place: _over(place, "qps"), "1 a"),
    Row(Problem.TOTAL_LIMIT, "a call too many", lambda place: _over(place, "total"), "1 in all"),
    Row(Problem.APP_GONE, "application disabled", _disabled),
    Row(Problem.APP_GONE, "application deleted", _deleted),
    Row(Problem.NO_CREDENTIALS, "no token", lambda place: place.search(None), "access_token"),
    Row(Problem.NO_CREDENTIALS, "empty token", lambda place: place.search(""), "access_token"),
    Row(Problem.TOKEN_INVALID, "unknown token", lambda place: place.search("24.nobody")),
    Row(Problem.TOKEN_INVALID, "revoked token", _revoked),
    Row(
        Problem.TOKEN_INVALID,
        "expired token of the Python client, which renews it on 110 only",
        lambda place: _expired(place, aipSdk="python"),
    ),
    Row(Problem.TOKEN_EXPIRED, "expired token", _expired),
    Row(Problem.TOKEN_EXPIRED, "expired token, Node", lambda place: _expired(place, aipSdk="node")),
    _call(Problem.MODULE_CLOSED, "switched off", CLOSED, "search", CLOSED, image=PICTURE),
    Row(Problem.LIBRARY_FULL, "capacity of one picture", _full, "capacity"),
    Row(
        Problem.NO_LIBRARY,
        "no library",
        lambda place: place.server.caller("similar", libraries=False).call(
            "similar", "search", image=PICTURE
        ),
        "similar",
    ),
    _invalid("brief too long", "add", brief="字" * 85 + "ab"),
    _invalid("brief too long", "update", brief="x" * 257),
    _invalid("param brief", "add", brief="a\0b"),
    *(_invalid("param tags", "add", tags=tags) for tags in ("0", "65536", "-1", "a", "1.5", ",")),
    _invalid("param tags", "add", tags="1,2,3"),
    _invalid("param tags", "search", tags="1;2"),
    _invalid("param tags", "update", tags="0x10"),
    _invalid("param tags", "add", "product", tags="70000"),
    _invalid("param class_id1", "add", "product", class_id1="0"),
    _invalid("param class_id2", "add", "product", class_id2="65536"),
    _invalid("param class_id2", "search", "product", class_id2="1,2"),
    _invalid("param tag_logic", "search", tags="1", tag_logic="2"),
    _invalid("param tag_logic", "search", tag_logic="and"),
    *(
        _invalid(f"param {name}", "search", service.name, **{name: value})
        for service in SERVICES.values()
        if service.name != CLOSED
        for name, value in (
            ("pn", -1),
            ("pn", service.most_results),
            ("rn", 0),
            ("rn", service.most_results + 1),
        )
    ),
    _invalid("param pn", "search", pn="1.0"),
    _invalid("param rn", "search", rn="ten"),
    _invalid("param rn", "search", rn="9" * 11),
    *(
        _invalid("param cont_sign", operation, brief="x", cont_sign=sign)
        for operation in ("update", "delete")
        for sign in ("1", "1,2,3", "a,b", "-1,2", "4294967296,1", ";")
    ),
    _invalid("101 signs", "delete", cont_sign=";".join(f"1,{low}" for low in range(101))),
    _invalid("2 signs", "update", brief="x", cont_sign="1,2;1,3"),
    _body("brief not UTF-8", "param brief", "application/x-www-form-urlencoded", b"brief=%FF"),
    _body("broken JSON", "JSON", "application/json", b'{"image": '),
    _body("JSON under the form type", "JSON", "application/x-www-form-urlencoded", b'{"image"'),
    _body("JSON that is no object", "JSON object", "application/json", b"[1, 2]"),
    _body("JSON too deep", "JSON", "application/json", b'{"brief":' + b"[" * 200_000),
    _body("multipart without a boundary", "multipart", "multipart/form-data", b"--a--"),
    _body("broken multipart", "multipart", "multipart/form-data; boundary=a", b"--a\r\nx\r\n\r\n"),
    _feedback("on a search never made", Problem.INVALID_PARAM, '{"log_id": 1e30}'),
    _feedback("on no sign", Problem.INVALID_PARAM, '{"cont_sign": "one"}'),
    _call(Problem.MISSING_PARAM, "add nothing", "similar", "add", "param brief"),
    _call(Problem.MISSING_PARAM, "no picture", "similar", "add", "param image", brief="x"),
    _call(Problem.MISSING_PARAM, "no brief", "similar", "add", "param brief", image=PICTURE),
    _call(
        Problem.MISSING_PARAM,
        "empty brief",
        "similar",
        "add",
        "param brief",
        image=PICTURE,
        brief="",
    ),
    _call(Problem.MISSING_PARAM, "search nothing", "similar", "search", "param image"),
    _call(
        Problem.MISSING_PARAM,
        "search by sign",
        "similar",
        "search",
        "param image",
        cont_sign=UNKNOWN_SIGN,
    ),
    _call(Problem.MISSING_PARAM, "delete nothing", "similar", "delete", "cont_sign"),
    _call(Problem.MISSING_PARAM, "update what", "similar", "update", "cont_sign", brief="x"),
    _call(
        Problem.MISSING_PARAM,
        "update to what",
        "similar",
        "update",
        "brief or tags",
        cont_sign=UNKNOWN_SIGN,
    ),
    _call(
        Problem.MISSING_PARAM,
        "update a product to what",
        "product",
        "update",
        "brief or class_id1 or class_id2",
        cont_sign=UNKNOWN_SIGN,
    ),
    _feedback("empty", Problem.MISSING_PARAM, ""),
    _feedback("of no reports", Problem.MISSING_PARAM, "[]"),
    Row(
        Problem.UNKNOWN_SERVICE,
        "unknown service",
        lambda place: place.post(
            "/rest/2.0/image-classify/v1/realtime_search/nothing/add", place.caller.token
        ),
        "nothing",
    ),
    _call(
        Problem.PARAM_TOO_LONG,
        "url of 1025 bytes",
        "similar",
        "search",
        "param url",
        url="http://example.com/".ljust(1025, "x"),
    ),
    *(
        _call(Problem.IMAGE_EMPTY, f"image is {image!r}", "similar", "search", image=image)
        for image in ("", "data:image/png;base64,", "====")
    ),
    Row(
        Problem.IMAGE_EMPTY,
        "an empty file",
        lambda place: place.caller.post(
            f"{SERVICES['similar'].prefix}/search",
            files={"image": ("a.png", b"")},
        ),
    ),
    *(
        _call(Problem.IMAGE_FORMAT, title, "similar", "search", image=data)
        for title, data in (
            ("GIF", encoded(scene(1), "GIF")),
            ("WebP", encoded(scene(1), "WEBP")),
            ("cut JPEG", PICTURE[: len(PICTURE) // 2]),
            ("cut PNG", encoded(scene(1))[:5000]),
            ("JPEG start only", PICTURE[:3]),
            ("BMP start only", b"BM"),
            ("words", b"not a picture at all"),
            ("a picture in base64 twice", base64.b64encode(PICTURE)),
        )
    ),
    _fetch(Problem.IMAGE_FORMAT, "a page behind the URL", "/page"),
    _size("similar: short side 49", "similar", 400, 49),
    _size("similar: long side 4097", "similar", 4097, 60),
    _size("product: short side 299", "product", 299, 320),
    _size("product: long side 4097", "product", 300, 4097),
    _size("picturebook: short side 149", "picturebook", 149, 200),
    _size("picturebook: wider than 10:1", "picturebook", 1501, 150),
    _size("picturebook: higher than 1:10", "picturebook", 150, 1501),
    _size("materiel: wider than 20:1", "materiel", 401, 20),
    _size("materiel: higher than 1:20", "materiel", 20, 401),
    _size("materiel: long side 4097", "materiel", 4097, 300),
    _call(
        Problem.IMAGE_SIZE,
        "base64 of more than 4 MiB",
        "similar",
        "search",
        "4 MiB",
        image="A" * ((4 << 20) + 4),
    ),
    Row(
        Problem.IMAGE_SIZE,
        "a file of more than 4 MiB",
        lambda place: place.caller.post(
            f"{SERVICES['similar'].prefix}/search",
            files={"image": ("a.png", bytes((4 << 20) + 1))},
        ),
    ),
    _call(
        Problem.IMAGE_SIZE,
        "a body of 20 MiB",
        "similar",
        "search",
        image="A" * (20 << 20),
    ),
    *(
        _call(Problem.IMAGE_UNUSABLE, f"{service}: flat", service, "search", "flat", image=FLAT)
        for service in SERVICES
        if service != CLOSED
    ),
    *(
        _call(
            Problem.ITEM_MISSING,
            f"{operation} {title}",
            "similar",
            operation,
            "",
            brief="x",
            **{name: value},
        )
        for operation in ("update", "delete")
        for title, name, value in (
            ("an unknown sign", "cont_sign", UNKNOWN_SIGN),
            ("a picture not there", "image", picture(99)),
        )
    ),
    _call(
        Problem.ITEM_MISSING,
        "delete a list of unknown signs",
        "similar",
        "delete",
        cont_sign="1,2;3,4",
    ),
    Row(Problem.ITEM_EXISTS, "the same picture again", _already_there),
    *(
        _fetch(Problem.URL_ILLEGAL, title, url)
        for title, url in (
            ("ftp", "ftp://example.com/a.jpg"),
            ("file", "file:///etc/passwd"),
            ("no scheme", "example.com/a.jpg"),
            ("words", "not a url"),
            ("no host", "http:///a.jpg"),
            ("a private address", "http://10.0.0.1/a.jpg"),
            ("the cloud's metadata", "http://169.254.169.254/latest/meta-data/"),
            ("a password", "http://user:password@example.com/a.jpg"),
            ("a port of mail", "http://example.com:25/a.jpg"),
        )
    ),
    _fetch(Problem.URL_TIMEOUT, "a slow server", "/slow"),
    _fetch(Problem.URL_RESPONSE, "404", "/missing", "404"),
    _fetch(Problem.URL_RESPONSE, "an empty answer", "/empty"),
    _fetch(Problem.URL_RESPONSE, "nobody listens", _closed_port()),
    _fetch(Problem.URL_SIZE, "more than 4 MiB", "/large", str(4 << 20)),
    *(
        _call(Problem.BASE64, f"image is {image!r}", "similar", "search", image=image)
        for image in ("@@@@", "AAAAA", "图片", "<img src=a.png>", "AA=A")
    ),
    # Problem.OVERLOADED has a server, and a test, of its own below.
)


def check(answer: Answer, problem: Problem) -> None:
    """An error's envelope: these keys and no others."""
    facts = {"cont_sign"} if problem is Problem.ITEM_EXISTS else set()
    assert answer.get("error_code") == problem.code, answer
    assert set(answer) == {"error_code", "error_msg", "log_id"} | facts
    assert type(answer["error_code"]) is int
    assert type(answer["log_id"]) is int
    assert 0 < answer["log_id"] < 1 << 53
    assert re.match(re.escape(problem.message) + "(: .+)?$", answer["error_msg"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.problem.code}-{row.title}")
def test_the_code_is_reached_and_the_server_serves_on(place: Place, row: Row) -> None:
    answer = row.cause(place)
    check(answer, row.problem)
    assert row.word in answer["error_msg"]
    after = place.caller.call("similar", "search", image=PICTURE)
    assert after["result"][0]["brief"] == "the good one"


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Server]:
    """A server that takes one request at a time."""
    server = Server(tmp_path / "data", {"TUSOU_QUEUE": "1"})
    yield server
    server.stop()


def test_one_request_more_than_the_queue_holds_is_refused(narrow: Server) -> None:
    caller = narrow.caller("similar")
    path = f"{SERVICES['similar'].prefix}/search?access_token={caller.token}"
    headers = "Host: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n"
    host, port = narrow.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 60) as slow:
        slow.sendall(f"POST {path} HTTP/1.1\r\n{headers}\r\n".encode())
        assert slow.recv(4096).startswith(b"HTTP/1.1 100 ")  # it is inside, and keeps its body
        check(caller.call("similar", "delete"), Problem.OVERLOADED)
        check(caller.call("similar", "add", image="A" * (4 << 20)), Problem.OVERLOADED)
        slow.sendall(b"a=")
        with slow.makefile("rb") as answer:
            assert b'"error_code":216101' in answer.read()
    assert "cont_sign" in caller.call("similar", "add", image=PICTURE, brief="x")


def test_every_problem_is_reached_or_has_a_reason() -> None:
    reached = {row.problem for row in ROWS} | {Problem.OVERLOADED}
    reached |= {Problem.LIBRARY_EXISTS}  # by `signup` of the private interface
    assert reached | set(NOT_REACHED_YET) == set(Problem)
    assert not reached & set(NOT_REACHED_YET)
    stated = set(map(int, re.findall(r"\d+", (__doc__ or "").partition("\n\n")[2])))
    assert stated == {problem.code for problem in NOT_REACHED_YET}


ROUTES = [
    *(f"{service.prefix}/{operation}" for service in SERVICES.values() for operation in OPERATIONS),
    FEEDBACK,
]
MULTIPART = {"content-type": "multipart/form-data; boundary=a"}
JSON = {"content-type": "application/json"}
HOSTILE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no JSON": {"content": b'{"image": "', "headers": JSON},
    "JSON list": {"content": b"[]", "headers": JSON},
    "JSON of odd types": {
        "json": {
            name: {"a": [None]} for name in ("image", "url", "brief", "tags", "pn", "feedback")
        }
    },
    "JSON of half characters": {
        "content": json.dumps(dict.fromkeys(("image", "brief", "url", "feedback"), "\ud800")),
        "headers": JSON,
    },
    "JSON within JSON": {"data": {"feedback": json.dumps([{"text": "\ud800", "log_id": 2**70}])}},
    "no multipart": {"content": b"\0\xff", "headers": MULTIPART},
    "multipart without end": {
        "content": b'--a\r\nContent-Disposition: form-data; name="image"\r\n\r\n/9j/',
        "headers": MULTIPART,
    },
    "multipart of too many parts": {
        "content": b'--a\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 99 + b"--a--",
        "headers": MULTIPART,
    },
    "multipart in an odd alphabet": {
        "content": b'--a\r\nContent-Disposition: form-data; name="brief"\r\n\r\n-\x80\r\n--a--\r\n',
        "headers": {"content-type": "multipart/form-data; boundary=a; charset=punycode"},
    },
    "random bytes": {"content": np.random.default_rng(0).bytes(4000)},
    "random bytes as JSON": {"content": np.random.default_rng(1).bytes(400), "headers": JSON},
    "random picture": {"data": {"image": b64(np.random.default_rng(2).bytes(400)), "brief": "x"}},
    "compressed body": {"content": b"\x1f\x8b\x08\0", "headers": {"content-encoding": "gzip"}},
    "an odd media type": {"content": b"image=1", "headers": {"content-type": b"\xff;;=,"}},
}


@pytest.fixture(scope="module")
def log_ids() -> set[int]:
    """Those seen so far."""
    return set()


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_refuses_what_is_hostile_in_one_shape(
    place: Place, log_ids: set[int], path: str
) -> None:
    for token in (None, "24.bad", place.caller.token):
        for title, options in HOSTILE.items():
            response = _send(place.server.http, path, token, options)
            assert response.status_code == 200, title
            assert response.headers["content-type"] == "application/json; charset=utf-8"
            answer = response.json()
            assert isinstance(answer, dict)
            assert answer["log_id"] not in log_ids
            log_ids.add(answer["log_id"])
            assert answer.get("error_code") != Problem.UNKNOWN.code, (title, answer)
            if path == FEEDBACK and token == place.caller.token and "error_code" not in answer:
                continue  # plain words are welcome there
            assert set(answer) == {"error_code", "error_msg", "log_id"}, (title, answer)


def _send(
    http: httpx.Client, path: str, token: str | None, options: dict[str, Any]
) -> httpx.Response:
    query = {} if token is None else {"access_token": token}
    return http.post(path, params=query, **options)
