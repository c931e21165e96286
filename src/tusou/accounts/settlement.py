"""The hour's strike: every account's calls charged once, arrears found, shortages foreseen."""

import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from tusou.accounts.calendar import DAY, hour_of
from tusou.accounts.charging import Charge, Charging
from tusou.accounts.ledger import UNWARNED, Account, Entry, find, post, terms
from tusou.accounts.money import from_millionths, plain, to_millionths
from tusou.accounts.packages import packages_of, store_left
from tusou.accounts.prices import Priced, Prices
from tusou.accounts.statistics import reached_by_hour
from tusou.storage.database import Database
from tusou.storage.tables import accounts, charges

_log = logging.getLogger(__name__)

ARREARS = 0
_WARN_DAYS = (ARREARS, 1, 2, 3)
_HISTORY = 7 * DAY  # what the estimate of a day's spending looks back on
_GRACE_SECONDS = 5  # for the last counts of an hour to be written


class Shortage(NamedTuple):
    """A warning: the balance lasts about so many days more; 0: it is used up."""

    app_id: int
    balance: Decimal
    days: int


class Settlement:
    """Charges hours that are over.

    An account, its packages, its charges and its ledger change in one transaction, which also
    moves the account's `settled`; so an hour is charged once, whoever is killed when.
    """

    def __init__(
        self, database: Database, prices: Prices, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._prices = prices
        self._clock = clock
        self._settled = 0

    def strike(self, flush: Callable[[], None]) -> list[Shortage]:
        """Settle if an hour has ended since the last time; call it often.

        Args:
            flush: Writes the counts of calls that this process holds, before they are charged.
        """
        until = hour_of(self._clock() - _GRACE_SECONDS)
        if until <= self._settled:
            return []
        flush()
        found = self.settle()
        self._settled = until
        return found

    def settle(self) -> list[Shortage]:
        """Charge every hour that is over and not charged; warnings are logged and returned."""
        until = hour_of(self._clock() - _GRACE_SECONDS)
        with self._database.read() as connection:
            query = select(accounts.c.app_id).where(accounts.c.settled < until)
            waiting = list(connection.scalars(query.order_by(accounts.c.app_id)))
        found = [self._settle(app_id, until) for app_id in waiting]
        shortages = [shortage for shortage in found if shortage is not None]
        for shortage in shortages:
            line = {
                "event": "arrears" if shortage.days == ARREARS else "low balance",
                "app_id": shortage.app_id,
                "balance": plain(shortage.balance),
                "days": shortage.days,
            }
            _log.warning("balance of application %s", shortage.app_id, extra={"line": line})
        return shortages

    def _settle(self, app_id: int, until: int) -> Shortage | None:
        with self._database.write() as connection:
            account = find(connection, app_id, lock=True)
            if account is None or account.settled >= until:
                return None  # another process was first
            self._charge(connection, account, until)
            connection.execute(
                update(accounts).where(accounts.c.app_id == app_id).values(settled=until)
            )
            return _warn(connection, app_id, until)

    def _charge(self, connection: Connection, account: Account, until: int) -> None:
        hours = reached_by_hour(connection, account.app_id, account.settled, until)
        if not hours:
            return
        packages = packages_of(connection, account.app_id)
        before = {package.id: package.left for package in packages}
        charging = Charging(
            account.app_id,
            self._prices,
            packages,
            terms(connection, account.app_id),
            self._metered(connection, account),
        )
        for hour, calls in hours.items():
            made = [charging.charge(hour, call, reached) for call, reached in calls.items()]
            _book(connection, account.app_id, [charge for charge in made if charge is not None])
        store_left(connection, [row for row in packages if row.left != before[row.id]])

    def _metered(self, connection: Connection, account: Account) -> dict[tuple[Priced, int], int]:
        """Calls paid as they came so far in the month of the first hour to be charged."""
        month = self._prices.calendar.month_of(account.settled)
        query = (
            select(charges.c.service, charges.c.operation, func.sum(charges.c.metered))
            .where(charges.c.app_id == account.app_id, charges.c.hour >= month)
            .group_by(charges.c.service, charges.c.operation)
        )
        return {
            ((service, operation), month): int(calls)
            for service, operation, calls in connection.execute(query)
        }


def _book(connection: Connection, app_id: int, hour: list[Charge]) -> None:
    """Write one hour's charges, and take what they come to from the balance."""
    if not hour:
        return
    connection.execute(
        insert(charges),
        [{**charge._asdict(), "amount": to_millionths(charge.amount)} for charge in hour],
    )
    total = sum((charge.amount for charge in hour), Decimal(0))
    if total:
        post(connection, Entry(app_id, hour[0].hour, "calls", -total))


def _warn(connection: Connection, app_id: int, until: int) -> Shortage | None:
    """Find the warning that an account has come to; each is given once until money comes."""
    account = find(connection, app_id)
    if account is None:
        return None
    days = _days_left(connection, account, until)
    if days == account.warned:
        return None
    connection.execute(update(accounts).where(accounts.c.app_id == app_id).values(warned=days))
    return Shortage(app_id, account.balance, days) if days < account.warned else None


def _days_left(connection: Connection, account: Account, until: int) -> int:
    """The tightest of the warnings that holds, by what the last days have cost on average."""
    if account.in_arrears:
        return ARREARS
    query = select(func.coalesce(func.sum(charges.c.amount), 0)).where(
        charges.c.app_id == account.app_id, charges.c.hour >= until - _HISTORY
    )
    spent = from_millionths(int(connection.scalar(query) or 0))
    # A younger account is judged by its own life, by a day of it at least.
    span = min(_HISTORY, max(DAY, until - hour_of(account.opened)))
    a_day = spent * DAY / span
    lasts = (days for days in _WARN_DAYS if days and account.balance < days * a_day)
    return min(lasts, default=UNWARNED)
