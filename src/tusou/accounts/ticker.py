"""A thread that does the same short job again and again until it is closed."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Work:
    """What a thread has done so far."""

    name: str
    turns: int = 0
    failures: int = 0
    seconds: float = 0.0
    """That it was busy."""


class Ticker:
    """Does a job, waits, and does it again; a job that fails is tried again at the next turn.

    Args:
        name: Of the thread.
        seconds: Between the end of one turn and the start of the next.
        job: What to do.
    """

    def __init__(self, name: str, seconds: float, job: Callable[[], object]) -> None:
        self._seconds = seconds
        self._job = job
        self._closed = threading.Event()
        self._failing = False
        self.work = Work(name)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the turn in hand."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.wait(self._seconds):
            started = time.monotonic()
            try:
                self._job()
                self._failing = False
            except Exception:
                # Told once an outage: a line a second would bury what else the log has to say.
                if not self._failing:
                    _log.exception("%s failed; it is tried again", self._thread.name)
                self._failing = True
                self.work.failures += 1
            self.work.turns += 1
            self.work.seconds += time.monotonic() - started
