"""Libraries asked for, granted, enlarged, given up and kept in the console."""

import time

import pytest

from support.console import Place, Visit, Visitor
from support.server import Server
from tusou.errors import Problem, TusouError


def waiting(server: Server, app_id: int) -> list[int]:
    with server.office() as office:
        return [request.id for request in office.requests.waiting([app_id])]


def test_an_owner_asks_and_an_operator_grants(place: Place, visit: Visit) -> None:
    caller = place.server.caller("similar", libraries=False)
    owner = visit("owner", [caller.app_id])
    path = f"/libraries/{caller.app_id}/similar"
    assert "Apply for a library" in owner.get("/libraries").text
    assert owner.get(path).status_code == 404
    assert "capacity_asked" in owner.post(f"{path}/ask").headers["location"]
    assert owner.post(f"{path}/ask").status_code == 409
    assert "an operator decides" in owner.get("/libraries").text
    (number,) = waiting(place.server, caller.app_id)
    assert owner.name in place.operator.get("/libraries").text
    granted = place.operator.post(f"/requests/{number}", data={"granted": "yes"})
    assert granted.status_code == 303
    assert owner.get(path).status_code == 200
    assert place.operator.post(f"/requests/{number}", data={"granted": "yes"}).status_code == 404


def test_more_capacity_is_refused_or_granted(place: Place, visit: Visit) -> None:
    caller = place.server.caller("similar")
    owner = visit("owner", [caller.app_id])
    path = f"/libraries/{caller.app_id}/similar"
    with place.server.office() as office:
        before = office.registry.get(caller.app_id, "similar").capacity
    for granted, grown in (("no", 0), ("yes", 500_000)):
        owner.post(f"{path}/ask")
        (number,) = waiting(place.server, caller.app_id)
        place.operator.post(f"/requests/{number}", data={"granted": granted})
        with place.server.office() as office:
            assert office.registry.get(caller.app_id, "similar").capacity == before + grown


def test_what_an_operator_asks_for_is_granted_at_once(place: Place) -> None:
    caller = place.server.caller("similar", libraries=False)
    answer = place.operator.post(f"/libraries/{caller.app_id}/similar/ask")
    assert "capacity_granted" in answer.headers["location"]
    assert waiting(place.server, caller.app_id) == []


def test_a_service_that_is_not_ticked_gets_no_library(place: Place) -> None:
    answer = place.owner.post(f"/libraries/{place.caller.app_id}/materiel/ask")
    assert answer.status_code == 403
    nothing = place.owner.post(f"/libraries/{place.caller.app_id}/other/ask")
    assert nothing.status_code == 404


def test_the_page_shows_size_model_and_warnings(place: Place) -> None:
    page = place.owner.get("/libraries").text
    assert "base@1" in page
    assert "<strong>1</strong>" in page
    assert "Empty" in page
    chinese = place.owner.get("/libraries", headers={"accept-language": "zh"}).text
    assert "空图库" in chinese
    assert "申请建库" not in chinese


def test_a_release_needs_its_name_typed_and_can_be_undone(place: Place, visit: Visit) -> None:
    caller = place.server.caller("same_hq")
    owner = visit("owner", [caller.app_id])
    path = f"/libraries/{caller.app_id}/same_hq/release"
    assert owner.post(path, data={"typed": "all"}).status_code == 400
    assert owner.post(path, data={"typed": "same_hq"}).status_code == 303
    page = owner.get("/libraries").text
    assert "is being released" in page
    number = page.split("/release/")[1].partition("/")[0]
    assert "release_undone" in owner.post(f"{path}/{number}/keep").headers["location"]
    assert "is being released" not in owner.get("/libraries").text


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A server that grants at once and waits a second only."""
    data = tmp_path_factory.mktemp("hasty") / "data"
    server = Server(data, {"TUSOU_GRANT_CAPACITY": "true", "TUSOU_UNDO_SECONDS": "1"})
    yield server
    assert server.stop() == 0


def test_a_released_library_is_gone_and_can_be_asked_for_again(hasty: Server) -> None:
    from support.pictures import picture

    caller = hasty.caller("similar", libraries=False)
    owner = Visitor(hasty, "owner", [caller.app_id])
    path = f"/libraries/{caller.app_id}/similar"
    assert "capacity_granted" in owner.post(f"{path}/ask").headers["location"]
    for seed in range(3):
        caller.call("similar", "add", image=picture(seed), brief="x")
    owner.post(f"{path}/release", data={"typed": "similar"})
    end = time.monotonic() + 60
    while owner.get(path).status_code == 200 and time.monotonic() < end:
        time.sleep(0.1)
    assert owner.get(path).status_code == 404
    answer = caller.call("similar", "search", image=picture(0))
    assert answer["error_code"] == Problem.NO_LIBRARY.code
    assert not [path for path in (hasty.data / "blobs").rglob("*") if path.is_file()]
    owner.post(f"{path}/ask")
    assert caller.call("similar", "search", image=picture(0))["result_num"] == 0
    assert caller.call("similar", "add", image=picture(0), brief="x")["cont_sign"]
    owner.http.close()


def test_an_unknown_application_has_no_capacity(server: Server) -> None:
    with server.office() as office, pytest.raises(TusouError):
        office.ask_for_capacity(99999999, "similar", "nobody special", operates=True)
