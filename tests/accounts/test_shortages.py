"""Warnings: in time, once, and again when money came and went."""

from decimal import Decimal

import pytest

from support.calls import count_calls
from support.clock import Clock
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR, hour_of
from tusou.accounts.shortages import Shortage
from tusou.storage.database import Database

ADD = ("similar", "add")


@pytest.fixture(autouse=True)
def account(billing: Billing, app_id: int) -> None:
    billing.ledger.open(app_id, "none")
    billing.ledger.pay(app_id, [ADD])


def test_a_shortage_is_told_three_two_and_one_days_ahead_and_when_it_is_there(
    billing: Billing,
    database: Database,
    app_id: int,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    billing.ledger.top_up(app_id, Decimal("100.00"))
    told: list[tuple[int, Shortage]] = []
    for hour in range(11 * 24):
        count_calls(database, app_id, ADD, hour_of(clock.now), 25)  # 12 yuan a day
        clock.now += HOUR
        told += [(hour + 1, shortage) for shortage in billing.strike()]
    # 100 yuan last 200 hours, three days before which 36 yuan are left.
    assert [(hour, row.days) for hour, row in told] == [(129, 3), (153, 2), (177, 1), (201, 0)]
    assert [row.balance for _, row in told] == ["35.50", "23.50", "11.50", "-0.50"]
    lines = [record.__dict__["line"] for record in caplog.records]
    assert [(line["event"], line["days"]) for line in lines] == [
        ("low balance", 3),
        ("low balance", 2),
        ("low balance", 1),
        ("arrears", 0),
    ]
    assert {line["app_id"] for line in lines} == {app_id}


def test_a_shortage_is_told_again_after_money_came_and_went(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    def spend(days: int) -> list[int]:
        told: list[Shortage] = []
        for _ in range(days * 24):
            count_calls(database, app_id, ADD, hour_of(clock.now), 25)
            clock.now += HOUR
            told += billing.strike()
        return [row.days for row in told]

    billing.ledger.top_up(app_id, Decimal("54.00"))
    assert spend(3) == [3, 2]
    billing.ledger.top_up(app_id, Decimal("60.00"))
    assert spend(1) == []
    assert spend(6) == [3, 2, 1, 0]


def test_an_account_that_spends_nothing_is_never_warned(
    billing: Billing, app_id: int, clock: Clock
) -> None:
    for _ in range(3):
        clock.now += DAY
        assert billing.strike() == []


def test_a_bill_made_beside_the_server_takes_no_warning_away(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    count_calls(database, app_id, ADD, hour_of(clock.now), 25)
    clock.now += HOUR
    billing.bills("2026-11")
    assert billing.ledger.account(app_id).in_arrears
    assert billing.strike() == [Shortage(app_id, "-0.50", 0)]
    assert billing.shortages.tell() == []
