"""Libraries made, resized, moved and given up through the native interface."""

import pytest

from support.native import PROBLEM, Ask, added, asking, ended
from support.pictures import picture
from support.server import Server


def test_a_library_waits_until_an_operator_grants_it(server: Server) -> None:
    caller = server.caller(libraries=False)
    ask = asking(caller)
    sent = {"service": "similar", "capacity": 7, "pack": "base"}
    waiting = ask("POST", "", json=sent)
    assert waiting.status_code == 202
    assert waiting.json() == {"state": "waiting", "service": "similar", "capacity": 7}
    assert ask("POST", "", json=sent).status_code == 409
    assert ask("GET", "/similar").status_code == 404
    with server.office() as office:
        (request,) = office.requests.waiting([caller.app_id])
        assert request.who == f"app {caller.app_id}"
        office.decide_capacity(request.id, True)
    made = ask("GET", "/similar").json()
    assert (made["capacity"], made["pack"].partition("@")[0]) == (7, "base")
    again = ask("POST", "", json=sent)
    assert (again.status_code, again.json().keys()) == (409, PROBLEM)


def test_a_library_is_resized_by_the_rules_of_the_console(server: Server) -> None:
    caller = server.caller("similar")
    ask = asking(caller)
    for seed in (1, 2):
        added(ask, "similar", picture(seed), "b")
    smaller = ask("PATCH", "/similar", json={"capacity": 2})
    assert (smaller.status_code, smaller.json()["capacity"]) == (200, 2)
    assert ask("PATCH", "/similar", json={"capacity": 1}).status_code == 400
    larger = ask("PATCH", "/similar", json={"capacity": 5})
    assert (larger.status_code, larger.json()["state"]) == (202, "waiting")
    with server.office() as office:
        (request,) = office.requests.waiting([caller.app_id])
        office.decide_capacity(request.id, True)
        acts = {entry.act: entry.who for entry in office.audit.list(caller.app_id)}
    assert ask("GET", "/similar").json()["capacity"] == 5
    assert acts["library.resize"] == acts["capacity.ask"] == f"app {caller.app_id}"


@pytest.fixture(scope="module")
def partly(server: Server) -> Ask:
    """Calls of an application with two services and a library for one of them."""
    caller = server.caller("similar", "same_hq", libraries=False)
    with server.office() as office:
        office.create_library(caller.app_id, "similar")
    return asking(caller)


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("POST", "", {}, 400),
        ("POST", "", {"service": "none"}, 404),
        ("POST", "", {"service": "product"}, 403),
        ("POST", "", {"service": "same_hq", "pack": "no-such"}, 400),
        ("POST", "", {"service": "same_hq", "capacity": 0}, 400),
        ("PATCH", "/similar", {}, 400),
        ("PATCH", "/similar", {"capacity": "many"}, 400),
        ("POST", "/similar/move", {}, 400),
        ("POST", "/similar/move", {"pack": "no-such"}, 400),
        ("POST", "/similar/move", {"pack": "similar"}, 400),
        ("POST", "/similar/rebuild", {"webhook": "ftp://example.com"}, 400),
        ("POST", "/similar/rebuild", {"webhook": "http://" + 1024 * "x"}, 400),
        ("GET", "/same_hq/stats", {}, 404),
        ("DELETE", "/same_hq", {}, 404),
    ],
)
def test_a_wrong_wish_is_refused(
    partly: Ask, method: str, path: str, sent: dict[str, object], status: int
) -> None:
    options = {} if method in ("GET", "DELETE") else {"json": sent}
    response = partly(method, path, **options)
    assert (response.status_code, response.json().keys()) == (status, PROBLEM), response.text


def test_a_library_is_told_in_figures(ask: Ask) -> None:
    empty = ask("GET", "/similar/stats").json()
    assert (empty["pictures"], empty["bytes"], empty["first_added"]) == (0, 0, None)
    files = [picture(seed) for seed in (1, 2, 3)]
    for file, tags in zip(files, ([7, 8], [8], []), strict=True):
        added(ask, "similar", file, "b", tags=tags)
    added(ask, "product", files[0], "b", class_id1=5, class_id2=6)
    stats = ask("GET", "/similar/stats").json()
    assert (stats["pictures"], stats["bytes"]) == (3, sum(map(len, files)))
    assert stats["classes"] == {"tags": {"8": 2, "7": 1}}
    assert stats["first_added"] <= stats["last_added"]
    assert stats["calls"].keys() == {"add", "search", "delete", "update"}
    assert ask("GET", "/product/stats").json()["classes"] == {
        "class_id1": {"5": 1},
        "class_id2": {"6": 1},
    }


def test_a_rebuilt_library_finds_what_it_found(ask: Ask) -> None:
    ids = [added(ask, "same_hq", picture(seed), "b") for seed in (1, 2)]
    task = ended(ask, ask("POST", "/same_hq/rebuild"))
    assert (task["kind"], task["state"], task["done"]) == ("rebuild", "done", 2)
    found = ask("POST", "/same_hq/search", json={"picture": ids[0]}).json()["results"]
    assert [row["id"] for row in found] == ids[:1]


def test_a_library_moves_to_another_pack_and_goes_on(ask: Ask) -> None:
    ids = [added(ask, "similar", picture(seed), "b") for seed in (1, 2)]
    task = ended(ask, ask("POST", "/similar/move", json={"pack": "base"}))
    assert (task["kind"], task["state"], task["done"], task["total"]) == ("move", "done", 2, 2)
    assert ask("GET", "/similar").json()["pack"].startswith("base@")
    found = ask("POST", "/similar/search", json={"picture": ids[1]}).json()["results"]
    assert found[0]["id"] == ids[1]


def test_a_library_that_is_given_up_is_gone_with_its_tasks(ask: Ask) -> None:
    added(ask, "materiel", picture(1), "b")
    accepted = ask("DELETE", "/materiel")
    assert (accepted.status_code, accepted.json()["kind"]) == (202, "release")
    path = accepted.headers["location"].removeprefix("/v1/libraries")
    for _ in range(200):
        if ask("GET", path).status_code == 404:
            break
    assert ask("GET", "/materiel").json()["title"] == "not initialized"
    assert "materiel" not in [row["service"] for row in ask("GET", "").json()["libraries"]]
