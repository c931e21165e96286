"""Accounts: an application's balance, every change of it, and the calls it pays as they come."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from tusou.accounts.audit import Audit
from tusou.accounts.calendar import DAY, hour_of
from tusou.accounts.charging import FREE, Term
from tusou.accounts.money import from_millionths, shown, to_millionths
from tusou.accounts.prices import Plan, Priced, Prices
from tusou.accounts.statistics import put_back
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import accounts, ledger, packages, paid_calls

Kind = Literal["top-up", "withdrawal", "package", "qps", "calls", "refund"]

UNWARNED = 127
"""Days of the last warning of an account that has had none since it was last well filled."""


@dataclass(frozen=True, slots=True)
class Account:
    """An application's money. In arrears its balance is below nothing."""

    app_id: int
    plan: str
    balance: Decimal
    settled: int
    """Hours that begin before this UTC second are charged."""
    warned: int
    opened: int

    @property
    def in_arrears(self) -> bool:
        """The balance did not pay for the last hour."""
        return self.balance < 0


class Entry(NamedTuple):
    """One change of a balance."""

    app_id: int
    time: int
    kind: Kind
    amount: Decimal
    """What the balance grew by."""
    service: str = ""
    operation: str = ""
    note: str = ""


class Ledger:
    """Opens accounts and moves money."""

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

    def open(self, app_id: int, plan: str) -> Account:
        """Give an application an account and its plan's free allowances, valid from now.

        Raises:
            TusouError: APP_UNKNOWN; ITEM_EXISTS, it has an account; INVALID_PARAM, no such plan.
        """
        chosen = self._prices.plans.get(plan)
        if chosen is None:
            known = ", ".join(self._prices.plans)
            raise TusouError(Problem.INVALID_PARAM, f"no plan {plan}; there are {known}")
        now = int(self._clock())
        row = {"app_id": app_id, "plan": plan, "balance": 0, "warned": UNWARNED}
        try:
            with self._database.write(f"account {app_id}") as connection:
                if find(connection, app_id) is not None:
                    raise TusouError(Problem.ITEM_EXISTS, f"application {app_id} has an account")
                connection.execute(insert(accounts).values(**row, settled=hour_of(now), opened=now))
                put_back(connection, app_id, hour_of(now))  # it was free when it was called
                if chosen.free:
                    connection.execute(insert(packages), _allowances(app_id, chosen, now))
                self._audit.note(connection, "account.open", app_id, plan=plan)
        except IntegrityError:
            raise TusouError(Problem.APP_UNKNOWN, str(app_id)) from None
        return self.account(app_id)

    def account(self, app_id: int) -> Account:
        """An application's account.

        Raises:
            TusouError: APP_UNKNOWN, it has none.
        """
        with self._database.read() as connection:
            return require(find(connection, app_id), app_id)

    def look(self, app_id: int) -> Account | None:
        """An application's account, None where it has none."""
        with self._database.read() as connection:
            return find(connection, app_id)

    def accounts(self) -> list[Account]:
        """All accounts, by AppID."""
        with self._database.read() as connection:
            rows = connection.execute(select(accounts).order_by(accounts.c.app_id))
            return [_account(row) for row in rows]

    def entries(self, app_id: int, since: int, until: int) -> list[Entry]:
        """What changed a balance from `since` (UTC seconds) to before `until`, oldest first."""
        columns = [ledger.c[name] for name in Entry._fields]
        query = select(*columns).where(
            ledger.c.app_id == app_id, ledger.c.time >= since, ledger.c.time < until
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(ledger.c.time, ledger.c.id))
            return [
                Entry(**{**row._asdict(), "amount": from_millionths(row.amount)}) for row in rows
            ]

    def top_up(self, app_id: int, amount: Decimal, note: str = "") -> Account:
        """Add money to a balance.

        Raises:
            TusouError: APP_UNKNOWN; INVALID_PARAM, there is nothing to add.
        """
        return self._move(app_id, "top-up", amount, note)

    def withdraw(self, app_id: int, amount: Decimal, note: str = "") -> Account:
        """Pay money of a balance back.

        Raises:
            TusouError: APP_UNKNOWN; INVALID_PARAM, the balance has not so much.
        """
        return self._move(app_id, "withdrawal", amount, note)

    def pay(self, app_id: int, calls: Iterable[Priced]) -> None:
        """Open pay-as-you-go for calls: past allowance and packages they are served and charged.

        Raises:
            TusouError: APP_UNKNOWN; INVALID_PARAM, a call has no price.
        """
        with self._database.write() as connection:
            require(find(connection, app_id, lock=True), app_id)
            for service, operation in calls:
                if (service, operation) not in self._prices.calls:
                    raise TusouError(
                        Problem.INVALID_PARAM, f"{service} {operation} has no price: it is free"
                    )
                begin_term(connection, app_id, service, operation, int(self._clock()))
                self._audit.note(connection, "account.pay", app_id, call=f"{service}/{operation}")

    def stop_paying(self, app_id: int, calls: Iterable[Priced]) -> None:
        """Close pay-as-you-go for calls; the hour in which it is closed is still charged."""
        with self._database.write() as connection:
            require(find(connection, app_id, lock=True), app_id)
            for service, operation in calls:
                if (service, operation) in open_terms(connection, app_id):
                    _end_term(connection, app_id, service, operation, int(self._clock()))
                    self._audit.note(
                        connection, "account.stop", app_id, call=f"{service}/{operation}"
                    )

    def paid(self, app_id: int) -> set[Priced]:
        """The calls that are paid as they come."""
        with self._database.read() as connection:
            return set(open_terms(connection, app_id))

    def _move(self, app_id: int, kind: Kind, amount: Decimal, note: str) -> Account:
        if amount <= 0:
            raise TusouError(Problem.INVALID_PARAM, "the amount must be above nothing")
        with self._database.write() as connection:
            account = require(find(connection, app_id, lock=True), app_id)
            signed = amount
            if kind == "withdrawal":
                afford(account, amount)
                signed = -amount
            post(connection, Entry(app_id, int(self._clock()), kind, signed, note=note))
            self._audit.note(connection, f"account.{kind}", app_id, amount=str(amount), note=note)
            # More money, and the next shortage is a new one.
            connection.execute(
                update(accounts).where(accounts.c.app_id == app_id).values(warned=UNWARNED)
            )
        return self.account(app_id)


