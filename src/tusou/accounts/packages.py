"""Packages of calls: bought from the balance, granted by the operator, refunded while unused."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection, Row, insert, select, update

from tusou.accounts.audit import Audit
from tusou.accounts.calendar import DAY, HOUR, hour_of
from tusou.accounts.charging import Package, draw
from tusou.accounts.ledger import Entry, afford, begin_term, find, post, require
from tusou.accounts.money import from_millionths, to_millionths
from tusou.accounts.prices import Prices
from tusou.accounts.statistics import reached_by_hour
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import packages


class Packages:
    """Sells packages and takes them back."""

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

    def list(self, app_id: int) -> list[Package]:
        """An application's packages and free allowances, oldest first; spent ones too."""
        with self._database.read() as connection:
            return packages_of(connection, app_id)

    def buy(self, app_id: int, service: str, operation: str, size: int) -> Package:
        """Sell a package; from then on, calls past it are paid as they come.

        Raises:
            TusouError: APP_UNKNOWN, no account; INVALID_PARAM, no such package is for sale, or
                the balance does not pay for it.
        """
        call = self._prices.calls.get((service, operation))
        price = None if call is None else call.packages.get(size)
        if call is None or price is None:
            sizes = ", ".join(str(known) for known in call.packages) if call else "none"
            raise TusouError(
                Problem.INVALID_PARAM,
                f"no package of {size} calls for {service} {operation}; there are {sizes}",
            )
        now = int(self._clock())
        with self._database.write() as connection:
            afford(require(find(connection, app_id, lock=True), app_id), price)
            package = self._insert(connection, app_id, service, operation, "bought", size, price)
            note = f"package {package.id}: {size} calls"
            post(connection, Entry(app_id, now, "package", -price, service, operation, note))
            begin_term(connection, app_id, service, operation, now)
            self._note(connection, "package.buy", package)
        return package

    def grant(self, app_id: int, service: str, operation: str, size: int) -> Package:
        """Give a package of any size for nothing; calls past it are not paid because of it.

        Raises:
            TusouError: APP_UNKNOWN, no account; INVALID_PARAM, the call is free, or no size.
        """
        if (service, operation) not in self._prices.calls or size < 1:
            raise TusouError(
                Problem.INVALID_PARAM, f"{size} calls of {service} {operation} cannot be granted"
            )
        with self._database.write() as connection:
            require(find(connection, app_id, lock=True), app_id)
            nothing = Decimal(0)
            package = self._insert(connection, app_id, service, operation, "granted", size, nothing)
            self._note(connection, "package.grant", package)
        return package

    def refund(self, package_id: int) -> Package:
        """Take a bought package back that no call has used; its price returns to the balance.

        Raises:
            TusouError: ITEM_MISSING, no such package; INVALID_PARAM, it cannot be refunded.
        """
        now = int(self._clock())
        with self._database.write() as connection:
            package = _get(connection, package_id)
            account = require(find(connection, package.app_id, lock=True), package.app_id)
            package = _get(connection, package_id)  # as it is now that no one else changes it
            self._permit_refund(package, now)
            if _is_drawn_on(connection, package, account.settled, now):
                raise TusouError(Problem.INVALID_PARAM, f"calls have used package {package_id}")
            connection.execute(
                update(packages).where(packages.c.id == package_id).values(refunded=now)
            )
            call = package.service, package.operation
            note = f"package {package_id}"
            post(connection, Entry(package.app_id, now, "refund", package.price, *call, note))
            self._note(connection, "package.refund", package)
        return replace(package, refunded=now)

    def _note(self, connection: Connection, act: str, package: Package) -> None:
        call = f"{package.service}/{package.operation}"
        facts = {"package": package.id, "call": call, "size": package.size}
        self._audit.note(connection, act, package.app_id, **facts)

    def _permit_refund(self, package: Package, now: int) -> None:
        days = self._prices.refund_days
        obstacles = {
            "was not bought": package.kind != "bought",
            "was refunded": package.refunded is not None,
            "has been used": package.left < package.size,
            f"was bought more than {days} days ago": now - package.bought > days * DAY,
        }
        for obstacle, there in obstacles.items():
            if there:
                raise TusouError(Problem.INVALID_PARAM, f"package {package.id} {obstacle}")

    def _insert(
        self,
        connection: Connection,
        app_id: int,
        service: str,
        operation: str,
        kind: str,
        size: int,
        price: Decimal,
    ) -> Package:
        now = int(self._clock())
        expires = self._prices.calendar.same_time_months_later(now, self._prices.package_months)
        row = {
            "app_id": app_id,
            "service": service,
            "operation": operation,
            "kind": kind,
            "size": size,
            "left": size,
            "price": to_millionths(price),
            "bought": now,
            "expires": expires,
        }
        result = connection.execute(insert(packages).values(**row))
        assert result.inserted_primary_key is not None  # noqa: S101 - narrows the type
        return _get(connection, result.inserted_primary_key[0])


def packages_of(connection: Connection, app_id: int) -> list[Package]:
    """An application's packages, oldest first."""
    query = select(packages).where(packages.c.app_id == app_id).order_by(packages.c.id)
    return [_package(row) for row in connection.execute(query)]


def store_left(connection: Connection, used: list[Package]) -> None:
    """Write what is left of packages."""
    for package in used:
        connection.execute(
            update(packages).where(packages.c.id == package.id).values(left=package.left)
        )


def _is_drawn_on(connection: Connection, package: Package, since: int, now: int) -> bool:
    """Whether the hours that are not charged yet will take calls from a package."""
    call = package.service, package.operation
    mine = [
        other
        for other in packages_of(connection, package.app_id)
        if (other.service, other.operation) == call
    ]
    until = hour_of(now) + HOUR
    for hour, calls in reached_by_hour(connection, package.app_id, since, until).items():
        if call in calls:
            draw(mine, hour, calls[call])
    return any(other.id == package.id and other.left < other.size for other in mine)


def _get(connection: Connection, package_id: int) -> Package:
    row = connection.execute(select(packages).where(packages.c.id == package_id)).one_or_none()
    if row is None:
        raise TusouError(Problem.ITEM_MISSING, f"package {package_id}")
    return _package(row)


def _package(row: Row[tuple[object, ...]]) -> Package:
    return Package(**{**row._asdict(), "price": from_millionths(row.price)})
