"""Metering: every call counted once, by application, service, call, hour and outcome.

Counts gather in memory and are added to SQL at most once a second, as one transaction that also
says which batch of which process it was. So a killed process loses the last second at most, and
a batch whose commit seemed to fail can be sent again without being added twice.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, case, delete, func, insert, select

from tusou.accounts.calendar import DAY, hour_of
from tusou.accounts.ticker import Ticker, Work
from tusou.errors import AT_GATE, TusouError
from tusou.storage.database import Database, add_up
from tusou.storage.tables import accounts, usage, usage_writers

_log = logging.getLogger(__name__)

SUCCESS = 0
"""What stands for success where the code of an error would stand."""

_FLUSH_SECONDS = 1.0
_FRESH_SECONDS = 10.0  # how long counts that other processes wrote may go unseen
_MOST_REMEMBERED = 4096
_WRITER_SECONDS = 7 * DAY  # a process that has not written for so long will send nothing again


class Call(NamedTuple):
    """What is counted: one call of one service by one application."""

    app_id: int
    service: str
    operation: str


class Reached(NamedTuple):
    """Calls that reached their service; those refused at the gate are not among them."""

    succeeded: int
    failed: int

    def plus(self, other: "Reached") -> "Reached":
        """Both together."""
        return Reached(self.succeeded + other.succeeded, self.failed + other.failed)

    def minus(self, other: "Reached") -> "Reached":
        """What has come since the other."""
        return Reached(self.succeeded - other.succeeded, self.failed - other.failed)


class _Key(NamedTuple):
    call: Call
    hour: int
    code: int


_Counts = dict[_Key, int]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What memory held at one moment of one call's counts since an hour."""

    batch: int
    sent: Reached
    open: Reached
    recorded: Reached


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A total, what this process had recorded when it was taken, and when that was."""

    total: Reached
    recorded: Reached
    time: float


_NONE = Reached(0, 0)


class Usage:
    """Counts calls, and tells how many there were."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._writer = secrets.token_hex(16)
        self._lock = threading.Lock()  # over all that follows
        self._open: _Counts = {}
        self._sent: _Counts = {}  # on its way; kept until it is known to be written
        self._batch = 0  # number of the last batch that was sent
        self._recorded: dict[Call, Reached] = {}
        self._remembered: dict[tuple[Call, int], _Remembered] = {}
        self.hits = 0  # totals that were remembered
        self.misses = 0  # totals that were counted up from rows
        self._flushing = threading.Lock()
        self._ticker: Ticker | None = None

    def start(self) -> None:
        """Write what was counted once a second, until closed."""
        if self._ticker is None:
            self._ticker = Ticker("tusou-usage", _FLUSH_SECONDS, self.flush)

    @property
    def work(self) -> Work | None:
        """What the thread that writes has done; None where there is none."""
        return None if self._ticker is None else self._ticker.work

    def close(self) -> None:
        """Write what is left; where that cannot be, it is lost, and the log says so."""
        if self._ticker is not None:
            self._ticker.close()
        try:
            self.flush()
            self._sign_off()
        except TusouError:
            _log.exception("the last counts of calls could not be written")

    def record(self, app_id: int, service: str, operation: str, code: int | None) -> None:
        """Count a finished call, under the code of the error it failed with; None is success."""
        call = Call(app_id, service, operation)
        key = _Key(call, hour_of(self._clock()), SUCCESS if code is None else code)
        gone = reached(key.code, 1)
        with self._lock:
            self._open[key] = self._open.get(key, 0) + 1
            self._recorded[call] = self._recorded.get(call, _NONE).plus(gone)

    def counted(self, app_id: int, service: str, operation: str, since: int) -> int:
        """How many calls reached the service from the hour of a UTC second until now.

        Calls that the gate refused (bad token, quota) are in the statistics, not here: they use up
        neither quota nor allowance.
        """
        return sum(self.reached(app_id, service, operation, since))

    def reached(self, app_id: int, service: str, operation: str, since: int) -> Reached:
        """What `counted` counts, by outcome; stored and not yet stored alike."""
        key = Call(app_id, service, operation), hour_of(since)
        if since > self._clock():
            return _NONE
        with self._lock:
            known = self._remembered.get(key)
            if known is not None and abs(self._clock() - known.time) < _FRESH_SECONDS:
                self.hits += 1
                return known.total.plus(self._recorded.get(key[0], _NONE).minus(known.recorded))
            self.misses += 1
        return self._load(*key)

    def flush(self) -> None:
        """Write what was counted so far.

        Raises:
            TusouError: UNAVAILABLE; the counts are kept and go with the next flush.
        """
        with self._flushing:
            while self._take():
                self._write()
                with self._lock:
                    self._sent = {}

    def _take(self) -> bool:
        """Make the open counts the batch to be sent, unless one is still unsent."""
        with self._lock:
            if not self._sent and self._open:
                self._sent, self._open = self._open, {}
                self._batch += 1
            return bool(self._sent)

    def _write(self) -> None:
        batch, sent = self._batch, self._sent
        with self._database.write() as connection:
            if _written(connection, self._writer) >= batch:
                return  # the commit that seemed to fail had not
            add_up(connection, usage, "calls", _rows(connection, sent))
            now = int(self._clock())
            connection.execute(
                delete(usage_writers).where(
                    (usage_writers.c.writer == self._writer)
                    | (usage_writers.c.seen < now - _WRITER_SECONDS)
                )
            )
            connection.execute(
                insert(usage_writers).values(writer=self._writer, batch=batch, seen=now)
            )

    def _sign_off(self) -> None:
        if self._batch:
            with self._database.write() as connection:
                connection.execute(
                    delete(usage_writers).where(usage_writers.c.writer == self._writer)
                )

    def _load(self, call: Call, since: int) -> Reached:
        """Add what is stored to what is not, at one moment, without stopping either."""
        while True:
            memory = self._look(call, since)
            written, stored = self._stored(call, since)
            if written > memory.batch:
                continue  # what was open has been written meanwhile
            unwritten = memory.open.plus(memory.sent) if written < memory.batch else memory.open
            total = stored.plus(unwritten)
            with self._lock:
                if len(self._remembered) >= _MOST_REMEMBERED:
                    self._remembered.clear()
                self._remembered[call, since] = _Remembered(total, memory.recorded, self._clock())
            return total

    def _look(self, call: Call, since: int) -> _Snapshot:
        with self._lock:
            return _Snapshot(
                self._batch,
                _sum(self._sent, call, since),
                _sum(self._open, call, since),
                self._recorded.get(call, _NONE),
            )

    def _stored(self, call: Call, since: int) -> tuple[int, Reached]:
        """The last batch written, and the stored counts; one statement, so of one moment."""
        succeeded = case((usage.c.code == SUCCESS, usage.c.calls), else_=0)
        failed = case((usage.c.code == SUCCESS, 0), else_=usage.c.calls)
        batch = (
            select(usage_writers.c.batch)
            .where(usage_writers.c.writer == self._writer)
            .scalar_subquery()
        )
        query = select(
            func.coalesce(batch, 0),
            func.coalesce(func.sum(succeeded), 0),
            func.coalesce(func.sum(failed), 0),
        ).where(
            usage.c.app_id == call.app_id,
            usage.c.service == call.service,
            usage.c.operation == call.operation,
            usage.c.hour >= since,
            usage.c.code.not_in(AT_GATE),
        )
        with self._database.read() as connection:
            written, good, bad = connection.execute(query).one()
        return int(written), Reached(int(good), int(bad))


