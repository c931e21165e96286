"""Turns at the threads that work: shared among the applications that want them, in rotation."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from tusou.errors import Problem, TusouError

_ACTIVE_SECONDS = 2.0  # one that calls now and then is reckoned with between its calls


class Turns:
    """Gives as many turns at once as there are threads; belongs to one event loop.

    An application that is alone has half of them; of several that were active a moment ago each has
    its part of the half, less the part of one more who may come. So whoever calls now and then
    begins at once, and beside few: one turn at a time uses all cores where it encodes.
    """

    def __init__(
        self, threads: int, wait_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = threads
        self._half = max(1, threads // 2)
        self._wait = wait_seconds
        self._clock = clock
        self._running: Counter[int] = Counter()
        self._waiting: OrderedDict[int, deque[anyio.Event]] = OrderedDict()
        self._active: OrderedDict[int, float] = OrderedDict()

    @asynccontextmanager
    async def turn(self, app_id: int) -> AsyncIterator[None]:
        """Wait for a turn, and have it while the block runs.

        Raises:
            TusouError: OVERLOADED, it did not come while the client still waits.
        """
        mine = anyio.Event()
        self._note(app_id)
        self._waiting.setdefault(app_id, deque()).append(mine)
        self._deal()
        try:
            with anyio.move_on_after(self._wait):
                await mine.wait()
            if not mine.is_set():
                raise TusouError(Problem.OVERLOADED, "no turn came in time")
            yield
        finally:
            if mine.is_set():
                self._give_back(app_id)
            else:
                self._waiting[app_id].remove(mine)

    @property
    def state(self) -> tuple[int, int]:
        """How many have a turn, and how many wait for one."""
        waiting = sum(map(len, self._waiting.values()))
        return self._running.total(), waiting

    def _give_back(self, app_id: int) -> None:
        self._note(app_id)
        self._free += 1
        self._running[app_id] -= 1
        if not self._running[app_id]:
            del self._running[app_id]
        self._deal()

    def _deal(self) -> None:
        """Give what is free, one to each application in its turn, as far as its part goes."""
        callers = len(self._active)
        part = self._half if callers == 1 else max(1, self._half // (callers + 1))
        dealt = True
        while dealt and self._free:
            dealt = False
            for app_id in list(self._waiting):
                if not self._waiting[app_id]:
                    del self._waiting[app_id]
                elif self._free and self._running[app_id] < part:
                    self._free -= 1
                    self._running[app_id] += 1
                    self._waiting[app_id].popleft().set()
                    self._waiting.move_to_end(app_id)
                    dealt = True

    def _note(self, app_id: int) -> None:
        """Keep who was active, the latest last."""
        now = self._clock()
        self._active[app_id] = now
        self._active.move_to_end(app_id)
        while next(iter(self._active.values())) < now - _ACTIVE_SECONDS:
            self._active.popitem(last=False)
