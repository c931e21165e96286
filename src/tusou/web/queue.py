"""The whole server's limit: so many requests inside, so many bytes, so long a wait for a thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
from anyio import to_thread

from tusou.errors import Problem, TusouError
from tusou.settings import Settings

T = TypeVar("T")

# Looking up who calls must not wait for pictures to be worked on.
_DOOR_THREADS = 4


class Queue:
    """Keeps the server's memory and its answers' times within bounds, however much is asked of it.

    Belongs to one event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.queue
        self._most_bytes = settings.queue_megabytes << 20
        self._wait = settings.wait_seconds
        self._inside = 0
        self._bytes = 0
        self._threads = anyio.CapacityLimiter(settings.threads)
        self._turns = anyio.Semaphore(settings.threads)
        self._door = anyio.CapacityLimiter(_DOOR_THREADS)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be inside while the block runs.

        Raises:
            TusouError: OVERLOADED.
        """
        if self._inside >= self._most:
            raise TusouError(Problem.OVERLOADED, "too many requests at the same time")
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @contextmanager
    def body(self, size: int) -> Iterator[None]:
        """Hold a request's body of so many bytes while the block runs.

        Raises:
            TusouError: OVERLOADED.
        """
        if self._bytes and self._bytes + size > self._most_bytes:
            raise TusouError(Problem.OVERLOADED, "too many pictures at the same time")
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size

    async def look_up(self, function: Callable[[], T]) -> T:
        """Run something short in a thread, beside the pictures."""
        return await to_thread.run_sync(function, limiter=self._door)

    async def work(self, function: Callable[[], T]) -> T:
        """Run a request's work in a thread, when it is its turn.

        Raises:
            TusouError: OVERLOADED, its turn did not come while its client still waits.
        """
        with anyio.move_on_after(self._wait) as wait:
            await self._turns.acquire()
        if wait.cancelled_caught:
            raise TusouError(Problem.OVERLOADED, "no turn came in time")
        try:
            return await to_thread.run_sync(function, limiter=self._threads)
        finally:
            self._turns.release()
