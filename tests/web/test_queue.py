"""The whole server's limit: what is let in, what is refused, and that nothing is kept of either."""

import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

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


def test_who_is_at_the_door_takes_nobody_a_place_and_too_many_are_sent_away() -> None:
    released = threading.Event()

    async def main() -> None:
        line = queue(queue=2)
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(line.look_up, lambda: released.wait(60))
            await anyio.wait_all_tasks_blocked()
            with line.place(), line.place():
                assert "too many requests" in refusal(line.place().__enter__)
            with pytest.raises(TusouError) as caught:
                await line.look_up(lambda: True)
            assert caught.value.problem is Problem.OVERLOADED
            released.set()
        assert await line.look_up(lambda: "in")

    run(main)


def test_work_that_waits_too_long_is_refused_and_lookups_go_on() -> None:
    released, begun = threading.Event(), threading.Semaphore(0)

    def slow() -> str:
        begun.release()
        assert released.wait(60)
        return "worked"

    async def main() -> None:
        line = queue(threads=2, wait_seconds=1)
        answers: list[str] = []

        async def work(app_id: int) -> None:
            answers.append(await line.work(app_id, slow))

        async with anyio.create_task_group() as group:
            for app_id in (1, 2):
                group.start_soon(work, app_id)
            for _ in range(2):
                while not begun.acquire(blocking=False):
                    await anyio.sleep(0.01)
            with pytest.raises(TusouError) as caught:
                await line.work(3, lambda: "never")
            assert caught.value.problem is Problem.OVERLOADED
            assert await line.look_up(lambda: "looked up") == "looked up"
            released.set()
        assert answers == ["worked"] * 2
        # The turn that was given up is not lost.
        assert [await line.work(n % 4, lambda: "again") for n in range(12)] == ["again"] * 12

    run(main)
