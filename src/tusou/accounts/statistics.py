"""How many calls there were, by hour, day and month, for the operator, the console and bills."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select

from tusou.accounts.calendar import DAY, HOUR, Calendar, Period
from tusou.accounts.usage import Reached, reached
from tusou.errors import AT_GATE
from tusou.storage.database import Database, add_up
from tusou.storage.tables import usage


class Total(NamedTuple):
    """Calls of one hour, day or month with one outcome."""

    app_id: int
    service: str
    operation: str
    period: str
    """`2026-11-22T10`, `2026-11-22` or `2026-11`."""
    code: int
    """Of the error; 0 for success."""
    calls: int


class OfDay(NamedTuple):
    """Calls of one day with one outcome."""

    app_id: int
    service: str
    operation: str
    day: int
    """From 0."""
    code: int
    """Of the error; 0 for success."""
    calls: int


def by_day(database: Database, since: int, until: int, app_ids: Iterable[int]) -> list[OfDay]:
    """What some applications have called, by the days from `since`, with which a day begins.

    Added up where it is stored: a month has at most 31 rows where `totals` reads 744.
    """
    day = ((usage.c.hour - since) // DAY).label("day")
    keys = (usage.c.app_id, usage.c.service, usage.c.operation, day, usage.c.code)
    query = (
        select(*keys, func.sum(usage.c.calls))
        .where(usage.c.app_id.in_(set(app_ids)), usage.c.hour >= since, usage.c.hour < until)
        .group_by(*keys[:3], "day", usage.c.code)
    )
    with database.read() as connection:
        return [OfDay(*row[:5], int(row[5])) for row in connection.execute(query)]


def totals(
    database: Database,
    since: int,
    until: int,
    by: Period,
    calendar: Calendar,
    app_id: int | None = None,
) -> list[Total]:
    """Stored calls that ended from `since` (UTC seconds) to before `until`.

    The last second's may be missing, as may those of a server that cannot reach its database.
    """
    keys = (usage.c.app_id, usage.c.service, usage.c.operation, usage.c.hour, usage.c.code)
    query = select(*keys, usage.c.calls).where(usage.c.hour >= since, usage.c.hour < until)
    if app_id is not None:
        query = query.where(usage.c.app_id == app_id)
    found: dict[tuple[int, str, str, str, int], int] = {}
    with database.read() as connection:
        for app, service, operation, hour, code, calls in connection.execute(query):
            key = (app, service, operation, calendar.name(hour, by), code)
            found[key] = found.get(key, 0) + calls
    return [Total(*key, calls) for key, calls in sorted(found.items())]


def last_calls(database: Database, operations: Sequence[str]) -> dict[tuple[int, str], int]:
    """The first second of the hour of the last of such calls, by application and service."""
    query = (
        select(usage.c.app_id, usage.c.service, func.max(usage.c.hour))
        .where(usage.c.operation.in_(operations))
        .group_by(usage.c.app_id, usage.c.service)
    )
    with database.read() as connection:
        return {(app, service): hour for app, service, hour in connection.execute(query)}


def calls_since(database: Database, since: int) -> dict[tuple[int, str], int]:
    """How many calls there were since an hour, by application and service, refused ones too."""
    query = (
        select(usage.c.app_id, usage.c.service, func.sum(usage.c.calls))
        .where(usage.c.hour >= since)
        .group_by(usage.c.app_id, usage.c.service)
    )
    with database.read() as connection:
        return {(app, service): int(calls) for app, service, calls in connection.execute(query)}


class Called(NamedTuple):
    """How often a call was made, and when last."""

    calls: int
    last: int
    """The first second of the hour."""


def calls_of(database: Database, app_id: int, service: str, since: int) -> dict[str, Called]:
    """An application's calls of a service since an hour, by operation, refused ones too."""
    query = (
        select(usage.c.operation, func.sum(usage.c.calls), func.max(usage.c.hour))
        .where(usage.c.app_id == app_id, usage.c.hour >= since, usage.c.service == service)
        .group_by(usage.c.operation)
    )
    with database.read() as connection:
        return {
            operation: Called(int(calls), last)
            for operation, calls, last in connection.execute(query)
        }


def put_back(connection: Connection, app_id: int, hour: int) -> None:
    """Move what an application has called in an hour to the hour before."""
    mine = (usage.c.app_id == app_id) & (usage.c.hour == hour)
    rows = [dict(row._mapping) for row in connection.execute(select(usage).where(mine))]
    if rows:
        connection.execute(delete(usage).where(mine))
        add_up(connection, usage, "calls", [{**row, "hour": hour - HOUR} for row in rows])


def reached_by_hour(
    connection: Connection, app_id: int, since: int, until: int
) -> dict[int, dict[tuple[str, str], Reached]]:
    """An application's calls that reached their service, by hour in order, service and call."""
    query = (
        select(usage.c.hour, usage.c.service, usage.c.operation, usage.c.code, usage.c.calls)
        .where(usage.c.app_id == app_id, usage.c.hour >= since, usage.c.hour < until)
        .where(usage.c.code.not_in(AT_GATE))
        .order_by(usage.c.hour)
    )
    hours: dict[int, dict[tuple[str, str], Reached]] = {}
    for hour, service, operation, code, calls in connection.execute(query):
        found = hours.setdefault(hour, {})
        before = found.get((service, operation), Reached(0, 0))
        found[service, operation] = before.plus(reached(code, calls))
    return hours
