"""When a call is tried again and when not, without any server: the steps are driven by hand."""

import json
import pickle
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from tusou.client import calls
from tusou.client.call import Call
from tusou.client.exchange import Exchange, Pause, Renew, Reply, Retries, Send
from tusou.client.problems import (
    BadRequest,
    ClientError,
    Conflict,
    LibraryFull,
    LimitReached,
    NotFound,
    NotUnderstood,
    PictureExists,
    Rejected,
    StillRunning,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
    rejection,
)
from tusou.client.reports import Task
from tusou.errors import Problem
from tusou.web.rest import shapes
from tusou.web.statuses import status_of

OK = httpx.Response(200, json={"libraries": []})
GRANT = httpx.Response(200, json={"access_token": "t1", "expires_in": 2592000})

TASK = shapes.example(shapes.TASK)
STATES = ("running", "done")


def problem(row: Problem, headers: dict[str, str] | None = None, **facts: Any) -> httpx.Response:
    told = {
        "type": row.urn,
        "title": row.message,
        "status": status_of(row),
        "detail": "",
        "error_code": row.code,
        "log_id": 1,
        **facts,
    }
    kind = {"content-type": "application/problem+json", **(headers or {})}
    return httpx.Response(status_of(row), headers=kind, content=json.dumps(told).encode())


class Drive:
    """Drives calls with replies made ready, and notes the steps that they asked for."""

    def __init__(self, replies: Sequence[Reply], retries: int = 3) -> None:
        self.exchange = Exchange("k", "s", "http://h:1", Retries(retries, draw=lambda: 1.0))
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        self.renewals = 0
        self._replies = iter(replies)

    def call(self, call: Call[Any]) -> Any:
        return self._drive(self.exchange.steps(call))

    def _drive(self, steps: Any) -> Any:
        reply: Reply = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                return end.value
            reply = None
            match step:
                case Send():
                    self.sent.append(step)
                    reply = next(self._replies)
                    if isinstance(reply, httpx.Response):
                        reply.request = httpx.Request(step.method, step.url)
                case Pause(seconds):
                    self.pauses.append(seconds)
                case Renew(stale):
                    self.renewals += 1
                    self._drive(self.exchange.renewal(stale))


def test_a_token_is_got_once_and_renewed_when_it_is_stale() -> None:
    second = httpx.Response(200, json={"access_token": "t2", "expires_in": 100})
    drive = Drive([GRANT, OK, OK, problem(Problem.TOKEN_INVALID), second, OK])
    for _ in range(3):
        drive.call(calls.libraries())
    assert drive.renewals == 2
    tokens = [send.headers.get("authorization") for send in drive.sent]
    assert tokens == [None, *["Bearer t1"] * 3, None, "Bearer t2"]
    assert "s" not in drive.sent[0].url.split("/")  # the secret is not in the address


def test_a_call_that_comes_late_to_a_renewal_finds_it_done() -> None:
    drive = Drive([GRANT, OK])
    drive.call(calls.libraries())
    assert drive._drive(drive.exchange.renewal("")) is None  # nothing more was sent
    assert len(drive.sent) == 2


def test_a_token_that_is_stale_again_at_once_is_told() -> None:
    stale = problem(Problem.TOKEN_EXPIRED)
    drive = Drive([GRANT, stale, GRANT, stale])
    with pytest.raises(Unauthorized):
        drive.call(calls.libraries())


@pytest.mark.parametrize("row", [Problem.UNAVAILABLE, Problem.OVERLOADED, Problem.QPS_LIMIT])
def test_what_passes_is_tried_again_with_doubled_pauses(row: Problem) -> None:
    drive = Drive([GRANT, problem(row), problem(row), problem(row), OK])
    assert drive.call(calls.libraries()) == []
    assert drive.pauses == [0.25, 0.5, 1.0]


def test_pauses_are_drawn_by_lot_from_half_upwards() -> None:
    assert Retries(draw=lambda: 0.0).pause(1, None) == 0.25
    assert Retries(draw=lambda: 1.0).pause(1, None) == 0.5
    assert Retries(times=30, draw=lambda: 1.0).pause(20, None) == 20.0


@pytest.mark.parametrize(
    ("asked", "pause"),
    [("2", 2.25), (formatdate(0, usegmt=True), 0.25), ("soon", 0.25)],
)
def test_a_server_that_names_a_pause_gets_it(asked: str, pause: float) -> None:
    busy = problem(Problem.QPS_LIMIT, {"retry-after": asked})
    drive = Drive([GRANT, busy, OK])
    drive.call(calls.libraries())
    assert drive.pauses == [pause]


def test_after_the_last_try_the_servers_own_words_are_told() -> None:
    drive = Drive([GRANT, *[problem(Problem.UNAVAILABLE)] * 3], retries=2)
    with pytest.raises(Unavailable) as told:
        drive.call(calls.libraries())
    assert told.value.code == Problem.UNAVAILABLE.code
    assert len(drive.pauses) == 2


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (Problem.DAILY_LIMIT, LimitReached),
        (Problem.TOTAL_LIMIT, LimitReached),
        (Problem.MODULE_CLOSED, Unavailable),
        (Problem.LIBRARY_FULL, LibraryFull),
        (Problem.IMAGE_FORMAT, BadRequest),
    ],
)
def test_what_no_waiting_changes_is_told_at_once(row: Problem, kind: type[Rejected]) -> None:
    drive = Drive([GRANT, problem(row)])
    with pytest.raises(kind):
        drive.call(calls.add("similar", b"x", "b"))
    assert drive.pauses == []


