"""Tasks of the native interface: imports, exports, their files, and who is told of their end."""

import base64
import hashlib
import hmac
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest

from support.host import PictureHost
from support.native import PROBLEM, Ask, added, asking, ended
from support.pictures import picture
from support.server import Caller, Server, b64

FILES = {f"{seed}.jpg": picture(seed, 120, 100) for seed in range(60, 66)}
LINES = {"content-type": "application/x-ndjson"}
TAR = {"content-type": "application/x-tar"}


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    with PictureHost(FILES) as host:
        yield host


@pytest.fixture
def owner(open_server: Server) -> Caller:
    return open_server.caller("similar", "product")


@pytest.fixture
def near(owner: Caller) -> Ask:
    """Calls of a server that may fetch from this machine."""
    return asking(owner)


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def archive(mode: Literal["w:", "w:gz"] = "w:") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:
        for name, data in FILES.items():
            member = tarfile.TarInfo(f"shoes/{name}")
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def rows_of(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def test_json_lines_are_brought_in_and_what_is_not_is_told(near: Ask, host: PictureHost) -> None:
    body = lines(
        {"url": host.url("60.jpg"), "brief": "sixty", "tags": [5]},
        {"url": host.url("61.jpg")},
        {"image": b64(FILES["62.jpg"]), "brief": "sent"},
        {"url": host.url("gone.jpg"), "brief": "b"},
        {"file": "/etc/passwd", "brief": "b"},
        {"image": "!", "brief": "b"},
        {"url": host.url("63.jpg"), "brief": "b", "tags": [99999]},
        7,
    )
    query = {"brief": "$name of us", "tags": "8,9"}
    accepted = near("POST", "/similar/import", content=body, headers=LINES, params=query)
    task = ended(near, accepted)
    assert (task["state"], task["done"], task["total"], task["failed"]) == ("done", 8, 8, 5)
    page = near("GET", "/similar/pictures", params={"order": "oldest"}).json()["pictures"]
    assert {(row["brief"], *row["classes"]) for row in page} == {
        ("sixty", 5, 0),
        ("61.jpg of us", 8, 9),
        ("sent", 8, 9),
    }
    errors = rows_of(near("GET", f"/similar/tasks/{task['id']}/errors"))
    assert {row["picture"] for row in errors} == {
        host.url("gone.jpg"),
        host.url("63.jpg"),
        *("row 5", "row 6", "row 8"),
    }
    assert "no image and no url" in json.dumps(errors)


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
def test_an_archive_is_brought_in(near: Ask, mode: Literal["w:", "w:gz"]) -> None:
    accepted = near("POST", "/similar/import", content=archive(mode), headers=TAR)
    task = ended(near, accepted)
    assert (task["state"], task["done"], task["failed"]) == ("done", 6, 0)
    page = near("GET", "/similar/pictures").json()["pictures"]
    assert {row["brief"] for row in page} == {f"shoes/{name}" for name in FILES}
    assert near("GET", f"/similar/tasks/{task['id']}/errors").text == ""
    again = ended(near, near("POST", "/similar/import", content=archive(), headers=TAR))
    assert (again["done"], again["failed"]) == (6, 0)  # they are there
    assert near("GET", "/similar").json()["size"] == 6


def test_a_manifest_is_fetched_and_its_end_is_told(owner: Caller, near: Ask) -> None:
    pages = dict(FILES)
    with PictureHost(pages) as host:
        pages["list.jsonl"] = lines(*({"url": host.url(name), "brief": "b"} for name in FILES))
        sent = {"manifest": host.url("list.jsonl"), "webhook": host.url("hook"), "tags": [3]}
        task = ended(near, near("POST", "/similar/import", json=sent))
        assert (task["state"], task["done"], task["failed"]) == ("done", 6, 0)
        headers, body = host.posted.get(timeout=30)
        assert json.loads(body) == {**task, "service": "similar"}
        moment = headers["X-Tusou-Timestamp"]
        made = hmac.new(owner.secret_key.encode(), f"{moment}.".encode() + body, hashlib.sha256)
        assert headers["X-Tusou-Signature"] == f"sha256={made.hexdigest()}"


def test_nobody_in_the_servers_own_network_is_told_or_asked(ask: Ask) -> None:
    with PictureHost({"list.jsonl": lines({"url": "http://127.0.0.1/"})}) as host:
        sent = {"manifest": host.url("list.jsonl"), "webhook": host.url("hook")}
        task = ended(ask, ask("POST", "/similar/import", json=sent))
        assert task["state"] == "failed"
        assert "address is refused" in task["problem"]
        ended(ask, ask("POST", "/similar/rebuild", json={"webhook": host.url("hook")}))
        assert host.posted.empty()


def test_an_import_is_charged_and_ends_where_the_quota_does(
    open_server: Server, owner: Caller, near: Ask
) -> None:
    with open_server.office() as office:
        office.apps.set_limits(owner.app_id, "similar", "add", {"daily": 2})
    task = ended(near, near("POST", "/similar/import", content=archive(), headers=TAR))
    assert task["state"] == "failed"
    assert "daily request limit" in task["problem"]
    assert near("GET", "/similar").json()["size"] == 2


def test_an_export_has_a_line_for_each_picture_that_is_meant(near: Ask) -> None:
    for seed in range(60, 64):
        added(near, "product", picture(seed, 320, 300), f"{seed}", class_id1=seed)
    sent = {"filter": "class_id1 in (60, 61)", "features": True}
    task = ended(near, near("POST", "/product/export", json=sent))
    assert (task["state"], task["done"], task["total"]) == ("done", 2, 2)
    assert task["has_file"] is True
    response = near("GET", f"/product/tasks/{task['id']}/file")
    assert response.headers["content-type"] == "application/x-ndjson"
    rows = rows_of(response)
    assert [(row["brief"], row["class_id1"]) for row in rows] == [("60", 60), ("61", 61)]
    assert len(base64.b64decode(rows[0]["vector"])) % 2 == 0
    plain = ended(near, near("POST", "/product/export"))
    rows = rows_of(near("GET", f"/product/tasks/{plain['id']}/file"))
    assert len(rows) == 4
    assert "vector" not in rows[0]


def test_nobody_sees_or_stops_the_tasks_of_others(open_server: Server, near: Ask) -> None:
    task = ended(near, near("POST", "/similar/export"))
    other = asking(open_server.caller("similar"))
    for path in ("", "/errors", "/file"):
        assert other("GET", f"/similar/tasks/{task['id']}{path}").status_code == 404
    assert other("POST", f"/similar/tasks/{task['id']}/cancel").status_code == 404
    assert near("GET", f"/product/tasks/{task['id']}").status_code == 404
    assert other("GET", "/similar/tasks").json()["tasks"] == []


def test_tasks_are_listed_the_newest_first(near: Ask) -> None:
    numbers = [ended(near, near("POST", "/similar/export"))["id"] for _ in range(3)]
    page = near("GET", "/similar/tasks", params={"limit": 2}).json()
    assert [task["id"] for task in page["tasks"]] == numbers[:0:-1]
    rest = near("GET", "/similar/tasks", params={"limit": 2, "cursor": page["next"]}).json()
    assert ([task["id"] for task in rest["tasks"]], rest["next"]) == (numbers[:1], None)


def test_a_task_is_called_off_and_its_pictures_stay(near: Ask, open_server: Server) -> None:
    several = lines(*({"image": b64(picture(seed, 120, 100)), "brief": "b"} for seed in range(300)))
    accepted = near("POST", "/similar/import", content=several, headers=LINES)
    number = accepted.json()["id"]
    while not near("GET", f"/similar/tasks/{number}").json()["done"]:
        pass
    told = near("POST", f"/similar/tasks/{number}/cancel").json()
    assert told["state"] == "canceled"
    assert near("POST", f"/similar/tasks/{number}/cancel").status_code == 409
    # The next task of the library begins when the one before has let go.
    ended(near, near("POST", "/similar/rebuild"))
    size = near("GET", "/similar").json()["size"]
    assert 0 < size < 300
    sent = open_server.data / "tasks"
    assert not list(sent.glob("*.sent"))


def test_many_imports_and_deletes_at_once_leave_a_library_whole(near: Ask) -> None:
    def work() -> None:
        accepted.append(near("POST", "/similar/import", content=archive(), headers=TAR))
        near("POST", "/similar/pictures/delete", json={"filter": "id > 0"})

    accepted: list[httpx.Response] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {ended(near, each)["state"] for each in accepted} == {"done"}
    for task in near("GET", "/similar/tasks").json()["tasks"]:
        path = f"/v1/libraries/similar/tasks/{task['id']}"
        ended(near, httpx.Response(202, headers={"location": path}))
    listed = near("GET", "/similar/pictures").json()["pictures"]
    assert near("GET", "/similar").json()["size"] == len(listed) <= 6
    sent = {"image": b64(FILES["60.jpg"]), "limit": 100}
    found = near("POST", "/similar/search", json=sent).json()["results"]
    assert {row["id"] for row in found} == {row["id"] for row in listed}


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("import", {"json": {}}, 400),
        ("import", {"content": b""}, 400),
        ("import", {"content": b"", "headers": TAR}, 400),
        ("import", {"json": {"manifest": "file:///etc/passwd"}}, 400),
        ("import", {"json": {"manifest": "http://example.com", "brief": "$"}}, 400),
        ("import", {"json": {"manifest": "http://example.com", "tags": "x"}}, 400),
        ("import", {"content": b"x", "headers": TAR, "params": {"webhook": "gopher://x"}}, 400),
        ("export", {"json": {"filter": "cat"}}, 400),
        ("export", {"json": {"features": "maybe"}}, 400),
        ("tasks/999999/cancel", {}, 404),
    ],
)
def test_a_wrong_task_is_refused(ask: Ask, path: str, sent: dict[str, Any], status: int) -> None:
    response = ask("POST", f"/similar/{path}", **sent)
    assert (response.status_code, response.json().keys()) == (status, PROBLEM), response.text


@pytest.mark.parametrize("path", ["999999", "x", "0", "999999/errors", "999999/file"])
def test_a_task_that_is_not_there_is_not_found(ask: Ask, path: str) -> None:
    response = ask("GET", f"/similar/tasks/{path}")
    assert (response.status_code, response.json().keys()) == (404, PROBLEM)


@pytest.mark.parametrize("body", [b"\x1f\x8b broken", b"no archive at all"])
def test_a_broken_file_fails_and_names_no_place_of_the_server(ask: Ask, body: bytes) -> None:
    task = ended(ask, ask("POST", "/similar/import", content=body, headers=TAR))
    assert task["state"] == "failed"
    assert task["problem"].startswith("the file cannot be read")
