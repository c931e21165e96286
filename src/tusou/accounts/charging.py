"""What an hour's calls cost: free allowance first, then packages, then by the month's tiers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tusou.accounts.calendar import HOUR
from tusou.accounts.prices import Priced, Prices
from tusou.accounts.usage import Reached

FREE = "free"


@dataclass(slots=True)
class Package:
    """Calls given or paid for in advance."""

    id: int
    app_id: int
    service: str
    operation: str
    kind: str
    """`free`: a plan's allowance, which failed calls use up too; `bought`; `granted`."""
    size: int
    left: int
    price: Decimal
    bought: int
    expires: int
    refunded: int | None = None

    def covers(self, hour: int) -> bool:
        """Whether calls of an hour may be taken from it: any hour that it lives in part of."""
        return self.refunded is None and self.bought < hour + HOUR and self.expires > hour

    def take(self, calls: int) -> int:
        """Use up so many calls, or as many as are left; returns how many."""
        taken = min(self.left, calls)
        self.left -= taken
        return taken


class Term(NamedTuple):
    """When a call was paid as it came, in UTC seconds."""

    since: int
    until: int | None
    """None: it still is."""

    def covers(self, hour: int) -> bool:
        """Whether an hour's calls are charged: any hour that it held for part of."""
        return self.since < hour + HOUR and (self.until is None or self.until > hour)


class Drawn(NamedTuple):
    """Where an hour's successful calls were taken from."""

    free: int
    packaged: int
    rest: int


class Charge(NamedTuple):
    """One hour of one call."""

    app_id: int
    service: str
    operation: str
    hour: int
    calls: int
    """That succeeded; what is neither free, packaged nor metered is given away."""
    failed: int
    free: int
    packaged: int
    metered: int
    amount: Decimal


def draw(packages: Iterable[Package], hour: int, reached: Reached) -> Drawn:
    """Take an hour's calls of one service and call from its packages.

    The first to expire comes first, of those the smallest. Within the hour, successful calls come
    before failed ones, which cost nothing but use up the allowance that is left.
    """
    usable = sorted(
        (package for package in packages if package.covers(hour)),
        key=lambda package: (package.expires, package.size, package.id),
    )
    allowances = [package for package in usable if package.kind == FREE]
    rest, failed, free, packaged = reached.succeeded, reached.failed, 0, 0
    for package in allowances:
        free += package.take(rest - free)
    for package in allowances:
        failed -= package.take(failed)
    rest -= free
    for package in usable:
        if package.kind != FREE:
            packaged += package.take(rest - packaged)
    return Drawn(free, packaged, rest - packaged)


class Charging:
    """One application's packages and months, while its hours are charged one after the other.

    Args:
        app_id: Of the application.
        prices: The price list.
        packages: All of the application's; what is taken from them shows in them.
        terms: Calls that are or were paid as they come.
        metered: Calls paid as they came so far, by call and first second of the month.
    """

    def __init__(
        self,
        app_id: int,
        prices: Prices,
        packages: Sequence[Package],
        terms: Mapping[Priced, Term],
        metered: dict[tuple[Priced, int], int],
    ) -> None:
        self._app_id = app_id
        self._prices = prices
        self._terms = terms
        self._metered = metered
        self._packages: dict[Priced, list[Package]] = {}
        for package in packages:
            self._packages.setdefault((package.service, package.operation), []).append(package)

    def charge(self, hour: int, call: Priced, reached: Reached) -> Charge | None:
        """Charge one hour of one call, once; None for a call that has no price."""
        price = self._prices.calls.get(call)
        if price is None:
            return None
        drawn = draw(self._packages.get(call, ()), hour, reached)
        term = self._terms.get(call)
        metered = drawn.rest if term is not None and term.covers(hour) else 0
        month = call, self._prices.calendar.month_of(hour)
        before = self._metered.get(month, 0)
        self._metered[month] = before + metered
        return Charge(
            self._app_id,
            *call,
            hour,
            calls=reached.succeeded,
            failed=reached.failed,
            free=drawn.free,
            packaged=drawn.packaged,
            metered=metered,
            amount=price.cost(before, metered),
        )
