"""Metering seen from outside: a real server, killed and stopped, and the counts it leaves."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.pictures import picture
from support.server import Caller, Server
from tusou.accounts.calendar import Calendar
from tusou.accounts.statistics import totals
from tusou.errors import Problem
from tusou.services import SERVICES

Counts = dict[tuple[str, str, int], int]


def _counts(server: Server, app_id: int) -> Counts:
    """What is stored of an application, whatever the hour."""
    with server.office() as office:
        rows = totals(office.database, 0, 1 << 40, "month", Calendar(0), app_id)
    found: Counts = {}
    for row in rows:
        key = (row.service, row.operation, row.code)
        found[key] = found.get(key, 0) + row.calls
    return found


def _wait_for(server: Server, app_id: int, enough: Callable[[Counts], bool]) -> Counts:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if enough(found := _counts(server, app_id)):
            return found
        time.sleep(0.02)
    raise AssertionError(f"only {_counts(server, app_id)}")


def _delete(caller: Caller, times: int) -> None:
    for _ in range(times):
        answer = caller.call("similar", "delete", cont_sign="1,2")
        assert answer["error_code"] == Problem.ITEM_MISSING.code


MISSING = ("similar", "delete", Problem.ITEM_MISSING.code)


def test_a_killed_server_loses_a_second_at_most_and_counts_nothing_twice(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    caller = server.caller("similar")
    try:
        _delete(caller, 40)
        started = time.monotonic()
        _wait_for(server, caller.app_id, lambda counts: counts.get(MISSING) == 40)
        assert time.monotonic() - started < 10  # a second, and what a busy machine adds
        _delete(caller, 30)
    finally:
        server.kill()
    kept = _counts(server, caller.app_id)[MISSING]
    assert 40 <= kept <= 70

    server = Server(tmp_path / "data")
    token = server.token(caller.api_key, caller.secret_key)
    caller = Caller(server.http, caller.app_id, caller.api_key, caller.secret_key, token)
    _delete(caller, 5)
    assert server.stop() == 0
    assert _counts(server, caller.app_id) == {MISSING: kept + 5}


def test_every_call_is_counted_once_under_its_outcome(server: Server) -> None:
    caller = server.caller("similar", "product")
    assert "cont_sign" in caller.call("similar", "add", image=picture(1), brief="a")
    assert "result" in caller.call("similar", "search", image=picture(1))
    refused: dict[tuple[str, str, Problem], dict[str, Any]] = {
        ("similar", "add", Problem.ITEM_EXISTS): {"image": picture(1), "brief": "a"},
        ("similar", "search", Problem.MISSING_PARAM): {},
        ("product", "update", Problem.MISSING_PARAM): {},
        ("materiel", "search", Problem.PERMISSION): {"image": picture(1)},
    }
    for (service, operation, problem), fields in refused.items():
        answer = caller.call(service, operation, **fields)
        assert answer["error_code"] == problem.code
    assert "error_code" not in caller.post("/rpc/2.0/feedback/v1/report", data={"feedback": "好"})
    expected = {
        **{(service, operation, row.code): 1 for service, operation, row in refused},
        ("similar", "add", 0): 1,
        ("similar", "search", 0): 1,
        ("feedback", "report", 0): 1,
    }
    found = _wait_for(server, caller.app_id, lambda counts: len(counts) >= len(expected))
    assert found == expected


def test_a_body_that_cannot_be_read_is_counted_for_who_sent_it(server: Server) -> None:
    caller = server.caller("similar", libraries=False)
    path = f"{SERVICES['similar'].prefix}/search"
    answer = caller.post(path, content=b"image=" + bytes(7 << 20))
    assert answer["error_code"] == Problem.IMAGE_SIZE.code
    stranger = server.http.post(path, content=b"image=" + bytes(7 << 20)).json()
    assert stranger["error_code"] == Problem.NO_CREDENTIALS.code
    expected = {("similar", "search", Problem.IMAGE_SIZE.code): 1}
    assert _wait_for(server, caller.app_id, lambda counts: bool(counts)) == expected


def test_a_call_whose_answer_nobody_reads_is_counted_once(server: Server) -> None:
    caller = server.caller("similar")
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(
            f"{SERVICES['similar'].prefix}/add",
            params={"access_token": caller.token},
            files={"image": picture(2)},
            data={"brief": "b"},
            timeout=httpx.Timeout(10, read=0.001),
        )
    found = _wait_for(server, caller.app_id, lambda counts: bool(counts))
    # It was added, unless the server saw the client leave before it had read the picture.
    assert list(found.values()) == [1]
    assert {key[:2] for key in found} == {("similar", "add")}
