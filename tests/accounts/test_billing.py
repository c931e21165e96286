"""Bills: both worked examples of the contract, and that a bill and a balance agree."""

import random
from decimal import Decimal

import pytest

from support.calls import count_calls
from support.clock import Clock
from tusou.accounts.billing import Bill, Billing, Line
from tusou.accounts.calendar import DAY, HOUR, hour_of
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database

ADD = ("same_hq", "add")
MONTH = "2019-02"


@pytest.fixture
def february(billing: Billing, app_id: int, clock: Clock) -> int:
    """The month of the contract's examples; an account that pays as it goes."""
    begin, _ = billing.prices.calendar.month(MONTH)
    clock.now = begin
    billing.ledger.open(app_id, "none")
    billing.ledger.pay(app_id, [ADD])
    billing.ledger.top_up(app_id, Decimal(50_000))
    return begin


def _call_all_month(billing: Billing, database: Database, app_id: int, clock: Clock) -> None:
    """1,510,000 calls, in uneven hours, settled as a server would and sometimes later."""
    _, end = billing.prices.calendar.month(MONTH)
    chance = random.Random(2)
    left = 1_510_000
    while clock.now < end - HOUR:
        calls = min(left, chance.randrange(5000))
        count_calls(database, app_id, ADD, hour_of(clock.now), calls)
        left -= calls
        clock.now += HOUR
        if chance.random() < 0.3:
            billing.settlement.settle()
    count_calls(database, app_id, ADD, end - HOUR, left)
    clock.now = end + 10


def test_the_first_example_pay_as_you_go_costs_22600_yuan(
    billing: Billing, database: Database, app_id: int, clock: Clock, february: int
) -> None:
    _call_all_month(billing, database, app_id, clock)
    (bill,) = billing.bills(MONTH)
    assert bill == Bill(
        app_id,
        "shop",
        MONTH,
        "CNY",
        True,
        (Line("calls", *ADD, 1_510_000, 0, 0, 0, 1_510_000, Decimal(22_600), ""),),
    )
    assert bill.total == 22_600
    assert billing.ledger.account(app_id).balance == 50_000 - 22_600


def test_the_second_example_with_two_packages_costs_20700_yuan(
    billing: Billing, database: Database, app_id: int, clock: Clock, february: int
) -> None:
    billing.packages.buy(app_id, *ADD, 1_000_000)
    billing.packages.buy(app_id, *ADD, 500_000)
    _call_all_month(billing, database, app_id, clock)
    (bill,) = billing.bills(MONTH, app_id)
    assert [(line.kind, line.packaged, line.metered, line.amount) for line in bill.lines] == [
        ("calls", 1_500_000, 10_000, Decimal(200)),
        ("package", 0, 0, Decimal(13_000)),
        ("package", 0, 0, Decimal(7_500)),
    ]
    assert bill.total == 20_700
    assert billing.ledger.account(app_id).balance == 50_000 - 20_700


def test_the_free_allowance_comes_first_then_what_expires_first_then_the_smaller(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    billing.ledger.open(app_id, "personal")
    early = billing.packages.grant(app_id, *ADD, 1000)
    clock.now += DAY
    large = billing.packages.grant(app_id, *ADD, 500)
    small = billing.packages.grant(app_id, *ADD, 400)

    def left(calls: int) -> list[int]:
        count_calls(database, app_id, ADD, hour_of(clock.now), calls)
        clock.now += HOUR
        billing.settlement.settle()
        rows = {row.id: row.left for row in billing.packages.list(app_id)}
        allowance = next(
            row.left
            for row in billing.packages.list(app_id)
            if row.kind == "free" and (row.service, row.operation) == ADD
        )
        return [allowance, rows[early.id], rows[small.id], rows[large.id]]

    assert left(49_999) == [1, 1000, 400, 500]
    assert left(500) == [0, 501, 400, 500]
    assert left(600) == [0, 0, 301, 500]
    assert left(400) == [0, 0, 0, 401]
    assert left(1000) == [0, 0, 0, 0]
    month = billing.prices.calendar.name(clock.now - HOUR, "month")
    (bill,) = billing.bills(month)
    assert bill.total == 0
    assert not bill.final
    (line,) = bill.lines
    # What nothing paid for was given away: nobody had agreed to pay.
    assert (line.calls, line.free, line.packaged, line.metered) == (52_499, 50_000, 1_900, 0)


def test_bills_and_ledger_agree_over_months_with_everything_in_them(
    billing: Billing, database: Database, app_id: int, clock: Clock
) -> None:
    calendar = billing.prices.calendar
    clock.now = calendar.month("2026-11")[1] - 5 * DAY + 600
    billing.ledger.open(app_id, "enterprise")
    billing.ledger.top_up(app_id, Decimal(30_000))
    billing.ledger.pay(app_id, [("similar", "search")])
    refunded = billing.packages.buy(app_id, *ADD, 500_000)
    billing.packages.buy(app_id, *ADD, 100_000)
    billing.addons.buy(app_id, *ADD, 3, None, 1, "month")
    for _ in range(10):
        count_calls(database, app_id, ADD, hour_of(clock.now), 30_000)
        count_calls(database, app_id, ("similar", "search"), hour_of(clock.now), 7_001)
        failed = Problem.IMAGE_FORMAT.code
        count_calls(database, app_id, ("similar", "search"), hour_of(clock.now), 5, failed)
        clock.now += DAY
    with pytest.raises(TusouError) as caught:
        billing.packages.refund(refunded.id)
    assert caught.value.problem is Problem.INVALID_PARAM
    bills = [billing.bills(month)[0] for month in ("2026-10", "2026-11", "2026-12", "2027-01")]
    assert [bill.final for bill in bills] == [True, True, False, False]
    assert bills[0].lines == bills[3].lines == ()
    spent = sum(bill.total for bill in bills)
    assert billing.ledger.account(app_id).balance == 30_000 - spent
    assert {line.kind for line in bills[1].lines} == {"calls", "package", "qps"}
    entries = billing.ledger.entries(app_id, *calendar.month("2026-12"))
    assert -sum(row.amount for row in entries) == bills[2].total > 0


def test_a_bill_that_cannot_be_made_says_why(billing: Billing, app_id: int) -> None:
    assert billing.bills("2026-11") == []
    with pytest.raises(TusouError) as caught:
        billing.bills("2026-11", app_id)
    assert caught.value.problem is Problem.APP_UNKNOWN
    with pytest.raises(ValueError, match="write it as"):
        billing.bills("November")
