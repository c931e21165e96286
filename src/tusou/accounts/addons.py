"""QPS add-ons: more queries a second for some days or months, bought from the balance."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from sqlalchemy import insert, select

from tusou.accounts.audit import Audit
from tusou.accounts.calendar import months_later
from tusou.accounts.ledger import Entry, afford, find, open_terms, post, require
from tusou.accounts.money import from_millionths, to_millionths
from tusou.accounts.prices import Prices
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import qps_addons

_MOST = 100_000


class Addon(NamedTuple):
    """So many more queries a second for one call of one service."""

    app_id: int
    service: str
    operation: str
    qps: int
    begins: int
    ends: int
    """The first UTC second without it."""
    price: Decimal
    bought: int


class Addons:
    """Sells QPS add-ons."""

    def __init__(
        self,
        database: Database,
        prices: Prices,
        clock: Callable[[], float] = time.time,
        audit: Audit | None = None,
    ) -> None:
        self._database = database
        self._prices = prices
        self._clock = clock
        self._audit = audit or Audit(database)

    def list(self, app_id: int) -> list[Addon]:
        """An application's add-ons, oldest first; those that have ended too."""
        columns = [qps_addons.c[name] for name in Addon._fields]
        query = select(*columns).where(qps_addons.c.app_id == app_id).order_by(qps_addons.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query)
            return [Addon(**{**row._asdict(), "price": from_millionths(row.price)}) for row in rows]

    def buy(
        self,
        app_id: int,
        service: str,
        operation: str,
        qps: int,
        first: date | None,
        length: int,
        unit: Literal["day", "month"],
    ) -> Addon:
        """Sell an add-on from 00:00 of its first day to 24:00 of its last.

        Args:
            app_id: Of the application.
            service: For which.
            operation: And which of its calls.
            qps: How many more.
            first: Its first day; None, or today: from now on.
            length: How many days or months.
            unit: Which of the two; each has its price.

        Raises:
            TusouError: APP_UNKNOWN, no account; INVALID_PARAM, the call is not paid as it comes,
                the day is past, a number is out of range, or the balance does not pay for it.
        """
        if not 0 < qps <= _MOST or not 0 < length <= _MOST:
            raise TusouError(Problem.INVALID_PARAM, f"write numbers from 1 to {_MOST}")
        now = int(self._clock())
        begins, ends = self._span(first, length, unit, now)
        price = qps * length * (self._prices.qps_day if unit == "day" else self._prices.qps_month)
        with self._database.write() as connection:
            account = require(find(connection, app_id, lock=True), app_id)
            if (service, operation) not in open_terms(connection, app_id):
                raise TusouError(
                    Problem.INVALID_PARAM,
                    f"an add-on needs pay-as-you-go or a bought package for {service} {operation}",
                )
            afford(account, price)
            addon = Addon(app_id, service, operation, qps, begins, ends, price, now)
            connection.execute(
                insert(qps_addons).values(**{**addon._asdict(), "price": to_millionths(price)})
            )
            note = f"{qps} QPS for {length} {unit}{'s' if length > 1 else ''}"
            post(connection, Entry(app_id, now, "qps", -price, service, operation, note))
            call = f"{service}/{operation}"
            self._audit.note(connection, "qps.buy", app_id, call=call, qps=qps, until=ends)
        return addon

    def _span(
        self, first: date | None, length: int, unit: Literal["day", "month"], now: int
    ) -> tuple[int, int]:
        calendar = self._prices.calendar
        today = calendar.local(now).date()
        first = first or today
        if first < today:
            raise TusouError(Problem.INVALID_PARAM, f"{first} is past")
        try:
            after = first + timedelta(length) if unit == "day" else months_later(first, length)
        except (OverflowError, ValueError):
            raise TusouError(Problem.INVALID_PARAM, "the add-on would never end") from None
        return max(now, calendar.begin(first)), calendar.begin(after)
