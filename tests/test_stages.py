"""Stages are timed for the request that watches, whatever thread works for it."""

import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from anyio import to_thread

from tusou.stages import Lap, timed, watching


def _decode(seconds: float = 0.0) -> None:
    with timed("decode"):
        time.sleep(seconds)


def test_a_stage_tells_when_it_began_and_ended() -> None:
    before = time.perf_counter()
    with watching() as laps:
        _decode(0.01)
    (lap,) = laps
    assert lap.stage == "decode"
    assert before <= lap.started <= lap.ended - 0.01 <= time.perf_counter() - 0.01


def test_where_nobody_watches_nothing_is_kept() -> None:
    with watching() as laps:
        pass
    _decode()
    assert laps == []


def test_a_stage_that_fails_is_kept_too_and_the_error_passes() -> None:
    with watching() as laps, pytest.raises(KeyError), timed("blob"):
        raise KeyError
    assert [lap.stage for lap in laps] == ["blob"]


def test_requests_that_run_at_once_do_not_mix_and_take_their_threads_along() -> None:
    kept = dict[int, list[Lap]]()

    async def request(number: int) -> None:
        with watching() as laps:
            for _ in range(number):
                await to_thread.run_sync(_decode)
        kept[number] = laps

    async def requests() -> None:
        async with anyio.create_task_group() as group:
            for number in (1, 5, 3):
                group.start_soon(request, number)

    anyio.run(requests)
    assert {number: len(laps) for number, laps in kept.items()} == {1: 1, 3: 3, 5: 5}


def test_threads_of_nobody_in_particular_are_not_counted() -> None:
    with watching() as laps, ThreadPoolExecutor(1) as threads:
        threads.submit(_decode).result()
    assert laps == []
