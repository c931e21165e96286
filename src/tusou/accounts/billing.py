"""Bills: what a month cost an application, line by line; and the parts that money is made of."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from tusou.accounts.addons import Addons
from tusou.accounts.audit import Audit
from tusou.accounts.ledger import Account, Ledger
from tusou.accounts.money import from_millionths
from tusou.accounts.packages import Packages
from tusou.accounts.prices import Prices
from tusou.accounts.settlement import Settlement
from tusou.accounts.shortages import Shortage, Shortages
from tusou.accounts.standing import Standing
from tusou.accounts.usage import Usage
from tusou.storage.database import Database
from tusou.storage.tables import apps, charges, ledger

_SOLD = ("package", "qps", "refund")


class Line(NamedTuple):
    """One line of a bill."""

    kind: str
    """`calls`: a month of one call of one service; `package`, `qps`, `refund`: one of these."""
    service: str
    operation: str
    calls: int
    """That succeeded."""
    failed: int
    free: int
    """Of `calls`: from the free allowance."""
    packaged: int
    """Of `calls`: from packages."""
    metered: int
    """Of `calls`: paid as they came."""
    amount: Decimal
    note: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What a month cost an application."""

    app_id: int
    name: str
    month: str
    currency: str
    final: bool
    """Every hour of the month is charged."""
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))


class Billing:
    """Everything about money: accounts, packages, add-ons, the hour's strike and bills."""

    def __init__(
        self,
        database: Database,
        prices: Prices,
        usage: Usage,
        clock: Callable[[], float] = time.time,
        audit: Audit | None = None,
    ) -> None:
        self._database = database
        self._usage = usage
        self.prices = prices
        self.ledger = Ledger(database, prices, clock, audit)
        self.packages = Packages(database, prices, clock, audit)
        self.addons = Addons(database, prices, clock, audit)
        self.standing = Standing(database, prices, usage, clock)
        self.settlement = Settlement(database, prices, clock)
        self.shortages = Shortages(database, self.ledger)

    def strike(self) -> list[Shortage]:
        """If an hour has ended, settle it and tell shortages; the server calls this often."""
        return self.shortages.tell() if self.settlement.strike(self._usage.flush) else []

    def bills(self, month: str, app_id: int | None = None) -> list[Bill]:
        """A month's bills, of every account or one, after charging every hour that is over.

        Args:
            month: Written `2026-11`.
            app_id: Of the application; None: all that have an account.

        Raises:
            ValueError: `month` is none.
            TusouError: APP_UNKNOWN, the application has no account.
        """
        begin, end = self.prices.calendar.month(month)
        self.settlement.settle()
        chosen = self.ledger.accounts() if app_id is None else [self.ledger.account(app_id)]
        with self._database.read() as connection:
            return [self._bill(connection, account, month, begin, end) for account in chosen]

    def _bill(
        self, connection: Connection, account: Account, month: str, begin: int, end: int
    ) -> Bill:
        query = select(apps.c.name).where(apps.c.id == account.app_id)
        return Bill(
            app_id=account.app_id,
            name=str(connection.scalar(query)),
            month=month,
            currency=self.prices.currency,
            final=account.settled >= end,
            lines=(
                *_calls(connection, account.app_id, begin, end),
                *_sales(connection, account.app_id, begin, end),
            ),
        )


def _calls(connection: Connection, app_id: int, begin: int, end: int) -> list[Line]:
    key = charges.c.service, charges.c.operation
    names = ("calls", "failed", "free", "packaged", "metered", "amount")
    query = (
        select(*key, *(func.sum(charges.c[name]).label(name) for name in names))
        .where(charges.c.app_id == app_id, charges.c.hour >= begin, charges.c.hour < end)
        .group_by(*key)
        .order_by(*key)
    )
    return [
        Line(
            "calls",
            row.service,
            row.operation,
            calls=int(row.calls),
            failed=int(row.failed),
            free=int(row.free),
            packaged=int(row.packaged),
            metered=int(row.metered),
            amount=from_millionths(int(row.amount)),
            note="",
        )
        for row in connection.execute(query)
    ]


def _sales(connection: Connection, app_id: int, begin: int, end: int) -> list[Line]:
    query = (
        select(ledger)
        .where(ledger.c.app_id == app_id, ledger.c.time >= begin, ledger.c.time < end)
        .where(ledger.c.kind.in_(_SOLD))
        .order_by(ledger.c.time, ledger.c.id)
    )
    return [
        Line(
            row.kind,
            row.service,
            row.operation,
            calls=0,
            failed=0,
            free=0,
            packaged=0,
            metered=0,
            amount=-from_millionths(row.amount),
            note=row.note,
        )
        for row in connection.execute(query)
    ]
