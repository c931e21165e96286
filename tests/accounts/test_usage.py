"""Metering: every call counted once, whatever happens to the process or its database."""

import random
import threading
from collections import Counter
from typing import Any, Literal

import pytest
from sqlalchemy import event, select

from support.clock import Clock
from support.outage import outage
from tusou.accounts.calendar import HOUR, Calendar, hour_of
from tusou.accounts.statistics import Total, totals
from tusou.accounts.usage import Reached, Usage
from tusou.errors import Problem, TusouError
from tusou.storage import database as storage
from tusou.storage.database import Database
from tusou.storage.tables import usage as table
from tusou.storage.tables import usage_writers

BEIJING = Calendar(8)
EVER = 1 << 40


def _stored(database: Database) -> dict[tuple[Any, ...], int]:
    with database.read() as connection:
        return {tuple(row)[:-1]: row.calls for row in connection.execute(select(table))}


def test_calls_are_counted_by_application_call_hour_and_outcome(
    usage: Usage, database: Database, clock: Clock
) -> None:
    hour = hour_of(clock.now)
    usage.record(1, "similar", "search", None)
    usage.record(1, "similar", "search", None)
    usage.record(1, "similar", "search", Problem.IMAGE_SIZE.code)
    usage.record(1, "similar", "add", None)
    usage.record(2, "similar", "search", None)
    clock.now += HOUR
    usage.record(1, "similar", "search", None)
    assert _stored(database) == {}
    usage.flush()
    usage.flush()
    assert _stored(database) == {
        (1, "similar", "search", hour, 0): 2,
        (1, "similar", "search", hour, Problem.IMAGE_SIZE.code): 1,
        (1, "similar", "add", hour, 0): 1,
        (2, "similar", "search", hour, 0): 1,
        (1, "similar", "search", hour + HOUR, 0): 1,
    }


