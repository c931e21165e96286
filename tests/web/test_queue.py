"""The whole server's limit: what is let in, what is refused, and that nothing is kept of either."""

import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial

import anyio
import pytest

from tusou.errors import Problem, TusouError
from tusou.settings import Settings
from tusou.web.queue import Queue


def queue(**given: int) -> Queue:
    return Queue(Settings.load({}, **given))


def run(function: Callable[[], Awaitable[None]]) -> None:
    anyio.run(function)


def refusal(enter: Callable[[], object]) -> str:
    with pytest.raises(TusouError) as caught:
        enter()
    assert caught.value.problem is Problem.OVERLOADED
    return caught.value.detail


def test_so_many_are_inside_and_one_more_is_refused() -> None:
    line = queue(queue=3)
    for _ in range(2):
        with ExitStack() as inside:
            for _ in range(3):
                inside.enter_context(line.place())
            for _ in range(5):
                assert "requests" in refusal(line.place().__enter__)
    with line.place():
        pass


def test_so_many_bytes_are_held_and_no_more() -> None:
    line = queue(queue_megabytes=10)
    for _ in range(2):
        with line.body(6 << 20), line.body(4 << 20):
            assert "pictures" in refusal(line.body(1).__enter__)
    with line.body(11 << 20):  # alone, it is let in
        assert refusal(line.body(1).__enter__)


def test_a_place_is_free_again_after_a_failure() -> None:
    line = queue(queue=1, queue_megabytes=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), line.place(), line.body(1 << 20):
            raise ZeroDivisionError


def test_an_application_has_half_of_the_places() -> None:
    line = queue(queue=4)
    with line.place_of(1), line.place_of(1):
        assert "this application" in refusal(line.place_of(1).__enter__)
        with line.place_of(2), line.place_of(2):
            assert refusal(line.place_of(2).__enter__)
    with line.place_of(1), line.place_of(1):
        pass
    with queue(queue=1).place_of(1):  # of one place, the whole
        pass


def test_a_turn_that_does_not_come_in_time_is_refused_and_lookups_go_on() -> None:
    released, begun = threading.Event(), threading.Semaphore(0)

    def slow() -> str:
        begun.release()
        assert released.wait(60)
        return "worked"

    async def main() -> None:
        line = queue(threads=4, wait_seconds=1)
        answers: list[str] = []

        async def work(app_id: int) -> None:
            answers.append(await line.work(app_id, slow))

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(work, 1)
            for _ in range(2):
                while not begun.acquire(blocking=False):
                    await anyio.sleep(0.01)
            # Half of the threads are one application's: it waits, and another does not.
            with pytest.raises(TusouError) as caught:
                await line.work(1, lambda: "never")
            assert caught.value.problem is Problem.OVERLOADED
            assert await line.work(2, lambda: "worked at once") == "worked at once"
            for _ in range(2):
                group.start_soon(work, 2)
            for _ in range(2):
                while not begun.acquire(blocking=False):
                    await anyio.sleep(0.01)
            with pytest.raises(TusouError):
                await line.work(3, lambda: "never")
            assert await line.look_up(lambda: "looked up") == "looked up"
            released.set()
        assert answers == ["worked"] * 4
        # The turns that were given up are not lost.
        assert [await line.work(n % 4, lambda: "again") for n in range(12)] == ["again"] * 12

    run(main)


def test_no_more_work_at_once_than_there_are_threads() -> None:
    inside: Counter[int] = Counter()
    most: Counter[int] = Counter()
    lock = threading.Lock()

    def work(app_id: int) -> None:
        with lock:
            inside.update((0, app_id))
            for whose in (0, app_id):
                most[whose] = max(most[whose], inside[whose])
        time.sleep(0.02)
        with lock:
            inside.subtract((0, app_id))

    async def main() -> None:
        line = queue(threads=6)
        async with anyio.create_task_group() as group:
            for number in range(60):
                app_id = number % 3 + 1
                group.start_soon(line.work, app_id, partial(work, app_id))

    run(main)
    assert most == {0: 6, 1: 3, 2: 3, 3: 3}
