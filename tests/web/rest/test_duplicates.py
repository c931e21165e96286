"""Duplicates by the native interface of a real server: looked for, listed, decided, deleted."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.pictures import encoded, picture, scene
from support.server import Caller, Server

SCAN = {"state", "total", "done", "not_compared", "asked", "ended", "problem"}


class Library:
    """A library of same_hq, called with a token."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._headers = {"authorization": f"Bearer {caller.token}"}

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        path = f"/v1/libraries/same_hq{path}"
        return self.caller.http.request(method, path, headers=self._headers, **options)

    def add(self, brief: str, image: bytes) -> int:
        answer = self.ask(
            "POST", "/pictures", files={"image": ("a.jpg", image)}, data={"brief": brief}
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def scan(self) -> dict[str, Any]:
        assert self.ask("POST", "/duplicates/scan").status_code == 202
        return self.wait()

    def wait(self) -> dict[str, Any]:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            scan: dict[str, Any] = self.ask("GET", "/duplicates/scan").json()
            if scan["state"] not in ("waiting", "running"):
                return scan
            time.sleep(0.1)
        raise AssertionError(scan)

    def groups(self) -> list[list[str]]:
        found = self.ask("GET", "/duplicates").json()["groups"]
        return [
            [group["best"]["brief"], *(other["brief"] for other in group["others"])]
            for group in found
        ]


def copy(seed: int, quality: int) -> bytes:
    return encoded(scene(seed)[10:310, 20:380], "JPEG", quality=quality)


@pytest.fixture
def library(caller: Caller) -> Library:
    return Library(caller)


@pytest.fixture
def filled(library: Library) -> dict[str, int]:
    """Numbers by brief: of a whole picture and two parts of it."""
    return {
        brief: library.add(brief, image)
        for brief, image in (
            ("whole", picture(11)),
            ("part", copy(11, 70)),
            ("bad part", copy(11, 30)),
        )
    }


@pytest.fixture(scope="module")
def alone(server: Server) -> tuple[Library, int]:
    """A library of one picture, and its number, for what changes nothing."""
    library = Library(server.caller("same_hq"))
    return library, library.add("alone", picture(31))


def test_copies_are_found_kept_and_deleted(library: Library, filled: dict[str, int]) -> None:
    library.add("else", picture(12))
    nothing = library.ask("GET", "/duplicates/scan").json()
    assert nothing.keys() == SCAN
    assert (nothing["state"], nothing["asked"]) == ("none", None)
    done = library.scan()
    assert (done["state"], done["total"], done["done"]) == ("done", 4, 4)
    page = library.ask("GET", "/duplicates").json()
    assert (page["total"], page["spare"], page["next"]) == (1, 2, None)
    assert library.groups() == [["whole", "part", "bad part"]]
    (group,) = page["groups"]
    assert group["reason"] == "larger"
    assert all(0.9 <= other["score"] <= 1 for other in group["others"])

    part, whole = filled["part"], filled["whole"]
    kept = library.ask("POST", f"/pictures/{part}/duplicates/keep").json()["group"]
    assert (kept["best"]["id"], kept["reason"]) == (part, "chosen")
    assert library.groups() == [["part", "whole", "bad part"]]

    path = f"/pictures/{part}/duplicates"
    gone = library.ask("DELETE", path, params={"pictures": f"{whole},{filled['bad part']}"})
    assert gone.json() == {"deleted": 2}
    assert library.groups() == []
    assert library.ask("GET", path).json() == {"group": None}
    assert library.ask("GET", f"/pictures/{whole}").status_code == 404
    assert library.scan()["total"] == 0


def test_what_is_not_the_same_is_never_grouped_again(
    library: Library, filled: dict[str, int]
) -> None:
    library.scan()
    path = f"/pictures/{filled['part']}/duplicates/different"
    only = library.ask("POST", path, json={"pictures": [filled["bad part"]]}).json()["group"]
    assert only["best"]["id"] == filled["whole"]  # its best is still the same
    assert library.ask("POST", path).json() == {"group": None}
    assert library.groups() == [["whole", "bad part"]]
    again = library.add("another part", copy(11, 50))
    assert library.scan()["total"] == 1
    (group,) = library.groups()
    assert set(group) == {"whole", "another part", "bad part"}
    assert library.ask("GET", f"/pictures/{again}/duplicates").json()["group"]


def test_a_long_list_is_read_page_by_page(library: Library) -> None:
    for seed in (21, 22):
        library.add(f"whole {seed}", picture(seed))
        library.add(f"part {seed}", copy(seed, 60))
    library.scan()
    seen, cursor = [], None
    while True:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = library.ask("GET", "/duplicates", params=query).json()
        seen += [group["best"]["brief"] for group in page["groups"]]
        assert (page["total"], page["spare"]) == (2, 2)
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["whole 22", "whole 21"]


def test_scans_asked_for_at_once_are_one(library: Library, filled: dict[str, int]) -> None:
    with ThreadPoolExecutor(4) as people:
        asked = list(people.map(lambda _: library.ask("POST", "/duplicates/scan"), range(4)))
    assert {answer.status_code for answer in asked} == {202}
    assert {answer.json()["total"] for answer in asked} <= {len(filled)}
    assert library.wait()["done"] == len(filled)
    assert library.groups() == [["whole", "part", "bad part"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/duplicates?limit=0", 400),
        ("GET", "/duplicates?cursor=x", 400),
        ("GET", "/pictures/9999999/duplicates", 404),
        ("POST", "/pictures/{id}/duplicates/keep", 404),
        ("POST", "/pictures/{id}/duplicates/different", 404),
        ("DELETE", "/pictures/{id}/duplicates", 400),
        ("DELETE", "/pictures/{id}/duplicates?pictures=a", 400),
        ("DELETE", "/pictures/{id}/duplicates?pictures=1", 404),
        ("DELETE", "/pictures/{id}/duplicates?pictures=" + ",".join(["1"] * 1001), 400),
    ],
)
def test_what_cannot_be_decided_is_told(
    alone: tuple[Library, int], method: str, path: str, status: int
) -> None:
    library, key = alone
    answer = library.ask(method, path.replace("{id}", str(key)))
    assert answer.status_code == status, answer.text
    assert library.ask("GET", f"/pictures/{key}").status_code == 200


def test_pictures_that_joined_the_group_meanwhile_are_not_deleted(
    library: Library, filled: dict[str, int]
) -> None:
    library.scan()
    late = library.add("late", copy(11, 50))
    library.scan()
    path = f"/pictures/{filled['whole']}/duplicates"
    wanted = f"{filled['part']},{filled['bad part']}"
    assert library.ask("DELETE", path, params={"pictures": wanted}).json() == {"deleted": 2}
    assert library.groups() == [["whole", "late"]]
    assert library.ask("GET", f"/pictures/{late}").status_code == 200
