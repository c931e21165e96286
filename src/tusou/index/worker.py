"""A thread that lives as long as an index has background work."""

import ctypes
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from tusou.index.gate import Gate

_log = logging.getLogger(__name__)

Job = Callable[[], None]

_PAUSE_AFTER_FAILURE = 60.0


class _Closed(Exception):
    """The index was closed in the middle of a job."""


class Worker:
    """Does jobs one after the other, until none is due.

    Args:
        name: Of the thread.
        gate: Guards the index.
        due: Names the next job, if there is one; called with the gate held alone.
    """

    def __init__(self, name: str, gate: Gate, due: Callable[[], Job | None]) -> None:
        self._name = name
        self._gate = gate
        self._due = due
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def wake(self) -> None:
        """Start if a job is due; called with the gate held alone, after each write."""
        if self._thread is None and not self._closed.is_set() and self._due() is not None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def settle(self) -> None:
        """Wait until no job is due."""
        while (thread := self._thread) is not None:
            thread.join()

    def close(self) -> None:
        """Stop after the job in hand, or where it asks `stop_if_closed`."""
        self._closed.set()
        self.settle()

    def stop_if_closed(self) -> None:
        """End the job that asks, if the index was closed; long jobs ask now and then."""
        if self._closed.is_set():
            raise _Closed

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                job()
                _give_memory_back()
        except _Closed:
            self._thread = None
        except Exception:
            _log.exception("background work of an index failed; its searches go on, slower")
            self._closed.wait(_PAUSE_AFTER_FAILURE)
            self._thread = None

    def _next(self) -> Job | None:
        with self._gate.writing():
            job = None if self._closed.is_set() else self._due()
            if job is None:
                self._thread = None  # under the gate, so that the next write sees it
            return job


def _give_memory_back() -> None:
    """Return the memory of what a job replaced to the system; glibc would keep most of it.

    Measured by `benchmarks/index_search.py` and `benchmarks/words_search.py`.
    """
    with suppress(OSError, AttributeError):  # other systems have no such call, or no such need
        ctypes.CDLL(None).malloc_trim(0)
