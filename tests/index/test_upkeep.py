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
