"""Sweeps up what a crash left behind: picture files that no row refers to."""

import logging
import time
from collections.abc import Iterable

from tusou.library.feedback import feedback_blobs
from tusou.storage.blobs import Blobs
from tusou.storage.database import Database
from tusou.storage.items import blob_names, first_app

_log = logging.getLogger(__name__)

# A file is written before its row; one this old whose row has not come never gets one.
_GRACE_SECONDS = 3600.0


def sweep(database: Database, blobs: Blobs, grace: float = _GRACE_SECONDS) -> int:
    """Delete files without a row that are older than `grace` seconds; returns how many.

    Files from before the first application stay: a crash under this database cannot have left them,
    so they are those of a database that is not at its place.
    """
    begun = first_app(database)
    if begun is None:
        return 0
    # Names are listed before rows: a file whose row comes in between is known by its row.
    old = list(_written(blobs.names(), begun, time.time() - grace))
    if not old:
        return 0
    known = blob_names(database) | set(feedback_blobs(database))
    orphans = [name for name in old if name.partition(".")[0] not in known or ".part" in name]
    for name in orphans:
        blobs.delete(name)
    if orphans:
        _log.info("swept up %d files that no picture refers to", len(orphans))
    return len(orphans)


def _written(names: Iterable[tuple[str, float]], since: float, before: float) -> Iterable[str]:
    return (name for name, written in names if since <= written < before)