def find(connection: Connection, app_id: int, lock: bool = False) -> Account | None:
    """An application's account, None where it has none.

    Args:
        connection: A transaction.
        app_id: Of the application.
        lock: Keep others from changing the account until the transaction ends; whoever changes
            anything of an account takes this first.
    """
    query = select(accounts).where(accounts.c.app_id == app_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _account(row)


def require(account: Account | None, app_id: int) -> Account:
    """The account, which must be there.

    Raises:
        TusouError: APP_UNKNOWN.
    """
    if account is None:
        raise TusouError(Problem.APP_UNKNOWN, f"application {app_id} has no account")
    return account


def afford(account: Account, price: Decimal) -> None:
    """Pass if the balance pays for something.

    Raises:
        TusouError: INVALID_PARAM, it does not.
    """
    if account.balance < price:
        raise TusouError(
            Problem.INVALID_PARAM,
            f"the balance of {shown(account.balance)} does not pay for {shown(price)}",
        )


def post(connection: Connection, entry: Entry) -> None:
    """Change a balance and say why, in the caller's transaction."""
    number = to_millionths(entry.amount)
    connection.execute(insert(ledger).values(**{**entry._asdict(), "amount": number}))
    connection.execute(
        update(accounts)
        .where(accounts.c.app_id == entry.app_id)
        .values(balance=accounts.c.balance + number)
    )


def begin_term(connection: Connection, app_id: int, service: str, operation: str, now: int) -> None:
    """Make a call one that is paid as it comes, unless it is one already."""
    known = terms(connection, app_id)
    if (service, operation) not in known:
        connection.execute(
            insert(paid_calls).values(
                app_id=app_id, service=service, operation=operation, since=now
            )
        )
    elif known[service, operation].until is not None:
        _end_term(connection, app_id, service, operation, None)


def terms(connection: Connection, app_id: int) -> dict[Priced, Term]:
    """The calls that an application pays or paid as they come."""
    rows = connection.execute(select(paid_calls).where(paid_calls.c.app_id == app_id))
    return {(row.service, row.operation): Term(row.since, row.until) for row in rows}


def open_terms(connection: Connection, app_id: int) -> dict[Priced, Term]:
    """The calls that an application pays as they come now."""
    return {key: term for key, term in terms(connection, app_id).items() if term.until is None}


def _end_term(
    connection: Connection, app_id: int, service: str, operation: str, until: int | None
) -> None:
    connection.execute(
        update(paid_calls)
        .where(
            paid_calls.c.app_id == app_id,
            paid_calls.c.service == service,
            paid_calls.c.operation == operation,
        )
        .values(until=until)
    )


def _allowances(app_id: int, plan: Plan, now: int) -> list[dict[str, object]]:
    return [
        {
            "app_id": app_id,
            "service": service,
            "operation": operation,
            "kind": FREE,
            "size": size,
            "left": size,
            "price": 0,
            "bought": now,
            "expires": now + plan.days * DAY,
        }
        for (service, operation), size in plan.free.items()
    ]


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        app_id=row.app_id,
        plan=row.plan,
        balance=from_millionths(row.balance),
        settled=row.settled,
        warned=row.warned,
        opened=row.opened,
    )
