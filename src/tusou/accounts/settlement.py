"""The hour's strike: every account's calls of the hour are charged, once."""

import time
from collections.abc import Callable
from decimal import Decimal

from sqlalchemy import Connection, func, insert, select, update

from tusou.accounts.calendar import hour_of
from tusou.accounts.charging import Charge, Charging
from tusou.accounts.ledger import Account, Entry, find, post, terms
from tusou.accounts.money import to_millionths
from tusou.accounts.packages import packages_of, store_left
from tusou.accounts.prices import Priced, Prices
from tusou.accounts.statistics import reached_by_hour
from tusou.storage.database import Database
from tusou.storage.tables import accounts, charges

_GRACE_SECONDS = 5  # for the last counts of an hour to be written


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

    def strike(self, flush: Callable[[], None]) -> bool:
        """Settle if an hour has ended since the last time, and say whether; call it often.

        Args:
            flush: Writes the counts of calls that this process holds, before they are charged.
        """
        until = self._over()
        if until <= self._settled:
            return False
        flush()
        self.settle()
        self._settled = until
        return True

    def settle(self) -> None:
        """Charge every hour that is over and not charged."""
        until = self._over()
        query = select(accounts.c.app_id).where(accounts.c.settled < until)
        with self._database.read() as connection:
            waiting = list(connection.scalars(query.order_by(accounts.c.app_id)))
        for app_id in waiting:
            self._settle(app_id, until)

    def _over(self) -> int:
        return hour_of(self._clock() - _GRACE_SECONDS)

    def _settle(self, app_id: int, until: int) -> None:
        with self._database.write() as connection:
            account = find(connection, app_id, lock=True)
            if account is None or account.settled >= until:
                return  # another process was first
            self._charge(connection, account, until)
            connection.execute(
                update(accounts).where(accounts.c.app_id == app_id).values(settled=until)
            )

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
