"""The hour's strike: charged once, whoever is killed when."""

import threading
from decimal import Decimal
from typing import Literal

import pytest
from sqlalchemy import Engine, event, func, select

from support.calls import count_calls
from support.clock import Clock
from support.outage import outage
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import HOUR, hour_of
from tusou.accounts.prices import Prices
from tusou.accounts.settlement import Settlement
from tusou.accounts.usage import Usage
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import charges

ADD = ("similar", "add")
EVER = 1 << 40


@pytest.fixture(autouse=True)
def account(billing: Billing, app_id: int) -> None:
    billing.ledger.open(app_id, "none")
    billing.ledger.pay(app_id, [ADD])


def _charged(database: Database) -> tuple[int, int]:
    """Rows, and the calls in them."""
    query = select(func.count(), func.coalesce(func.sum(charges.c.calls), 0)).select_from(charges)
    with database.read() as connection:
        rows, calls = connection.execute(query).one()
    return rows, calls


def _balance(billing: Billing, app_id: int) -> Decimal:
    return billing.ledger.account(app_id).balance


def test_an_hour_is_charged_when_it_is_over_and_once(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    hour = hour_of(clock.now)
    count_calls(database, app_id, ADD, hour, 100)
    count_calls(database, app_id, ADD, hour, 40, Problem.ITEM_EXISTS.code)
    count_calls(database, app_id, ADD, hour, 9, Problem.QPS_LIMIT.code)
    count_calls(database, app_id, ("similar", "search"), hour, 9, Problem.QPS_LIMIT.code)
    count_calls(database, app_id, ("similar", "delete"), hour, 50)
    for second in (HOUR - 1, HOUR, HOUR + 4):
        clock.now = hour + second
        billing.settlement.settle()
        assert _balance(billing, app_id) == 0
    clock.now = hour + HOUR + 5  # the last counts of the hour have had time to be written
    for _ in range(2):
        billing.settlement.settle()
        assert _balance(billing, app_id) == -2
        assert _charged(database) == (1, 100)
    entries = billing.ledger.entries(app_id, 0, EVER)
    assert [(row.kind, row.amount, row.time) for row in entries] == [("calls", Decimal(-2), hour)]
    assert billing.ledger.account(app_id).settled == hour + HOUR


def test_many_that_settle_at_the_same_time_charge_once(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    for number in range(20):
        count_calls(database, app_id, ADD, hour_of(clock.now) + number * HOUR, 10)
    clock.now += 20 * HOUR
    threads = [
        threading.Thread(target=Settlement(database, Prices.load(), clock).settle) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _charged(database) == (20, 200)
    assert _balance(billing, app_id) == -4
    assert sum(row.amount for row in billing.ledger.entries(app_id, 0, EVER)) == -4


def test_a_settlement_that_dies_at_any_statement_leaves_nothing_half_done(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    package = billing.packages.grant(app_id, *ADD, 30)
    count_calls(database, app_id, ADD, hour_of(clock.now), 25)
    count_calls(database, app_id, ADD, hour_of(clock.now) + HOUR, 25)
    clock.now += 2 * HOUR
    before = billing.ledger.account(app_id)
    died = 0
    for deadly in range(1, 100):
        seen = 0

        def die(*_: object, deadly: int = deadly) -> None:
            nonlocal seen
            seen += 1
            if seen == deadly:
                raise KeyboardInterrupt

        event.listen(Engine, "before_cursor_execute", die)
        try:
            billing.settlement.settle()
        except KeyboardInterrupt:
            died += 1
        else:
            break
        finally:
            event.remove(Engine, "before_cursor_execute", die)
        assert billing.ledger.account(app_id) == before
        assert billing.packages.list(app_id) == [package]
        assert _charged(database) == (0, 0)
    assert died > 8
    assert billing.packages.list(app_id)[0].left == 0
    assert _charged(database) == (2, 50)
    assert _balance(billing, app_id) == Decimal("-0.40")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_seems_to_fail_charges_once(
    billing: Billing,
    database: Database,
    app_id: int,
    clock: Clock,
    moment: Literal["before", "after"],
) -> None:
    count_calls(database, app_id, ADD, hour_of(clock.now), 100)
    clock.now += HOUR
    with outage(database, moment), pytest.raises(TusouError):
        billing.settlement.settle()
    billing.settlement.settle()
    assert _balance(billing, app_id) == -2
    assert _charged(database) == (1, 100)


def test_counts_that_come_after_their_hour_was_charged_are_charged_in_the_next(
    billing: Billing, usage: Usage, database: Database, app_id: int, clock: Clock
) -> None:
    usage.record(app_id, *ADD, None)
    with outage(database), pytest.raises(TusouError):
        usage.flush()
    clock.now += HOUR
    billing.settlement.settle()
    assert _charged(database) == (0, 0)
    usage.record(app_id, *ADD, None)
    usage.flush()
    clock.now += HOUR
    billing.settlement.settle()
    assert _charged(database) == (1, 2)
    assert _balance(billing, app_id) == Decimal("-0.04")


def test_the_servers_strike_writes_its_counts_first_and_waits_for_an_hour(
    billing: Billing, usage: Usage, app_id: int, clock: Clock
) -> None:
    usage.record(app_id, *ADD, None)
    billing.strike()
    clock.now += HOUR
    billing.strike()
    assert _balance(billing, app_id) == Decimal("-0.02")
    usage.record(app_id, *ADD, None)
    clock.now += 1800
    billing.strike()
    assert _balance(billing, app_id) == Decimal("-0.02")
    clock.now += 1800
    billing.strike()
    assert _balance(billing, app_id) == Decimal("-0.04")


def test_the_month_goes_on_where_the_last_settlement_left_it(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    clock.now = billing.prices.calendar.month("2027-02")[1] - 3 * HOUR + 600
    costs = []
    for calls in (499_999, 2, 999_999, 10, 10):
        count_calls(database, app_id, ADD, hour_of(clock.now), calls)
        clock.now += HOUR
        before = _balance(billing, app_id)
        billing.settlement.settle()
        costs.append(before - _balance(billing, app_id))
    # 0.02 to half a million, 0.015 to a million, 0.01 beyond; then a new month has begun.
    assert costs == [
        Decimal("9999.98"),
        Decimal("0.035"),
        Decimal("7499.985") + Decimal("5000"),
        Decimal("0.2"),
        Decimal("0.2"),
    ]


def test_the_hour_in_which_pay_as_you_go_is_closed_is_charged(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    for hour in range(2):
        count_calls(database, app_id, ADD, hour_of(clock.now) + hour * HOUR, 10)
    billing.ledger.stop_paying(app_id, [ADD])
    clock.now += 2 * HOUR
    billing.settlement.settle()
    assert _balance(billing, app_id) == Decimal("-0.2")
    assert _charged(database) == (2, 20)