def test_many_threads_lose_no_call_and_count_none_twice(database: Database, clock: Clock) -> None:
    usage = Usage(database, clock)
    threads, each = 16, 500
    stop = threading.Event()
    seen: list[int] = []

    def call(number: int) -> None:
        for _ in range(each):
            usage.record(number % 2, "similar", "search", None)

    def flush() -> None:
        while not stop.is_set():
            usage.flush()

    def watch() -> None:
        while not stop.is_set():
            clock.now += 11  # so that what is remembered is too old each time
            seen.append(usage.counted(0, "similar", "search", 0))

    helpers = [threading.Thread(target=work) for work in (flush, watch)]
    callers = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
    for thread in helpers + callers:
        thread.start()
    for thread in callers:
        thread.join()
    stop.set()
    for thread in helpers:
        thread.join()
    usage.flush()
    stored = Counter[int]()
    for key, calls in _stored(database).items():
        stored[key[0]] += calls
    assert stored == {0: threads * each // 2, 1: threads * each // 2}
    assert seen == sorted(seen)  # a total that fell or jumped back would have lost or doubled one
    assert seen[-1] <= threads * each // 2
    assert usage.counted(0, "similar", "search", 0) == threads * each // 2


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_flush_that_fails_keeps_its_counts_and_adds_them_once(
    usage: Usage, database: Database, moment: Literal["before", "after"]
) -> None:
    usage.record(1, "similar", "search", None)
    with outage(database, moment), pytest.raises(TusouError):
        usage.flush()
    usage.record(1, "similar", "search", None)
    assert usage.counted(1, "similar", "search", 0) == 2
    with outage(database, moment), pytest.raises(TusouError):
        usage.flush()
    usage.record(1, "similar", "search", None)
    assert usage.counted(1, "similar", "search", 0) == 3
    usage.flush()
    assert list(_stored(database).values()) == [3]
    assert usage.counted(1, "similar", "search", 0) == 3


def test_the_count_since_an_hour_is_right_with_and_without_a_flush(
    database: Database, clock: Clock
) -> None:
    usage, other = Usage(database, clock), Usage(database, clock)
    chance = random.Random(5)
    since = hour_of(clock.now) + HOUR
    expected = 0
    for _ in range(800):
        clock.now += chance.choice((0, 1, 40))
        recorder = chance.choice((usage, other))
        code = chance.choice((None, None, Problem.ITEM_EXISTS.code, Problem.QPS_LIMIT.code))
        recorder.record(1, "similar", "add", code)
        recorder.record(1, "similar", "search", code)
        expected += clock.now >= since and code != Problem.QPS_LIMIT.code
        if chance.random() < 0.2:
            usage.flush()
        if chance.random() < 0.2:
            other.flush()
            clock.now += 10  # what another process counted shows after ten seconds
            other.flush()
            assert usage.counted(1, "similar", "add", since) == expected
    assert expected > 100


def test_calls_refused_at_the_gate_use_up_nothing(usage: Usage) -> None:
    for problem in (Problem.QPS_LIMIT, Problem.PERMISSION, Problem.MODULE_CLOSED):
        usage.record(1, "similar", "search", problem.code)
    usage.record(1, "similar", "search", Problem.IMAGE_EMPTY.code)
    usage.record(1, "similar", "search", None)
    assert usage.reached(1, "similar", "search", 0) == Reached(1, 1)
    usage.flush()
    assert Usage(usage._database).reached(1, "similar", "search", 0) == Reached(1, 1)


def test_closing_writes_what_is_left_and_leaves_no_trace(
    database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    usage = Usage(database, clock)
    usage.start()
    usage.record(1, "similar", "search", None)
    usage.close()
    assert list(_stored(database).values()) == [1]
    with database.read() as connection:
        assert connection.execute(select(usage_writers)).all() == []
    late = Usage(database, clock)
    late.record(1, "similar", "search", None)
    with outage(database):
        late.close()
    assert "could not be written" in caplog.text


def test_the_thread_writes_within_a_second_and_outlives_an_outage(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tusou.accounts.usage._FLUSH_SECONDS", 0.01)
    usage = Usage(database)
    tries = threading.Semaphore(0)
    with outage(database):
        event.listen(database.engine, "begin", lambda _: tries.release())
        usage.start()
        usage.record(1, "similar", "search", None)
        for _ in range(3):
            assert tries.acquire(timeout=10)
    written = threading.Event()
    event.listen(database.engine, "commit", lambda _: written.set())
    assert written.wait(10)
    usage.close()
    assert list(_stored(database).values()) == [1]
    assert caplog.text.count("tusou-usage failed") == 1


def test_rows_of_processes_long_gone_are_tidied_away(database: Database, clock: Clock) -> None:
    crashed = Usage(database, clock)
    crashed.record(1, "similar", "search", None)
    crashed.flush()
    clock.now += 8 * 24 * HOUR
    usage = Usage(database, clock)
    usage.record(1, "similar", "search", None)
    usage.flush()
    with database.read() as connection:
        assert len(connection.execute(select(usage_writers)).all()) == 1


def test_totals_add_up_over_hours_days_and_months_of_the_place(
    database: Database, clock: Clock
) -> None:
    usage = Usage(database, clock)
    clock.now = BEIJING.month("2026-03")[0] - HOUR  # the last hour of February there
    for _ in range(26):
        usage.record(1, "similar", "search", None)
        usage.record(2, "similar", "search", Problem.ITEM_MISSING.code)
        clock.now += HOUR
    usage.flush()
    months = totals(database, 0, EVER, "month", BEIJING)
    assert months == [
        Total(1, "similar", "search", "2026-02", 0, 1),
        Total(1, "similar", "search", "2026-03", 0, 25),
        Total(2, "similar", "search", "2026-02", Problem.ITEM_MISSING.code, 1),
        Total(2, "similar", "search", "2026-03", Problem.ITEM_MISSING.code, 25),
    ]
    days = totals(database, 0, EVER, "day", BEIJING, app_id=1)
    assert [(row.period, row.calls) for row in days] == [
        ("2026-02-28", 1),
        ("2026-03-01", 24),
        ("2026-03-02", 1),
    ]
    hours = totals(database, *BEIJING.month("2026-03"), "hour", BEIJING, app_id=1)
    assert len(hours) == 25
    assert hours[0].period == "2026-03-01T00"


def test_adding_up_inserts_what_is_new_and_adds_to_what_is_there(database: Database) -> None:
    row = {"app_id": 1, "service": "s", "operation": "o", "hour": 0, "code": 0, "calls": 2}
    for _ in range(2):
        with database.write() as connection:
            storage.add_up(connection, table, "calls", [row, row, {**row, "code": 3}])
    assert _stored(database) == {(1, "s", "o", 0, 0): 8, (1, "s", "o", 0, 3): 4}
