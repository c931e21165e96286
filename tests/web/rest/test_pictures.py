"""Many pictures in one call of the native interface: added, found, changed, deleted."""

import json
from typing import Any

import pytest

from support.native import PICTURE, PROBLEM, Ask, added, asking, ended
from support.pictures import picture
from support.server import Caller, Server, b64

FILES = [picture(seed, 120, 100) for seed in range(10, 16)]


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"image": b64(FILES[number]), "brief": f"p {number}", **more}


def test_one_bad_picture_of_a_batch_stops_no_other(
    server: Server, caller: Caller, ask: Ask
) -> None:
    rows = [row(0, tags=[1, 2]), {"image": "!", "brief": "b"}, 5, {"brief": "b"}, row(1), row(0)]
    results = ask("POST", "/similar/pictures/batch", json={"pictures": rows}).json()["results"]
    statuses = [result["status"] for result in results]
    assert statuses[1:5] == [400, 400, 400, 201]
    assert sorted([statuses[0], statuses[5]]) == [201, 409]  # the same one twice
    assert results[4]["picture"].keys() == PICTURE
    assert results[1]["problem"].keys() == PROBLEM
    assert ask("GET", "/similar").json()["size"] == 2
    with server.office() as office:
        office.apps.set_limits(caller.app_id, "similar", "add", {"daily": 7})
    results = ask("POST", "/similar/pictures/batch", json={"pictures": [row(2), row(3)]}).json()
    # Six were charged before, each by itself.
    assert sorted(result["status"] for result in results["results"]) == [201, 429]


def test_a_batch_has_a_hundred_pictures_and_16_mib_at_most(ask: Ask) -> None:
    rows = [{"image": b64(bytes(120 << 10)), "brief": "no picture"}] * 99 + [row(0)]
    body = json.dumps({"pictures": rows}).encode().ljust(16 << 20)
    assert len(body) == 16 << 20
    headers = {"content-type": "application/json"}
    response = ask("POST", "/similar/pictures/batch", content=body, headers=headers)
    statuses = [result["status"] for result in response.json()["results"]]
    assert statuses == [*[400] * 99, 201]
    response = ask("POST", "/similar/pictures/batch", content=body + b" ", headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (400, 216202)


@pytest.mark.parametrize("path", ["pictures/batch", "compare"])
def test_lists_within_lists_are_not_unpacked_whatever_brings_them(ask: Ask, path: str) -> None:
    many = f"[{'[],' * 60_000}[]]"
    sent = dict.fromkeys(("pictures", "first", "second"), many)
    parts = {name: (None, text) for name, text in sent.items()}
    for form in ({"json": sent}, {"data": sent}, {"files": parts}):
        response = ask("POST", f"/similar/{path}", **form)
        assert response.status_code == 400, response.text
        assert "over 100000 values" in response.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 400),
        ({"pictures": []}, 400),
        ({"pictures": {}}, 400),
        ({"pictures": "["}, 400),
        ({"pictures": [{}] * 101}, 400),
    ],
)
def test_what_is_no_batch_is_refused(ask: Ask, sent: dict[str, Any], status: int) -> None:
    response = ask("POST", "/similar/pictures/batch", json=sent)
    assert (response.status_code, response.json().keys()) == (status, PROBLEM)


def test_whether_a_picture_is_there_is_told_without_adding_it(ask: Ask) -> None:
    number = added(ask, "similar", FILES[0], "b")
    there = ask("POST", "/similar/pictures/exists", json={"image": b64(FILES[0])}).json()
    assert (there["exists"], there["picture"]["id"]) == (True, number)
    signed = {"cont_sign": there["cont_sign"]}
    assert ask("POST", "/similar/pictures/exists", json=signed).json() == there
    absent = ask("POST", "/similar/pictures/exists", files={"image": ("a.jpg", FILES[1])}).json()
    assert (absent["exists"], absent["picture"]) == (False, None)
    assert ask("GET", "/similar").json()["size"] == 1
    for wrong in ({}, {"cont_sign": "1"}, {"image": "!"}):
        assert ask("POST", "/similar/pictures/exists", json=wrong).status_code == 400


@pytest.fixture(scope="module")
def filled(server: Server) -> Ask:
    """A library of six pictures; those of odd numbers have class 7."""
    ask = asking(server.caller("similar"))
    rows = [row(number, tags=[7 if number % 2 else 8]) for number in range(6)]
    results = ask("POST", "/similar/pictures/batch", json={"pictures": rows}).json()["results"]
    assert {result["status"] for result in results} == {201}
    return ask


def briefs(ask: Ask, expression: str) -> set[str]:
    page = ask("GET", "/similar/pictures", params={"filter": expression}).json()
    return {picture["brief"][2:] for picture in page["pictures"]}


def test_a_list_keeps_to_a_filter(filled: Ask) -> None:
    assert briefs(filled, "tags = 7") == {"1", "3", "5"}
    assert briefs(filled, 'not tags = 7 and (brief contains "0" or brief = "p 2")') == {"0", "2"}
    assert briefs(filled, "created < 2020-01-01") == set()
    wrong = filled("GET", "/similar/pictures", params={"filter": "tags ="})
    assert wrong.status_code == 400
    assert "letter 7" in wrong.json()["detail"]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("delete", {}),
        ("delete", {"ids": []}),
        ("delete", {"ids": ["x"]}),
        ("delete", {"ids": [-1]}),
        ("delete", {"ids": list(range(10_001))}),
        ("delete", {"filter": "("}),
        ("delete", {"filter": "id > 0", "webhook": "file:///etc"}),
        ("retag", {"ids": [1]}),
        ("retag", {"ids": [1], "new_tags": [70000]}),
        ("retag", {"ids": [1], "new_tags": "x"}),
    ],
)
def test_a_change_of_many_that_is_not_clear_is_refused(
    filled: Ask, path: str, sent: dict[str, Any]
) -> None:
    response = filled("POST", f"/similar/pictures/{path}", json=sent)
    assert (response.status_code, response.json().keys()) == (400, PROBLEM)
    assert filled("GET", "/similar").json()["size"] == 6


def test_pictures_are_retagged_and_deleted_by_filter_and_by_ids(filled: Ask) -> None:
    sent: dict[str, Any] = {"filter": "tags = 7", "new_tags": [9, 10]}
    task = ended(filled, filled("POST", "/similar/pictures/retag", json=sent))
    assert (task["kind"], task["state"], task["done"], task["total"]) == ("retag", "done", 3, 3)
    assert briefs(filled, "tags = 10") == {"1", "3", "5"}
    page = filled("GET", "/similar/pictures", params={"tags": 8}).json()["pictures"]
    first = {"ids": [page[0]["id"]]}
    assert ended(filled, filled("POST", "/similar/pictures/delete", json=first))["done"] == 1
    sent = {"filter": "tags = 8 or id = 0"}
    assert ended(filled, filled("POST", "/similar/pictures/delete", json=sent))["done"] == 2
    assert filled("GET", "/similar").json()["size"] == 3
    nothing = filled("POST", "/similar/pictures/delete", json=sent)
    assert (nothing.status_code, nothing.json()["detail"]) == (404, "no picture is meant")
