"""The whole server's limit: so many requests inside, so many bytes, so long a wait for a thread."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import NamedTuple, TypeVar

import anyio
from anyio import to_thread

from tusou.errors import Problem, TusouError
from tusou.settings import Settings
from tusou.stages import timed
from tusou.web.turns import Turns

T = TypeVar("T")


class State(NamedTuple):
    """How full the server is."""

    inside: int
    """Requests."""
    bytes: int
    """Of their bodies."""
    running: int
    """Requests that are being worked on."""
    waiting: int
    """Requests that wait for their turn."""


# Looking up who calls must not wait for pictures to be worked on.
_DOOR_THREADS = 4
# Requests whose caller is being looked up, for each place inside: they hold no body yet.
_AT_THE_DOOR = 8


class Queue:
    """Keeps the server's memory and its answers' times within bounds, however much is asked of it.

    No application has more than half of the places, nor more than its part of the threads, so that
    one that sends much, or what takes long, leaves room for the others. Belongs to one event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.queue
        self._most_bytes = settings.queue_megabytes << 20
        self._at_the_door = 0
        self._inside = 0
        self._inside_by_app: Counter[int] = Counter()
        self._bytes = 0
        self._threads = anyio.CapacityLimiter(settings.threads)
        self._turns = Turns(settings.threads, settings.wait_seconds)
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
    def place_of(self, app_id: int) -> Iterator[None]:
        """Be inside for an application while the block runs.

        Raises:
            TusouError: OVERLOADED.
        """
        if self._inside_by_app[app_id] >= max(1, self._most // 2):
            raise TusouError(
                Problem.OVERLOADED, "too many requests of this application at the same time"
            )
        self._inside_by_app[app_id] += 1
        try:
            yield
        finally:
            self._inside_by_app[app_id] -= 1
            if not self._inside_by_app[app_id]:
                del self._inside_by_app[app_id]

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

    @property
    def state(self) -> State:
        """How full it is."""
        return State(self._inside, self._bytes, *self._turns.state)

    async def look_up(self, function: Callable[[], T]) -> T:
        """Run something short in a thread, beside the pictures.

        It needs no place inside: otherwise who calls so often that all places are taken would keep
        others from being told apart.

        Raises:
            TusouError: OVERLOADED.
        """
        if self._at_the_door >= _AT_THE_DOOR * self._most:
            raise TusouError(Problem.OVERLOADED, "too many requests at the same time")
        self._at_the_door += 1
        try:
            return await to_thread.run_sync(function, limiter=self._door)
        finally:
            self._at_the_door -= 1

    async def work(self, app_id: int, function: Callable[[], T]) -> T:
        """Run a request's work in a thread, when it is its turn.

        Raises:
            TusouError: OVERLOADED, its turn did not come while its client still waits.
        """
        async with AsyncExitStack() as turn:
            with timed("queue"):
                await turn.enter_async_context(self._turns.turn(app_id))
            return await to_thread.run_sync(function, limiter=self._threads)
