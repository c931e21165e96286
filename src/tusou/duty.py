"""Background work that one server does for all that share a database: who it is."""

import logging
import threading
from collections.abc import Callable

from tusou.errors import TusouError
from tusou.storage.database import Database

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # between two looks whether the duty is still here, or has become free


class Duty:
    """Takes the duty when nobody has it, and keeps it until closed or cut off from the database.

    A server that is cut off notices within a second, and another may have taken over by then. So
    the work itself must bear being done twice: each piece is one transaction that looks first.
    """

    def __init__(self, database: Database, name: str = "background") -> None:
        self._database = database
        self._name = name
        self._mine = False
        self._decided = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tusou-duty", daemon=True)
        self._thread.start()

    def is_mine(self) -> bool:
        """Whether it is this server's."""
        self._decided.wait()
        return self._mine

    def when_mine(self, job: Callable[[], object]) -> Callable[[], object]:
        """The job, and nothing where the duty is another's."""
        return lambda: job() if self.is_mine() else None

    def close(self) -> None:
        """Leave it to another."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                self._hold()
            except TusouError as error:
                _log.info("nobody can tell whose the background work is: %s", error.message)
            self._mine = False
            self._decided.set()
            self._closed.wait(_LOOK_SECONDS)

    def _hold(self) -> None:
        with self._database.owning(self._name) as still:
            if still is None:
                return
            self._mine = True
            self._decided.set()
            while not self._closed.wait(_LOOK_SECONDS):
                if not still():
                    _log.warning("cut off from the database; the background work is left to others")
                    return
