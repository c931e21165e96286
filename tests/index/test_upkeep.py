import threading
from collections.abc import Callable

import numpy as np
import pytest

from tusou.index.gate import Gate
from tusou.index.planner import Planner
from tusou.index.scan import Chunk
from tusou.index.store import Store
from tusou.index.upkeep import Upkeep

WAIT = 20.0


class BrokenStore(Store):
    """Cannot be worked on."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(chunk_rows=16, planner=Planner())
        self._then = then

    def seal(self) -> list[Chunk]:
        self._then()
        raise MemoryError("no room for groups")


def test_failed_work_is_reported_and_does_not_end_the_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reached, gate = threading.Event(), Gate()
    store = BrokenStore(reached.set)
    upkeep = Upkeep(store, gate, group_rows=10, chunk_rows=16)
    with gate.writing():
        slots = store.rows.insert(np.arange(12), np.zeros((12, 2), np.uint16))
        store.append(np.ones((12, 4), np.float32), slots)
        upkeep.wake()
    assert reached.wait(WAIT)
    upkeep.close()
    assert "no room for groups" in caplog.text
    with gate.writing():
        assert len(store.rows) == 12


def test_nothing_is_started_while_there_is_nothing_to_do() -> None:
    upkeep = Upkeep(Store(16, Planner()), Gate(), group_rows=10, chunk_rows=16)
    threads = threading.active_count()
    upkeep.wake()
    assert threading.active_count() == threads
    upkeep.settle()
    upkeep.close()


def test_few_rows_wait_outside_of_groups_once_there_are_groups() -> None:
    store, gate = Store(64, Planner()), Gate()
    upkeep = Upkeep(store, gate, group_rows=100, chunk_rows=64)
    points = np.random.default_rng(0).integers(-127, 128, (180, 8)).astype(np.float32)
    waiting = []
    for row in range(180):
        with gate.writing():
            slots = store.rows.insert(np.array([row]), np.zeros((1, 2), np.uint16))
            store.append(points[row : row + 1], slots)
            upkeep.wake()
        upkeep.settle()
        waiting.append(sum(map(len, store.chunks)))
    upkeep.close()
    assert max(waiting) == 99, "until there are groups, all do"
    assert max(waiting[100:]) == 64 // 8
    assert len(store.scan(points[:1], 180, None).slots) == 180
