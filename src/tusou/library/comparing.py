"""Looking through libraries for pictures that show the same, in the background."""

import logging
import threading
import time

from tusou.errors import TusouError
from tusou.library.catalogue import Catalogue
from tusou.library.likeness import Comparison
from tusou.storage.blobs import Blobs
from tusou.storage.database import Database
from tusou.storage.duplicates import Pairs, Scan, Scans, pair
from tusou.storage.registry import LibraryRow, Registry

_log = logging.getLogger(__name__)

_PORTION = 100
"""Pictures whose numbers are looked up at a time."""


class Comparing:
    """Looks for scans when it is told to, and goes on with them until they are made.

    Only pictures that no scan has compared are: with all others, so that every pair had its turn.
    Each is written down when it is compared: a restart goes on there, and an add waits for one
    short transaction at most.

    Args:
        rest: Seconds of rest for each second of work, so that requests keep the cores.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, blobs: Blobs, rest: float = 1.0
    ) -> None:
        self._database = database
        self._registry = Registry(database)
        self._scans = Scans(database)
        self._catalogue = catalogue
        self._blobs = blobs
        self._rest = rest
        self._stopping = threading.Event()

    def run(self, only: int | None = None) -> None:
        """Go on with every scan that was asked for, or with that of one library by its number."""
        scans = [scan for scan in self._scans.open() if only in (None, scan.library_id)]
        rows = {row.id: row for row in self._registry.list()} if scans else {}
        for scan in scans:
            if self._stopping.is_set():
                return
            if scan.library_id not in rows:  # given up at this moment
                continue
            self._scans.begin(scan)
            try:
                if self._advance(rows[scan.library_id], scan):
                    self._scans.end(scan)
            except TusouError as error:  # a store or the model is busy or down; the next turn
                _log.info("library %d is not compared yet: %s", scan.library_id, error.message)
                self._scans.hold(scan, error.message)

    def stop(self) -> None:
        """Break off the scan in hand soon; it goes on when the server runs again."""
        self._stopping.set()

    def _advance(self, row: LibraryRow, scan: Scan) -> bool:
        """Compare until all are compared; False where it was broken off."""
        library, pairs = self._catalogue.open(row), Pairs(self._database, row.id)
        last, comparison = scan.last, None
        while portion := pairs.portion(last, scan.until, _PORTION):
            view = library.view
            if comparison is None or comparison.view is not view:
                comparison = Comparison(library.service, view, pairs, self._blobs)
            for key in portion:
                started = time.monotonic()
                same = _same_as(comparison, key)
                if library.view is not view:
                    break  # moved to another pack, whose vectors must be read from here on
                pairs.found({pair(key, other): score for other, score in same.items()}, key)
                last = key
                if self._stopping.wait((time.monotonic() - started) * self._rest):
                    return False
        return True


def _same_as(comparison: Comparison, key: int) -> dict[int, float]:
    try:
        return comparison.same_as(key)
    except TusouError:
        raise
    except Exception:
        # One picture that nobody foresaw must not keep all that come after it from being compared.
        _log.exception("picture %d could not be compared, and is passed over", key)
        return {}
