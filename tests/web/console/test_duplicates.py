"""The page of duplicates: its requests."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.console import Place, Visitor
from support.pictures import encoded, picture, scene


class Desk:
    """An owner before a library of same_hq."""

    def __init__(self, owner: Visitor, app_id: int) -> None:
        self.owner = owner
        self.path = f"/libraries/{app_id}/same_hq/duplicates"

    def get(self, path: str) -> Any:
        answer = self.owner.get(f"{self.path}{path}", headers={"accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def scan(self) -> dict[str, Any]:
        assert self.owner.post(f"{self.path}/scan").status_code == 200
        end = time.monotonic() + 60
        while time.monotonic() < end:
            scan: dict[str, Any] = self.get("/scan")
            if scan["state"] == "done":
                return scan
            time.sleep(0.1)
        raise AssertionError(scan)

    def groups(self) -> list[list[str]]:
        return [
            [group["best"]["brief"], *(other["brief"] for other in group["others"])]
            for group in self.get("/groups")["groups"]
        ]


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    """With two pictures that have a copy each, the whole first."""
    caller = place.server.caller("same_hq")
    for seed in (41, 42):
        caller.call("same_hq", "add", image=picture(seed), brief=f"whole {seed}")
        part = encoded(scene(seed)[10:310, 20:380], "JPEG", quality=60)
        caller.call("same_hq", "add", image=part, brief=f"part {seed}")
    owner = Visitor(place.server, "owner", [caller.app_id])
    yield Desk(owner, caller.app_id)
    owner.http.close()


def test_groups_are_found_decided_and_the_decisions_are_on_record(place: Place, desk: Desk) -> None:
    before = desk.get("/scan")
    assert (before["state"], before["fresh"]) == ("none", 4)
    done = desk.scan()
    assert (done["done"], done["total"], done["fresh"]) == (4, 4, 0)
    assert desk.groups() == [["whole 42", "part 42"], ["whole 41", "part 41"]]

    second, first = desk.get("/groups")["groups"]
    part = second["others"][0]["key"]
    kept = desk.owner.post(f"{desk.path}/{part}/keep").json()["group"]
    assert (kept["best"]["key"], kept["reason"]) == (part, "chosen")
    assert desk.owner.post(f"{desk.path}/{first['best']['key']}/different").status_code == 200
    assert desk.get(f"/{first['best']['key']}") == {"group": None}
    assert desk.groups() == [["part 42", "whole 42"]]

    answer = desk.owner.post(f"{desk.path}/{part}/delete", json={"keys": second["best"]["key"]})
    assert (answer.json()["act"], answer.json()["total"]) == ("delete", 1)
    assert desk.groups() == []  # it waits, and is not offered again meanwhile
    with place.server.office() as office:
        app_id = int(desk.path.split("/")[2])
        acts = [line.act for line in office.audit.list(app_id=app_id)]
    assert {"duplicates.scan", "duplicates.keep", "duplicates.part", "pictures.delete"} <= {*acts}


@pytest.mark.parametrize(
    ("act", "facts", "status"),
    [
        ("keep", {}, 404),
        ("different", {}, 404),
        ("delete", {}, 400),
        ("delete", {"keys": "a"}, 400),
        ("delete", {"keys": "1"}, 404),
    ],
)
def test_what_is_in_no_group_is_left_alone(
    place: Place, act: str, facts: dict[str, str], status: int
) -> None:
    answer = place.owner.post(f"{place.library}/duplicates/{place.key}/{act}", json=facts)
    assert answer.status_code == status, answer.text


def test_a_viewer_looks_and_is_offered_nothing_to_change(place: Place) -> None:
    page = place.viewer.get(f"{place.library}/duplicates").text
    assert '"mayChange": false' in page
    assert 'id="scan"' not in page
    assert 'id="scan"' in place.owner.get(f"{place.library}/duplicates?of=1").text
