"""Shortages: balances that are used up, or will be in three, two or one days by estimate."""

import logging
from typing import NamedTuple

from sqlalchemy import func, select, update

from tusou.accounts.calendar import DAY, hour_of
from tusou.accounts.ledger import UNWARNED, Account, Ledger
from tusou.accounts.money import from_millionths, plain
from tusou.storage.database import Database
from tusou.storage.tables import accounts, charges

_log = logging.getLogger(__name__)

ARREARS = 0
_DAYS_AHEAD = (1, 2, 3)
_HISTORY = 7 * DAY  # what the estimate of a day's spending looks back on


class Shortage(NamedTuple):
    """A warning: the balance lasts fewer days than these; 0: it is used up."""

    app_id: int
    balance: str
    days: int


class Shortages:
    """Foresees and tells shortages, each once until money comes."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def tell(self) -> list[Shortage]:
        """Find what there is to be told, log it and return it; after each settlement."""
        found = [self._tell(account) for account in self._ledger.accounts()]
        shortages = [shortage for shortage in found if shortage is not None]
        for shortage in shortages:
            kind = "arrears" if shortage.days == ARREARS else "low balance"
            line = {"event": kind, **shortage._asdict()}
            _log.warning("%s of application %s", kind, shortage.app_id, extra={"line": line})
        return shortages

    def _tell(self, account: Account) -> Shortage | None:
        days = self._days_left(account)
        if days == account.warned:
            return None
        with self._database.write() as connection:
            mine = connection.execute(
                update(accounts)
                .where(accounts.c.app_id == account.app_id, accounts.c.warned == account.warned)
                .values(warned=days)
            )
        if not mine.rowcount or days > account.warned:
            return None  # another process tells it, or things have become better
        return Shortage(account.app_id, plain(account.balance), days)

    def _days_left(self, account: Account) -> int:
        """The tightest of the warnings that holds, by what the last days have cost on average."""
        if account.in_arrears:
            return ARREARS
        query = select(func.coalesce(func.sum(charges.c.amount), 0)).where(
            charges.c.app_id == account.app_id, charges.c.hour >= account.settled - _HISTORY
        )
        with self._database.read() as connection:
            spent = from_millionths(int(connection.scalar(query) or 0))
        # A younger account is judged by its own life, by a day of it at least.
        span = min(_HISTORY, max(DAY, account.settled - hour_of(account.opened)))
        a_day = spent * DAY / span
        lasts = (days for days in _DAYS_AHEAD if account.balance < days * a_day)
        return min(lasts, default=UNWARNED)
