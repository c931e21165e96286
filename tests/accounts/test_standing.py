"""Who is served: by allowance, packages and pay-as-you-go, in credit and in arrears."""

from dataclasses import replace
from decimal import Decimal

import pytest

from support.clock import Clock
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR
from tusou.accounts.prices import Plan, Prices
from tusou.accounts.usage import Usage
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database

ADD = ("similar", "add")


def _serve(billing: Billing, usage: Usage, app_id: int, times: int, code: int | None = None) -> int:
    """Make calls as the server does; returns how many were let in."""
    served = 0
    for _ in range(times):
        try:
            billing.standing.permit(app_id, *ADD)
        except TusouError as error:
            usage.record(app_id, *ADD, error.problem.code)
        else:
            usage.record(app_id, *ADD, code)
            served += 1
    return served


def test_an_application_without_an_account_is_served_without_end(
    billing: Billing, usage: Usage, app_id: int
) -> None:
    assert _serve(billing, usage, app_id, 50) == 50
    assert billing.standing.qps(app_id, *ADD) is None


def test_an_account_that_does_not_pay_ends_with_its_packages(
    billing: Billing, usage: Usage, app_id: int, clock: Clock
) -> None:
    billing.ledger.open(app_id, "none")
    assert _serve(billing, usage, app_id, 3) == 0
    with pytest.raises(TusouError) as caught:
        billing.standing.permit(app_id, *ADD)
    assert caught.value.problem is Problem.TOTAL_LIMIT
    billing.standing.permit(app_id, "similar", "delete")
    billing.packages.grant(app_id, *ADD, 10)
    assert _serve(billing, usage, app_id, 4) == 4
    clock.now += HOUR
    billing.strike()
    assert _serve(billing, usage, app_id, 4) == 4
    usage.flush()
    assert _serve(billing, usage, app_id, 9) == 2
    clock.now += HOUR
    billing.strike()
    assert _serve(billing, usage, app_id, 9) == 0
    assert [row.left for row in billing.packages.list(app_id)] == [0]
    assert billing.ledger.account(app_id).balance == 0


def test_a_plans_allowance_is_used_up_by_failed_calls_and_expires(
    database: Database, usage: Usage, app_id: int, clock: Clock
) -> None:
    prices = replace(Prices.load(), plans={"tiny": Plan("tiny", 365, 2, {ADD: 6})})
    billing = Billing(database, prices, usage, clock)
    billing.ledger.open(app_id, "tiny")
    assert _serve(billing, usage, app_id, 4, Problem.IMAGE_SIZE.code) == 4
    clock.now += 365 * DAY - 1
    billing.strike()
    assert _serve(billing, usage, app_id, 1) == 1
    clock.now += 1
    assert _serve(billing, usage, app_id, 1) == 0


def test_in_arrears_only_allowance_and_packages_serve(
    billing: Billing, usage: Usage, app_id: int, clock: Clock
) -> None:
    billing.ledger.open(app_id, "none")
    billing.ledger.pay(app_id, [ADD])
    billing.ledger.top_up(app_id, Decimal("0.10"))
    assert billing.standing.qps(app_id, *ADD) == 10
    assert _serve(billing, usage, app_id, 6) == 6  # whether they can be paid is seen on the hour
    clock.now += HOUR
    assert [row.days for row in billing.strike()] == [0]
    assert billing.ledger.account(app_id).in_arrears
    assert _serve(billing, usage, app_id, 5) == 0
    assert billing.standing.qps(app_id, *ADD) == 2
    billing.packages.grant(app_id, *ADD, 3)
    assert _serve(billing, usage, app_id, 5) == 3
    assert billing.standing.qps(app_id, *ADD) == 2
    with pytest.raises(TusouError, match="in arrears: top it up"):
        billing.standing.permit(app_id, *ADD)
    billing.ledger.top_up(app_id, Decimal("0.02"))
    assert _serve(billing, usage, app_id, 5) == 5
    assert billing.standing.qps(app_id, *ADD) == 10


def test_a_refunded_package_serves_no_more(billing: Billing, usage: Usage, app_id: int) -> None:
    billing.ledger.open(app_id, "none")
    billing.ledger.top_up(app_id, Decimal(1700))
    package = billing.packages.buy(app_id, *ADD, 100_000)
    billing.ledger.stop_paying(app_id, [ADD])
    billing.standing.permit(app_id, *ADD)
    billing.packages.refund(package.id)
    assert _serve(billing, usage, app_id, 1) == 0


def test_other_applications_and_calls_pay_for_themselves(billing: Billing, app_id: int) -> None:
    billing.ledger.open(app_id, "none")
    billing.packages.grant(app_id, "similar", "search", 5)
    with pytest.raises(TusouError):
        billing.standing.permit(app_id, *ADD)
    billing.standing.permit(app_id, "similar", "search")
    billing.standing.permit(app_id + 1, *ADD)


def test_what_is_left_counts_calls_that_are_not_charged_yet(
    billing: Billing, usage: Usage, app_id: int, clock: Clock
) -> None:
    assert billing.standing.left(app_id, *ADD) is None
    billing.ledger.open(app_id, "none")
    assert billing.standing.left(app_id, *ADD) == 0
    assert billing.standing.left(app_id, "similar", "delete") is None
    billing.packages.grant(app_id, *ADD, 10)
    assert _serve(billing, usage, app_id, 4) == 4
    assert billing.standing.left(app_id, *ADD) == 6
    clock.now += HOUR
    billing.strike()
    assert billing.standing.left(app_id, *ADD) == 6
