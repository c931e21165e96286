"""Accounts: money comes and goes, and every change of a balance is in the ledger."""

import threading
from collections.abc import Callable
from decimal import Decimal

import pytest

from support.calls import count_calls
from support.clock import Clock
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR, Calendar, hour_of
from tusou.accounts.ledger import Ledger
from tusou.accounts.statistics import totals
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database

EVER = 1 << 40


@pytest.fixture
def ledger(billing: Billing) -> Ledger:
    return billing.ledger


def _problem(act: Callable[..., object], *arguments: object) -> Problem:
    with pytest.raises(TusouError) as caught:
        act(*arguments)
    return caught.value.problem


def test_a_new_account_has_its_plans_allowance_and_no_money(
    billing: Billing, app_id: int, clock: Clock
) -> None:
    account = billing.ledger.open(app_id, "personal")
    assert (account.balance, account.in_arrears) == (Decimal(0), False)
    assert (account.settled, account.opened) == (hour_of(clock.now), int(clock.now))
    given = billing.packages.list(app_id)
    assert {(row.service, row.operation): row.left for row in given} == dict(
        billing.prices.plans["personal"].free
    )
    assert {(row.kind, row.price, row.expires) for row in given} == {
        ("free", Decimal(0), int(clock.now) + 365 * DAY)
    }
    assert billing.ledger.accounts() == [account]


def test_what_was_called_before_an_account_was_opened_is_not_charged(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    add, hour = ("similar", "add"), hour_of(clock.now)
    count_calls(database, app_id, add, hour - HOUR, 7)
    count_calls(database, app_id, add, hour, 60_000)
    billing.ledger.open(app_id, "personal")
    billing.ledger.pay(app_id, [add])
    count_calls(database, app_id, add, hour, 50_001)
    clock.now += HOUR
    billing.settlement.settle()
    assert billing.ledger.account(app_id).balance == Decimal("-0.02")
    assert sum(row.calls for row in totals(database, 0, EVER, "hour", Calendar(0))) == 110_008


def test_accounts_that_cannot_be_opened_leave_nothing(ledger: Ledger, app_id: int) -> None:
    assert _problem(ledger.open, app_id, "golden") is Problem.INVALID_PARAM
    assert _problem(ledger.open, 5, "personal") is Problem.APP_UNKNOWN
    ledger.open(app_id, "none")
    assert _problem(ledger.open, app_id, "personal") is Problem.ITEM_EXISTS
    assert [row.plan for row in ledger.accounts()] == ["none"]
    for act in (ledger.account, lambda one: ledger.top_up(one, Decimal(1))):
        assert _problem(act, 5) is Problem.APP_UNKNOWN


def test_the_balance_is_the_sum_of_its_ledger(ledger: Ledger, app_id: int, clock: Clock) -> None:
    ledger.open(app_id, "none")
    ledger.top_up(app_id, Decimal("100.000001"), "transfer 7")
    clock.now += HOUR
    assert ledger.withdraw(app_id, Decimal("0.5")).balance == Decimal("99.500001")
    assert _problem(ledger.withdraw, app_id, Decimal(100)) is Problem.INVALID_PARAM
    for nothing in (Decimal(0), Decimal(-1)):
        assert _problem(ledger.top_up, app_id, nothing) is Problem.INVALID_PARAM
        assert _problem(ledger.withdraw, app_id, nothing) is Problem.INVALID_PARAM
    entries = ledger.entries(app_id, 0, EVER)
    assert [(row.kind, row.amount, row.note) for row in entries] == [
        ("top-up", Decimal("100.000001"), "transfer 7"),
        ("withdrawal", Decimal("-0.5"), ""),
    ]
    assert ledger.account(app_id).balance == sum(row.amount for row in entries)
    assert ledger.entries(app_id, int(clock.now), EVER) == entries[1:]
    assert ledger.entries(app_id, 0, int(clock.now)) == entries[:1]


def test_money_that_comes_at_the_same_time_all_counts(ledger: Ledger, app_id: int) -> None:
    ledger.open(app_id, "none")
    threads = [
        threading.Thread(target=ledger.top_up, args=(app_id, Decimal("0.1"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.account(app_id).balance == 2


def test_pay_as_you_go_is_opened_and_closed_by_call(ledger: Ledger, app_id: int) -> None:
    ledger.open(app_id, "none")
    calls = [("similar", "add"), ("similar", "search")]
    ledger.pay(app_id, calls)
    ledger.pay(app_id, calls[:1])
    assert ledger.paid(app_id) == set(calls)
    assert _problem(ledger.pay, app_id, [("product", "add"), ("similar", "delete")]) is (
        Problem.INVALID_PARAM
    )
    ledger.stop_paying(app_id, calls[:1])
    ledger.stop_paying(app_id, calls[:1])
    assert ledger.paid(app_id) == {("similar", "search")}
    ledger.pay(app_id, calls[:1])
    assert ledger.paid(app_id) == set(calls)
