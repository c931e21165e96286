"""Several servers on the same libraries: what one acknowledges is true, whoever is killed."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from support import pictures
from support.server import Answer as Json
from support.server import Caller, Server
from tusou.errors import Problem
from tusou.images.decode import decode
from tusou.services import SERVICES

pytestmark = pytest.mark.cluster

SERVERS = 4
CHANGES = 30
KILLS = 4
Start = Callable[[], Server]
Given = TypeVar("Given")
Answer = TypeVar("Answer")


def picture(number: int) -> bytes:
    """A small picture that is like no other."""
    return pictures.picture(number, 96, 80)


def through(server: Server, caller: Caller) -> Caller:
    """The same application, calling another server."""
    return Caller(server.http, caller.app_id, caller.api_key, caller.secret_key, caller.token)


def test_what_one_server_acknowledges_the_others_find_at_once(start: Start) -> None:
    one, two = start(), start()
    here = one.caller("similar", "same_hq")
    there = through(two, here)
    for service in ("similar", "same_hq"):
        data = pictures.picture(7)
        sign = here.call(service, "add", image=data, brief="a", tags="1,2")["cont_sign"]
        found = there.call(service, "search", image=data, tags="1")["result"]
        assert [(row["cont_sign"], row["brief"]) for row in found] == [(sign, "a")]
        again = there.call(service, "add", image=data, brief="b", tags="1,2")
        assert (again["error_code"], again["cont_sign"]) == (Problem.ITEM_EXISTS.code, sign)
        there.call(service, "update", cont_sign=sign, brief="c", tags="3")
        assert here.call(service, "search", image=data, tags="1")["result"] == []
        assert here.call(service, "search", image=data, tags="3")["result"][0]["brief"] == "c"
        there.call(service, "delete", cont_sign=sign)
        assert here.call(service, "search", image=data)["result"] == []


def test_one_picture_at_four_servers_at_once_is_added_once(start: Start) -> None:
    servers = [start() for _ in range(SERVERS)]
    first = servers[0].caller("similar")
    callers = [through(server, first) for server in servers]
    for number in range(5):
        data = picture(number)

        def add(caller: Caller, data: bytes = data) -> Json:
            return caller.call("similar", "add", image=data, brief="x")

        answers = _at_once(callers, add)
        (sign,) = [answer["cont_sign"] for answer in answers if "error_code" not in answer]
        assert {answer["cont_sign"] for answer in answers} == {sign}

        def delete(caller: Caller, sign: str = sign) -> Json:
            return caller.call("similar", "delete", cont_sign=sign)

        answers = _at_once(callers, delete)
        assert sum("error_code" not in answer for answer in answers) == 1
    with servers[0].office() as office:
        assert office.registry.get(first.app_id, "similar").size == 0


def test_capacity_is_kept_by_all_servers_together(start: Start, cluster: dict[str, str]) -> None:
    cluster["TUSOU_LIBRARY_CAPACITY"] = "6"
    servers = [start() for _ in range(2)]
    first = servers[0].caller("similar")
    callers = [through(server, first) for server in servers]

    def add(number: int) -> bool:
        answer = callers[number % 2].call("similar", "add", image=picture(number), brief="x")
        return "error_code" not in answer

    assert sum(_at_once(range(12), add)) == 6


def test_a_quota_is_one_for_all_servers(start: Start) -> None:
    servers = [start() for _ in range(2)]
    first = servers[0].caller("similar")
    with servers[0].office() as office:
        office.apps.set_limits(first.app_id, "similar", "search", {"daily": 10})
    callers = [through(server, first) for server in servers]
    data = picture(1)
    answers = [callers[n % 2].call("similar", "search", image=data) for n in range(16)]
    refused = [answer.get("error_code") for answer in answers[10:]]
    assert refused == [Problem.DAILY_LIMIT.code] * 6
    assert all("error_code" not in answer for answer in answers[:10])


def test_a_server_with_indexes_of_its_own_shares_with_nobody(
    start: Start, cluster: dict[str, str], tmp_path: Path
) -> None:
    alone = {name: value for name, value in cluster.items() if "MILVUS" not in name}
    first = Server(tmp_path / "first", alone)
    command = [sys.executable, "-m", "tusou.cli", "serve", "--port", "0"]
    for environ in (alone, cluster):
        run = subprocess.run(
            [*command, "--data", str(tmp_path / "second")],
            capture_output=True,
            text=True,
            env={**os.environ, **environ},
        )
        assert run.returncode == 1
        assert "another tusou server is running on this database" in run.stderr
    caller = first.caller("similar")
    sign = caller.call("similar", "add", image=picture(1), brief="x")["cont_sign"]
    assert first.stop() == 0
    (tmp_path / "data").mkdir()
    shutil.copy(tmp_path / "first" / "secret.key", tmp_path / "data")
    second = start()
    _found(through(second, caller), second, {sign})
    second.stop()
    # What is deleted without marks is not found when Milvus is asked again.
    third = Server(tmp_path / "first", alone)
    through(third, caller).call("similar", "delete", cont_sign=sign)
    other = through(third, caller).call("similar", "add", image=picture(3), brief="y")["cont_sign"]
    assert third.stop() == 0
    fourth = start()
    _found(through(fourth, caller), fourth, {other})


def _found(caller: Caller, server: Server, signs: set[str]) -> None:
    """All pictures of a library, once Milvus has been filled."""
    caller.call("similar", "search", image=picture(9))  # opens it
    server.wait_for_marks()
    found = caller.call("similar", "search", image=picture(9), rn=100)["result"]
    assert {hit["cont_sign"] for hit in found} == signs


@dataclass
class History:
    """What one client did to its own pictures, as far as it was acknowledged."""

    there: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By sign: number and brief of pictures that were added and not deleted."""
    doubtful: set[str] = field(default_factory=set)
    """Signs of which the last change was not answered."""
    acknowledged: int = 0


