"""Bringing pictures in by several threads: one that fails never stops the others."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from tusou.errors import AT_GATE, Problem, TusouError
from tusou.intake.journal import Journal
from tusou.intake.progress import Outcome
from tusou.intake.sources import Entry, Source

_log = logging.getLogger(__name__)

Fields = dict[str, bytes | str]
"""Fields of an add: `image` or `url`, `brief`, class fields."""
Add = Callable[[Fields], object]
"""Adds a picture; raises TusouError, or ConnectionError where the server is not there."""

_PASSES = frozenset({Problem.OVERLOADED, Problem.QPS_LIMIT, Problem.UNAVAILABLE})
"""Problems that pass by themselves."""
_ENDS = frozenset(
    {Problem.LIBRARY_FULL, Problem.NO_LIBRARY, Problem.APP_UNKNOWN}
    | {row for row in Problem if row.code in AT_GATE} - _PASSES - {Problem.UNKNOWN}
)
"""Problems that every other picture would have too."""
_FIELDS = ("brief", "tags", "class_id1", "class_id2")
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0


class Counter(Protocol):
    """Counts what became of pictures; threads share it."""

    def note(self, outcome: Outcome, name: str = "", reason: str = "") -> None:
        """Count a picture; `reason` says why it failed."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How pictures are brought in."""

    brief: Callable[[Entry], str]
    """Makes the brief of an entry that has none of its own."""
    classes: Mapping[str, str]
    """Class fields of entries that have none of their own."""
    threads: int
    patience: float = 120
    """Seconds to wait for a server that is busy or away, before the import ends."""


class Import:
    """One run over a source."""

    def __init__(self, add: Add, journal: Journal, progress: Counter, plan: Plan) -> None:
        self._add, self._journal, self._progress, self._plan = add, journal, progress, plan
        self._end: Exception | None = None
        self._stopping = threading.Event()

    def run(self, source: Source) -> None:
        """Bring in all that the journal does not have.

        Raises:
            TusouError, ConnectionError: what no other picture would pass either.
            ValueError: the source is broken from some place on; what comes before is in.
            KeyboardInterrupt: pictures in hand were finished.
        """
        # Few wait in hand: an archive's pictures are in memory by then.
        slots = threading.Semaphore(2 * self._plan.threads)

        def work(entry: Entry) -> None:
            try:
                self._bring(entry)
            finally:
                slots.release()

        threads = ThreadPoolExecutor(self._plan.threads, "tusou-import")
        try:
            for entry in source.entries(lambda entry: entry.key in self._journal):
                slots.acquire()
                if self._stopping.is_set():
                    break
                threads.submit(work, entry)
            threads.shutdown()
        except BaseException:
            self._stopping.set()
            threads.shutdown()
            raise
        if self._end is not None:
            raise self._end

    def stop(self) -> None:
        """Let `run` end soon: pictures in hand are finished, the others wait for another run."""
        self._stopping.set()

    def _bring(self, entry: Entry) -> None:
        if self._stopping.is_set():
            return
        try:
            self._patiently(self._fields(entry))
        except TusouError as error:
            if error.problem in _ENDS or error.problem in _PASSES:
                self._stop(error)
            elif error.problem is Problem.ITEM_EXISTS:
                self._journal.note(entry.key)
                self._progress.note("there")
            else:
                self._progress.note("failed", entry.name, error.message)
        except ConnectionError as error:
            self._stop(error)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._progress.note("failed", entry.name, reason)
        except Exception as error:
            _log.exception("%s could not be brought in", entry.name)
            self._progress.note("failed", entry.name, f"{type(error).__name__}: {error}")
        else:
            self._journal.note(entry.key)
            self._progress.note("added")

    def _fields(self, entry: Entry) -> Fields:
        own = {name: entry.row[name] for name in _FIELDS if entry.row.get(name)}
        classes = {} if own.keys() & set(_FIELDS[1:]) else self._plan.classes
        fields: Fields = {**classes, **own}
        if "brief" not in own:
            fields["brief"] = self._plan.brief(entry)
        if entry.read is None:
            return fields | {"url": entry.name}
        return fields | {"image": entry.read()}

    def _patiently(self, fields: Fields) -> None:
        """Add a picture; while the server is busy or away, wait and try again."""
        wait, end = _FIRST_WAIT, time.monotonic() + self._plan.patience
        while True:
            try:
                self._add(fields)
            except (TusouError, ConnectionError) as error:
                passes = isinstance(error, ConnectionError) or error.problem in _PASSES
                if not passes or time.monotonic() + wait > end or self._stopping.wait(wait):
                    raise
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                return

    def _stop(self, error: Exception) -> None:
        if not self._stopping.is_set():
            self._end = error
            self._stopping.set()