@pytest.mark.parametrize("row", Problem)
def test_every_problem_has_an_exception_of_its_status(row: Problem) -> None:
    facts = json.loads(problem(row).content)
    error = rejection(facts)
    assert type(error) is not Rejected
    assert (error.status, error.code) == (status_of(row), row.code)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.ConnectTimeout("slow"), TimedOut),
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.RemoteProtocolError("gone"), Unreachable),
        (httpx.DecodingError("odd"), Unreachable),
    ],
)
def test_every_error_of_the_way_becomes_one_of_ours(
    fault: httpx.RequestError, kind: type[ClientError]
) -> None:
    drive = Drive([GRANT, fault, fault], retries=1)
    with pytest.raises(kind) as told:
        drive.call(calls.libraries())
    assert told.value.__cause__ is fault


def test_an_add_that_never_left_is_no_lost_add() -> None:
    there = problem(Problem.ITEM_EXISTS, id=5, cont_sign="1,2")
    drive = Drive([GRANT, httpx.ConnectError("refused"), there])
    with pytest.raises(PictureExists):
        drive.call(calls.add("similar", b"x", "b"))


def test_a_lost_add_is_remembered_while_the_token_is_renewed() -> None:
    row = {
        **{"id": 5, "cont_sign": "1,2", "brief": "b", "classes": [1, 0], "width": 1, "height": 1},
        **{"bytes": 1, "media_type": "image/png", "has_file": True},
        **dict.fromkeys(("created", "updated"), "2026-11-22T12:00:00Z"),
    }
    replies: list[Reply] = [
        *(GRANT, httpx.ReadError("lost"), problem(Problem.TOKEN_EXPIRED), GRANT),
        *(problem(Problem.ITEM_EXISTS, id=5, cont_sign="1,2"), httpx.Response(200, json=row)),
    ]
    assert Drive(replies).call(calls.add("similar", b"x", "b", tags="1")).id == 5
    with pytest.raises(PictureExists):  # the same with other classes is someone else's
        Drive(replies).call(calls.add("similar", b"x", "b", tags="2"))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"libraries": [{}]}),
        httpx.Response(404, json={"error": 1}),
        httpx.Response(400, headers={"content-type": "application/problem+json"}, content=b"{}"),
        httpx.Response(302, headers={"location": "/"}),
    ],
)
def test_what_is_no_answer_of_this_server_is_told_as_such(answer: httpx.Response) -> None:
    with pytest.raises(NotUnderstood, match=r"h answered \d+"):
        Drive([GRANT, answer]).call(calls.libraries())


def test_fields_are_sent_as_the_server_reads_them() -> None:
    call = calls.search("similar", picture=3, threshold=1e-7, tags=(1, 2), limit=5)
    assert call.body.fields == {
        "picture": "3",
        "threshold": "0.0000001",
        "tags": "1,2",
        "limit": "5",
    }
    assert calls.library("a/b c").path == "/v1/libraries/a%2Fb%20c"


def test_what_may_be_under_way_is_not_sent_twice() -> None:
    drive = Drive([GRANT, httpx.ReadError("lost")])
    with pytest.raises(Unreachable):
        drive.call(calls.export("similar"))
    assert drive.pauses == []
    task = httpx.Response(202, json=TASK)
    busy = problem(Problem.OVERLOADED)
    drive = Drive([GRANT, httpx.ConnectError("refused"), busy, task])  # it never began
    assert drive.call(calls.export("similar")).id == 5
    assert len(drive.pauses) == 2


def test_what_is_waited_for_is_asked_for_ever_more_rarely() -> None:
    running, done = (httpx.Response(200, json=TASK | {"state": state}) for state in STATES)
    drive = Drive([GRANT, *[running] * 14, done])
    assert drive.call(calls.wait("similar", 5)).state == "done"
    assert drive.pauses[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert drive.pauses[-3:] == [5.0] * 3
    drive = Drive([GRANT, running, running])
    with pytest.raises(StillRunning, match="running") as told:
        drive.call(calls.wait("similar", 5, timeout=0))
    assert pickle.loads(pickle.dumps(told.value)).last.id == 5


def test_nobody_waits_for_a_scan_that_cannot_go_on() -> None:
    scan = shapes.example(shapes.SCAN)
    running, held = (httpx.Response(200, json=scan | {"problem": why}) for why in (None, "full"))
    drive = Drive([GRANT, running, held])
    assert drive.call(calls.wait_for_scan("similar")).problem == "full"
    assert len(drive.pauses) == 1


def test_a_release_is_over_when_the_library_is_gone() -> None:
    gone = problem(Problem.NO_LIBRARY)
    release = Task.read(TASK | {"kind": "release"})
    assert Drive([GRANT, gone]).call(calls.wait("similar", release)).state == "done"
    for other in (5, Task.read(TASK)):
        with pytest.raises(NotFound):
            Drive([GRANT, gone]).call(calls.wait("similar", other))


def test_a_task_that_was_called_off_when_the_answer_was_lost_is_called_off() -> None:
    lost, over = httpx.ReadError("lost"), problem(Problem.ITEM_EXISTS)
    canceled, done = (httpx.Response(200, json=TASK | {"state": s}) for s in ("canceled", "done"))
    assert Drive([GRANT, lost, over, canceled]).call(calls.cancel_task("similar", 5)).is_over
    with pytest.raises(Conflict):
        Drive([GRANT, lost, over, done]).call(calls.cancel_task("similar", 5))
    with pytest.raises(Conflict):
        Drive([GRANT, over]).call(calls.cancel_task("similar", 5))