def test_no_acknowledged_change_is_lost_when_servers_are_killed(start: Start) -> None:
    servers = [start() for _ in range(SERVERS)]
    first = servers[0].caller("similar")
    histories = [History() for _ in range(SERVERS)]

    def use(number: int) -> None:
        draw, history = random.Random(number), histories[number]
        for turn in range(1, CHANGES + 1):
            caller = through(draw.choice(servers), first)
            _change(caller, draw, history, number * 10_000 + turn)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(SERVERS)]
    for thread in threads:
        thread.start()
    draw = random.Random(99)
    for _ in range(KILLS):
        # After so many changes, not after so many seconds: that is much alike on every machine.
        goal = _acknowledged(histories) + draw.randint(5, 15)
        while _acknowledged(histories) < goal and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        place = draw.randrange(SERVERS)
        servers[place].kill()
        servers[place] = start()
    for thread in threads:
        thread.join()
    servers[0].wait_for_marks()
    _check(through(servers[0], first), servers[0], histories)


def _change(caller: Caller, draw: random.Random, history: History, number: int) -> None:
    known = sorted(history.there)
    act = draw.choice(["add", "add", "update", "delete"]) if known else "add"
    sign = (
        draw.choice(known)
        if act != "add"
        else str(decode(picture(number), SERVICES["similar"]).sign)
    )
    before = history.there.get(sign)
    history.doubtful.add(sign)
    try:
        if act == "add":
            fields = {"image": picture(number), "brief": f"b{number}", "tags": "1"}
            answer = caller.call("similar", "add", **fields)
            after = number, f"b{number}"
        elif act == "update":
            answer = caller.call("similar", "update", cont_sign=sign, brief=f"u{number}")
            after = before[0] if before else 0, f"u{number}"
        else:
            answer = caller.call("similar", "delete", cont_sign=sign)
    except (httpx.TransportError, RuntimeError):  # killed; a closed client raises the latter
        if before is not None:
            history.there.pop(sign)
        time.sleep(0.2)  # or all changes would be sent to the one that is being started
        return
    if answer.get("error_code") == Problem.UNAVAILABLE.code:
        history.there.pop(sign, None)
        return
    assert "error_code" not in answer, answer
    history.doubtful.discard(sign)
    history.acknowledged += 1
    if act == "delete":
        history.there.pop(sign)
    else:
        history.there[sign] = after


def _acknowledged(histories: Sequence[History]) -> int:
    return sum(history.acknowledged for history in histories)


def _sign(number: int) -> str:
    return str(decode(picture(number), SERVICES["similar"]).sign)


def _check(caller: Caller, server: Server, histories: list[History]) -> None:
    with server.office() as office:
        row = office.registry.get(caller.app_id, "similar")
    doubtful = set().union(*(history.doubtful for history in histories))
    expected: dict[str, tuple[int, str]] = {}
    for history in histories:
        expected |= history.there
    assert _acknowledged(histories) > CHANGES
    missing = []
    for sign, (number, brief) in expected.items():
        found = caller.call("similar", "search", image=picture(number), rn=1)["result"]
        if not found or (found[0]["cont_sign"], found[0]["brief"]) != (sign, brief):
            missing.append(sign)
    assert missing == []
    everything = caller.call("similar", "search", image=picture(1), rn=1000, pn=0)["result"]
    signs = {hit["cont_sign"] for hit in everything}
    if row.size < 900:
        assert len(signs) == row.size
        assert set(expected) <= signs <= set(expected) | doubtful


def _at_once(given: Sequence[Given], act: Callable[[Given], Answer]) -> list[Answer]:
    """Do it for all in threads of their own, all let go together."""
    barrier = threading.Barrier(len(given))

    def one(value: Given) -> Answer:
        barrier.wait(60)
        return act(value)

    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(one, given))
