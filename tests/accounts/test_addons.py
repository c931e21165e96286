"""QPS add-ons: when they begin and end, and what they cost."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import pytest

from support.clock import Clock
from tusou.accounts.addons import Addon
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY
from tusou.errors import Problem, TusouError

ADD = ("similar", "add")


@pytest.fixture(autouse=True)
def account(billing: Billing, app_id: int) -> None:
    billing.ledger.open(app_id, "none")
    billing.ledger.top_up(app_id, Decimal(10_000))
    billing.ledger.pay(app_id, [ADD])


def _buy(
    billing: Billing,
    app_id: int,
    first: date | None = None,
    length: int = 1,
    unit: Literal["day", "month"] = "day",
    qps: int = 5,
) -> Addon:
    return billing.addons.buy(app_id, *ADD, qps, first, length, unit)


def _qps(billing: Billing, app_id: int) -> int | None:
    return billing.standing.qps(app_id, *ADD)


def test_an_add_on_from_today_begins_at_once_and_ends_at_midnight_of_its_last_day(
    billing: Billing, app_id: int, clock: Clock
) -> None:
    calendar = billing.prices.calendar
    today = calendar.local(clock.now).date()
    addon = _buy(billing, app_id, length=3)
    assert addon.begins == int(clock.now)
    assert addon.ends == calendar.begin(today + timedelta(3))
    assert addon.price == 150
    assert billing.ledger.account(app_id).balance == 9_850
    assert billing.addons.list(app_id) == [addon]
    assert _qps(billing, app_id) == 15
    assert billing.standing.qps(app_id, "similar", "search") == 2
    clock.now = addon.ends - 1
    assert _qps(billing, app_id) == 15
    clock.now = addon.ends
    assert _qps(billing, app_id) == 10


def test_an_add_on_for_later_waits_for_its_day_and_adds_to_others(
    billing: Billing, app_id: int, clock: Clock
) -> None:
    calendar = billing.prices.calendar
    tomorrow = calendar.local(clock.now).date() + timedelta(1)
    addon = _buy(billing, app_id, tomorrow, 2, "month", qps=7)
    assert addon.price == 2 * 7 * 150
    _buy(billing, app_id, tomorrow)
    assert _qps(billing, app_id) == 10
    clock.now = calendar.begin(tomorrow)
    assert _qps(billing, app_id) == 22
    clock.now += DAY
    assert _qps(billing, app_id) == 17
    end = calendar.local(addon.ends).date()
    assert (end.day, end.month - tomorrow.month) == (tomorrow.day, 2)


def test_add_ons_that_cannot_be_are_refused_and_cost_nothing(
    billing: Billing, app_id: int, clock: Clock
) -> None:
    yesterday = billing.prices.calendar.local(clock.now).date() - timedelta(1)
    billing.ledger.stop_paying(app_id, [ADD])
    with pytest.raises(TusouError, match="needs pay-as-you-go"):
        _buy(billing, app_id)
    billing.ledger.pay(app_id, [ADD])
    for arguments, why in (
        ({"first": yesterday}, "is past"),
        ({"length": 0}, "from 1 to"),
        ({"qps": 100_001}, "from 1 to"),
        ({"length": 99_999, "unit": "month"}, "never end"),
        ({"qps": 1001}, "does not pay"),
    ):
        with pytest.raises(TusouError, match=why) as caught:
            _buy(billing, app_id, **arguments)
        assert caught.value.problem is Problem.INVALID_PARAM
    assert billing.addons.list(app_id) == []
    assert billing.ledger.account(app_id).balance == 10_000
