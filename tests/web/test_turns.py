"""Turns: as many at once as there are threads, in parts that are fair, and none is ever lost."""

from collections import Counter
from collections.abc import Awaitable, Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.clock import Clock
from tusou.errors import Problem, TusouError
from tusou.web.turns import Turns


def run(function: Callable[[], Awaitable[None]]) -> None:
    anyio.run(function)


class Desk:
    """Applications that take turns, and hold them until they are told to go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.held: list[int] = []
        self.refused: Counter[tuple[int, Problem]] = Counter()
        self._go: list[tuple[int, anyio.Event]] = []

    async def come(self, app_id: int) -> None:
        try:
            async with self.turns.turn(app_id):
                self.held.append(app_id)
                event = anyio.Event()
                self._go.append((app_id, event))
                await event.wait()
        except TusouError as error:
            self.refused[app_id, error.problem] += 1

    def end(self) -> None:
        """Let the one go that has had its turn longest."""
        self._go.pop(0)[1].set()

    @property
    def now(self) -> Counter[int]:
        return Counter(app_id for app_id, _ in self._go)


def at(
    threads: int,
    steps: Callable[[Desk, Callable[[int], Awaitable[None]]], Awaitable[None]],
    clock: Callable[[], float] | None = None,
) -> Desk:
    """Run steps at a desk; `come` lets one come and all settle."""
    desk = Desk(Turns(threads, 60, clock or Clock()))

    async def main() -> None:
        async with anyio.create_task_group() as group:

            async def come(app_id: int) -> None:
                group.start_soon(desk.come, app_id)
                await settled()

            await steps(desk, come)
            while desk.now:
                desk.end()
                await settled()

    run(main)
    return desk


async def settled() -> None:
    for _ in range(5):
        await anyio.sleep(0)


def test_one_that_is_alone_has_half_and_another_begins_at_once() -> None:
    async def steps(desk: Desk, come: Callable[[int], Awaitable[None]]) -> None:
        for _ in range(9):
            await come(1)
        assert desk.now == {1: 6}
        await come(2)
        assert desk.now == {1: 6, 2: 1}
        # What the first gives back is not its own again before it keeps to its part.
        for _ in range(4):
            desk.end()
            await settled()
        assert desk.now == {1: 2, 2: 1}
        for _ in range(2):
            await come(2)
        assert desk.now == {1: 2, 2: 2}

    assert Counter(at(12, steps).held) == {1: 9, 2: 3}


def test_who_was_active_a_moment_ago_is_reckoned_with_and_then_no_more() -> None:
    clock = Clock()

    async def steps(desk: Desk, come: Callable[[int], Awaitable[None]]) -> None:
        await come(2)
        desk.end()
        await settled()
        for _ in range(4):
            await come(1)
        assert desk.now == {1: 2}
        clock.now += 2.5
        await come(1)
        assert desk.now == {1: 5}

    at(12, steps, clock)


def test_those_who_wait_are_served_in_rotation() -> None:
    async def steps(desk: Desk, come: Callable[[int], Awaitable[None]]) -> None:
        for app_id in (1, 1, 1, 1, 2, 2, 3):
            await come(app_id)
        for _ in range(5):
            desk.end()
            await settled()

    # Nobody has to wait for all of the first, who came with four.
    assert at(1, steps).held == [1, 1, 2, 3, 1, 2, 1]


def test_a_turn_that_does_not_come_is_refused_and_not_lost() -> None:
    async def main() -> None:
        desk = Desk(Turns(1, 0.05))
        async with anyio.create_task_group() as group:
            for app_id in (1, 1, 2):
                group.start_soon(desk.come, app_id)
            await anyio.sleep(0.3)
            assert desk.refused == {(1, Problem.OVERLOADED): 1, (2, Problem.OVERLOADED): 1}
            group.start_soon(desk.come, 2)
            await settled()
            desk.end()
            await settled()
            assert desk.now == {2: 1}
            desk.end()

    run(main)


@given(
    st.integers(1, 9),
    st.lists(st.integers(1, 4) | st.none(), max_size=40),
)
def test_whoever_comes_and_goes_all_are_served_once(threads: int, moves: list[int | None]) -> None:
    async def steps(desk: Desk, come: Callable[[int], Awaitable[None]]) -> None:
        for app_id in moves:
            if app_id is not None:
                await come(app_id)
            elif desk.now:
                desk.end()
                await settled()
            assert desk.now.total() <= threads
            assert all(count <= max(1, threads // 2) for count in desk.now.values())

    assert Counter(at(threads, steps).held) == Counter(move for move in moves if move)


def test_a_failure_within_a_turn_gives_it_back() -> None:
    async def main() -> None:
        turns = Turns(1, 1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with turns.turn(1):
                    raise ZeroDivisionError

    run(main)
