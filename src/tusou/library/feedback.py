"""What users say of results, kept with picture and score: material to set thresholds with."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from tusou.errors import Problem, TusouError
from tusou.storage.blobs import Blobs, new_name
from tusou.storage.database import Database
from tusou.storage.tables import feedback
from tusou.types import ContSign, Hit

_SEARCHES_REMEMBERED = 10_000
_HITS_REMEMBERED = 20


@dataclass(frozen=True, slots=True)
class Report:
    """One thing said of a result; all fields may be missing."""

    log_id: int | None = None
    """Of the search it speaks of; fills in service, sign and score while it is remembered."""
    service: str | None = None
    sign: ContSign | None = None
    score: float | None = None
    correct: bool | None = None
    image: bytes | None = None
    """The query picture, as it came."""
    payload: dict[str, Any] = field(default_factory=dict)
    """All that was said, less the picture."""


class Feedback:
    """Takes reports, and remembers recent searches to know what they speak of."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._searches: OrderedDict[tuple[int, int], tuple[str, Sequence[Hit]]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, app_id: int, log_id: int, service: str, hits: Sequence[Hit]) -> None:
        """Keep a search's first results for reports that name its log_id."""
        with self._lock:
            self._searches[app_id, log_id] = (service, tuple(hits[:_HITS_REMEMBERED]))
            if len(self._searches) > _SEARCHES_REMEMBERED:
                self._searches.popitem(last=False)

    def record(self, app_id: int, reports: Sequence[Report]) -> None:
        """Keep reports, all of them or none.

        Raises:
            TusouError: MISSING_PARAM, there are none.
        """
        if not reports:
            raise TusouError(Problem.MISSING_PARAM, "param feedback not exist")
        rows = []
        kept: list[str] = []
        try:
            for report in reports:
                blob = ""
                if report.image is not None:
                    blob = new_name()
                    self._blobs.put(blob, report.image)
                    kept.append(blob)
                rows.append(self._row(app_id, report, blob))
            with self._database.write() as connection:
                connection.execute(insert(feedback), rows)
        except BaseException:
            for blob in kept:
                self._blobs.delete(blob)
            raise

    def _row(self, app_id: int, report: Report, blob: str) -> dict[str, object]:
        service, sign, score = report.service, report.sign, report.score
        with self._lock:
            known = self._searches.get((app_id, report.log_id or 0))
        if known is not None:
            service, hits = service or known[0], known[1]
            hit = next((hit for hit in hits if sign is None or hit.sign == sign), None)
            if hit is not None:
                sign, score = hit.sign, hit.score if score is None else score
        return {
            "app_id": app_id,
            "log_id": report.log_id,
            "service": service,
            "sign": None if sign is None else int(sign),
            "score": score,
            "correct": report.correct,
            "blob": blob,
            "payload": json.dumps(report.payload, ensure_ascii=False),
            "created": int(time.time()),
        }


def feedback_blobs(database: Database) -> Iterator[str]:
    """The blobs that reports refer to."""
    with database.read() as connection:
        yield from connection.scalars(select(feedback.c.blob).where(feedback.c.blob != ""))