def reached(code: int, calls: int) -> Reached:
    """What so many calls with one outcome are to quotas and allowances."""
    if code in AT_GATE:
        return _NONE
    return Reached(calls, 0) if code == SUCCESS else Reached(0, calls)


def _sum(counts: _Counts, call: Call, since: int) -> Reached:
    total = _NONE
    for key, calls in counts.items():
        if key.call == call and key.hour >= since:
            total = total.plus(reached(key.code, calls))
    return total


def _written(connection: Connection, writer: str) -> int:
    query = select(usage_writers.c.batch).where(usage_writers.c.writer == writer)
    return connection.scalar(query) or 0


def _rows(connection: Connection, counts: _Counts) -> list[dict[str, object]]:
    """The counts as rows; one that comes after its hour was charged goes to the next open hour.

    So the books of a charged hour never change, and no call goes uncharged.
    """
    names = {key.call.app_id for key in counts}
    query = (
        select(accounts.c.app_id, accounts.c.settled)
        .where(accounts.c.app_id.in_(names))
        .order_by(accounts.c.app_id)
    )
    settled = {row.app_id: row.settled for row in connection.execute(query.with_for_update())}
    return [
        {
            **key.call._asdict(),
            "hour": max(key.hour, settled.get(key.call.app_id, key.hour)),
            "code": key.code,
            "calls": calls,
        }
        for key, calls in sorted(counts.items())  # one order for all, so that none wait in a ring
    ]
