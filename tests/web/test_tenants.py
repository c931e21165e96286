"""Applications on one server: whatever one calls, it reaches nothing of another."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from support import round_trip
from support.host import PictureHost
from support.server import Answer, Caller, Server
from tusou.errors import Problem
from tusou.services import OPERATIONS, SERVICES
from tusou.storage.tables import feedback

EVERY = pytest.mark.parametrize("service", SERVICES)


@dataclass
class Neighbours:
    """Two applications that may do all; one has a picture in every library."""

    owner: Caller
    other: Caller
    signs: dict[str, str]
    url: str


@pytest.fixture(scope="module")
def neighbours(open_server: Server) -> Any:
    owner, other = open_server.caller(), open_server.caller()
    signs = {
        service: owner.call(service, "add", image=round_trip.A, brief="the owner's")["cont_sign"]
        for service in SERVICES
    }
    with PictureHost(round_trip.PICTURES) as host:
        yield Neighbours(owner, other, signs, host.url("a.jpg"))


def _owners(place: Neighbours, service: str) -> list[Answer]:
    found = place.owner.call(service, "search", image=round_trip.A)
    return list(found["result"])


@EVERY
def test_no_call_reaches_the_picture_of_another(neighbours: Neighbours, service: str) -> None:
    place = neighbours
    before = _owners(place, service)
    assert [hit["brief"] for hit in before] == ["the owner's"]
    ways: tuple[dict[str, Any], ...] = (
        {"image": round_trip.A},
        {"url": place.url},
        {"cont_sign": place.signs[service]},
    )
    for way in ways:
        for operation in OPERATIONS:
            answer = place.other.call(service, operation, brief="another's", **way)
            if operation in ("delete", "update"):
                assert answer["error_code"] == Problem.ITEM_MISSING.code
            elif "cont_sign" in way:
                assert answer["error_code"] == Problem.MISSING_PARAM.code
            elif operation == "search":
                assert answer["result"] == []
            else:
                # The same picture is new to this library; its sign is that of its pixels.
                assert answer["cont_sign"] == place.signs[service]
                assert "error_code" not in answer
                place.other.call(service, "delete", image=round_trip.A)
            assert _owners(place, service) == before


@EVERY
def test_whoever_adds_the_same_picture_keeps_their_own_words(
    neighbours: Neighbours, service: str
) -> None:
    place = neighbours
    place.other.call(service, "add", image=round_trip.A, brief="another's")
    found = place.other.call(service, "search", image=round_trip.A)["result"]
    assert [hit["brief"] for hit in found] == ["another's"]
    place.other.call(service, "update", image=round_trip.A, brief="changed")
    assert [hit["brief"] for hit in _owners(place, service)] == ["the owner's"]
    place.other.call(service, "delete", cont_sign=place.signs[service])
    assert [hit["brief"] for hit in _owners(place, service)] == ["the owner's"]


def test_a_report_says_nothing_of_anothers_search(
    neighbours: Neighbours, open_server: Server
) -> None:
    search = neighbours.owner.call("similar", "search", image=round_trip.A)
    path = "/rpc/2.0/feedback/v1/report"
    for caller in (neighbours.other, neighbours.owner):
        answer = caller.post(path, data={"feedback": f'{{"log_id": {search["log_id"]}}}'})
        assert set(answer) == {"log_id"}
    with open_server.office() as office, office.database.read() as connection:
        rows = connection.execute(
            select(feedback.c.app_id, feedback.c.sign, feedback.c.score).where(
                feedback.c.log_id == search["log_id"]
            )
        ).all()
    (others,) = [row for row in rows if row.app_id == neighbours.other.app_id]
    (owners,) = [row for row in rows if row.app_id == neighbours.owner.app_id]
    assert (others.sign, others.score) == (None, None)
    assert owners.sign is not None


@EVERY
def test_a_quota_used_up_is_nobody_elses(open_server: Server, service: str) -> None:
    greedy, other = open_server.caller(service), open_server.caller(service)
    with open_server.office() as office:
        for caller in (greedy, other):
            for operation in OPERATIONS:
                office.apps.set_limits(caller.app_id, service, operation, {"daily": 1})
    for operation in OPERATIONS:
        codes = [greedy.call(service, operation).get("error_code") for _ in range(3)]
        assert codes == [Problem.MISSING_PARAM.code] + [Problem.DAILY_LIMIT.code] * 2
        assert other.call(service, operation)["error_code"] == Problem.MISSING_PARAM.code
