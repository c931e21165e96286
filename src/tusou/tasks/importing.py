"""An import: pictures that were sent, or that a manifest names, into a library."""

import json
import threading
import time
from collections.abc import Callable
from typing import IO

from tusou.intake import briefs
from tusou.intake.journal import Journal
from tusou.intake.progress import Outcome
from tusou.intake.run import Add, Import, Plan
from tusou.intake.sources import open_upload
from tusou.storage.batches import Batch
from tusou.tasks.files import Files

_REPORT_SECONDS = 0.5
_THREADS = 4
"""Pictures in hand at a time: enough to keep two cores busy, and few beside those who wait."""

Stop = Callable[[], None]
Report = Callable[[int, int, int], bool]
"""Is told what is done, failed and there in all; False: break off."""


def check_template(text: str) -> None:
    """Pass if pictures can be given briefs by a template; raises ValueError."""
    briefs.template(text or briefs.DEFAULT)


def run(
    batch: Batch, files: Files, add: Add, report: Report, begun: Callable[[Stop], object]
) -> None:
    """Bring in what is not in yet, until it is done or broken off.

    `begun` is given what breaks it off at once, also while it waits for a quota.

    Raises:
        TusouError: what no other picture would pass either.
        ValueError: the file is broken from some place on; what comes before is in.
    """
    source = open_upload(files.sent(batch.options["sent"]), batch.options["kind"])
    template = briefs.template(batch.options["brief"] or briefs.DEFAULT)
    plan = Plan(template, batch.options["classes"], _THREADS)
    with (
        Journal(files.journal(batch.id)) as journal,
        files.errors(batch.id).open("w", encoding="utf-8", errors="backslashreplace") as errors,
    ):
        counted = _Counted(len(journal), source.count() or 0, errors, report)
        work = Import(add, journal, counted, plan)
        counted.stop = work.stop
        begun(work.stop)
        try:
            work.run(source)
        finally:
            counted.tell()


class _Counted:
    """Counts pictures, and tells of them now and then."""

    def __init__(self, before: int, total: int, errors: IO[str], report: Report) -> None:
        self.stop: Stop = lambda: None
        self._done, self._failed, self._total = before, 0, total
        self._errors, self._report = errors, report
        self._told = 0.0
        self._lock = threading.Lock()

    def note(self, outcome: Outcome, name: str = "", reason: str = "") -> None:
        """Count a picture; see `intake.run.Counter`."""
        with self._lock:
            self._done += 1
            if outcome == "failed":
                self._failed += 1
                self._errors.write(_line(name, reason))
                self._errors.flush()
            due = time.monotonic() - self._told >= _REPORT_SECONDS
            if due:
                self._told = time.monotonic()
        if due:
            self.tell()

    def tell(self) -> None:
        """Tell how far it is."""
        if not self._report(self._done, self._failed, max(self._total, self._done)):
            self.stop()


def _line(name: str, reason: str) -> str:
    return json.dumps({"picture": name, "reason": reason}, ensure_ascii=False) + "\n"
