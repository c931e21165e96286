"""A server under more load than it can bear; `make soak`, `make overload` and `make crowds` do so
at length."""

import time
from collections.abc import Iterator

import pytest

from support import pressure
from support.pictures import picture
from support.pressure import Turn
from support.server import Caller, Server
from tusou.errors import Problem

PLACES = 8
HANDLES = 16
"""Of the database, whose connections stay open: two for each thread that may ask at once."""
SHED = Problem.OVERLOADED.code


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with room for few requests, that is asked by one application at first."""
    limits = {"TUSOU_QUEUE": str(PLACES), "TUSOU_THREADS": "2", "TUSOU_QUEUE_MEGABYTES": "20"}
    server = Server(tmp_path_factory.mktemp("load") / "data", limits)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def other(small: Server) -> Caller:
    caller = small.caller("similar")
    pressure.stock(caller, "similar", 2)
    return caller


def searches(caller: Caller) -> list[Turn]:
    return [(pressure.call_of(caller, "similar", "search", image=picture(0), rn=5),)]


def test_too_many_calls_are_shed_and_all_are_answered_again_when_they_end(
    small: Server, other: Caller
) -> None:
    greedy = small.caller("similar")
    turns = [*searches(greedy), pressure.come_and_go(greedy, "similar", picture(9))]
    sent = pressure.all_at_once(small.address, [turns[0][0]] * (6 * PLACES))
    codes = pressure.codes(sent)
    assert set(codes) == {0, SHED}, codes
    assert codes[0] >= PLACES // 2  # what it has places for is answered
    after = pressure.steady(small.address, turns, 20, 0.4, 1)
    assert pressure.codes(after) == {0: 12}
    assert other.call("similar", "search", image=picture(0), rn=5)["result_num"] == 2


def test_connections_that_stall_cost_others_nothing(small: Server, other: Caller) -> None:
    slow = small.caller("similar")
    path = pressure.call_of(slow, "similar", "search").path
    for name, said in pressure.stalls(path).items():
        before = pressure.held(small.process.pid)
        with pressure.stalled(small.address, said, 200):
            wait_for_a_place(other)
            codes = pressure.codes(pressure.steady(small.address, searches(other), 20, 0.2, 1))
            during = pressure.held(small.process.pid)
        assert codes == {0: 4}, name
        assert during.handles >= before.handles + 200, name
        assert during.bytes - before.bytes < 32 << 20, name
        wait_for_handles(small, before.handles)


def wait_for_a_place(caller: Caller) -> None:
    """Wait until those who came at once have been let in or refused: each was inside for that."""
    end = time.monotonic() + 60
    while caller.call("similar", "search", image=picture(0)).get("error_code") == SHED:
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_handles(server: Server, most: int) -> None:
    """Wait for the server to have closed what its clients have closed."""
    end = time.monotonic() + 60
    while pressure.held(server.process.pid).handles > most + HANDLES:
        assert time.monotonic() < end, "connections are kept that nobody has"
        time.sleep(0.05)


def test_many_large_pictures_at_once_take_no_more_memory_than_is_allowed(
    small: Server, other: Caller
) -> None:
    crowd = [small.caller("similar") for _ in range(2)]
    data = pressure.noisy_picture(2.8)
    calls = [pressure.call_of(caller, "similar", "search", image=data) for caller in crowd] * 10
    before = pressure.held(small.process.pid)
    codes = pressure.codes(pressure.all_at_once(small.address, calls))
    after = pressure.held(small.process.pid)
    assert set(codes) == {0, SHED}, codes
    # 20 MB of bodies, each up to four times as large while it is read, and two pictures.
    assert after.peak - before.bytes < 250 << 20
    assert other.call("similar", "search", image=picture(0), rn=5)["result_num"] == 2


def test_adding_and_deleting_leaves_no_handle_open(small: Server) -> None:
    caller = small.caller("similar")
    turns = [pressure.come_and_go(caller, "similar", picture(100 + seed)) for seed in range(8)]
    pressure.steady(small.address, turns, 20, 0.4, 2)
    before = pressure.held(small.process.pid).handles
    sent = pressure.steady(small.address, turns, 20, 0.8, 2)
    assert pressure.codes(sent) == {0: 32}
    wait_for_handles(small, before)
