"""Packages: what is for sale, what they cost, and when they can be given back."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from support.calls import count_calls
from support.clock import Clock
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR, hour_of
from tusou.accounts.packages import Packages
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database

SEARCH = ("product", "search")


@pytest.fixture
def packages(billing: Billing, app_id: int) -> Packages:
    billing.ledger.open(app_id, "none")
    billing.ledger.top_up(app_id, Decimal(20_000))
    return billing.packages


def _refused(act: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(TusouError) as caught:
        act(*arguments)
    assert caught.value.problem is Problem.INVALID_PARAM
    return caught.value.detail


def test_a_package_is_paid_from_the_balance_and_opens_pay_as_you_go(
    packages: Packages, billing: Billing, app_id: int, clock: Clock
) -> None:
    package = packages.buy(app_id, *SEARCH, 500_000)
    assert (package.size, package.left, package.price) == (500_000, 500_000, Decimal(6000))
    calendar = billing.prices.calendar
    assert calendar.local(package.expires) == calendar.local(clock.now).replace(
        year=calendar.local(clock.now).year + 1
    )
    assert billing.ledger.account(app_id).balance == 14_000
    assert billing.ledger.paid(app_id) == {SEARCH}
    assert packages.list(app_id) == [package]


def test_what_is_not_for_sale_or_too_dear_is_refused_and_costs_nothing(
    packages: Packages, billing: Billing, app_id: int
) -> None:
    assert "there are 100000, 500000" in _refused(packages.buy, app_id, *SEARCH, 123)
    assert "there are none" in _refused(packages.buy, app_id, "product", "delete", 100_000)
    told = _refused(packages.buy, app_id, *SEARCH, 5_000_000)
    assert told == "the balance of 20,000.00 does not pay for 30,000.00"
    with pytest.raises(TusouError):
        packages.buy(5, *SEARCH, 100_000)
    assert packages.list(app_id) == []
    assert billing.ledger.account(app_id).balance == 20_000
    assert billing.ledger.paid(app_id) == set()


def test_a_granted_package_costs_nothing_now_or_later(
    packages: Packages, billing: Billing, app_id: int
) -> None:
    package = packages.grant(app_id, *SEARCH, 77)
    assert (package.left, package.price, package.kind) == (77, Decimal(0), "granted")
    assert billing.ledger.account(app_id).balance == 20_000
    assert billing.ledger.paid(app_id) == set()
    _refused(packages.grant, app_id, "product", "update", 5)
    _refused(packages.grant, app_id, *SEARCH, 0)


def test_an_unused_package_is_refunded_once_within_seven_days(
    packages: Packages, billing: Billing, app_id: int, clock: Clock
) -> None:
    first = packages.buy(app_id, *SEARCH, 100_000)
    second = packages.buy(app_id, *SEARCH, 100_000)
    clock.now += 7 * DAY
    assert packages.refund(first.id).refunded == int(clock.now)
    assert billing.ledger.account(app_id).balance == 18_500
    assert "was refunded" in _refused(packages.refund, first.id)
    clock.now += 1
    assert "more than 7 days" in _refused(packages.refund, second.id)
    granted = packages.grant(app_id, *SEARCH, 5)
    assert "was not bought" in _refused(packages.refund, granted.id)
    assert billing.ledger.account(app_id).balance == 18_500
    with pytest.raises(TusouError) as caught:
        packages.refund(99)
    assert caught.value.problem is Problem.ITEM_MISSING


def test_a_used_package_is_not_refunded_even_before_the_hour_is_charged(
    packages: Packages, billing: Billing, app_id: int, clock: Clock, database: Database
) -> None:
    used = packages.buy(app_id, *SEARCH, 100_000)
    spare = packages.buy(app_id, *SEARCH, 500_000)
    count_calls(database, app_id, SEARCH, hour_of(clock.now), 1)
    assert "calls have used" in _refused(packages.refund, used.id)
    clock.now += HOUR
    billing.settlement.settle()
    assert "has been used" in _refused(packages.refund, used.id)
    packages.refund(spare.id)


def test_failed_calls_and_calls_that_others_pay_for_leave_a_package_unused(
    packages: Packages, app_id: int, clock: Clock, database: Database
) -> None:
    hour = hour_of(clock.now)
    packages.grant(app_id, *SEARCH, 5)
    package = packages.buy(app_id, *SEARCH, 100_000)
    count_calls(database, app_id, SEARCH, hour, 9, Problem.IMAGE_SIZE.code)
    count_calls(database, app_id, SEARCH, hour, 5)  # from the granted one, which is smaller
    count_calls(database, app_id, ("product", "add"), hour, 50)
    clock.now += 1
    # Both expire in a year, the granted one a second earlier or at once.
    assert packages.refund(package.id).refunded is not None
