"""What an hour costs, against charging call by call, and what holds for any bill."""

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusou.accounts.calendar import HOUR, Calendar
from tusou.accounts.charging import FREE, Charge, Charging, Package, Term, draw
from tusou.accounts.prices import CallPrice, Plan, Prices, Tier
from tusou.accounts.usage import Reached

START = Calendar(8).month("2026-11")[0]
CALL = ("similar", "add")
# Tiers and packages a few calls wide, so that random months meet every edge.
SMALL = replace(
    Prices.load(),
    calls={
        CALL: CallPrice(
            (
                Tier(5, Decimal("0.020")),
                Tier(10, Decimal("0.015")),
                Tier(None, Decimal("0.010")),
            ),
            {},
        )
    },
    plans={"none": Plan("none", 0, 2, {})},
)

hours = st.integers(0, 3)


@st.composite
def packages(draw_: st.DrawFn) -> list[Package]:
    rows = []
    for number in range(draw_(st.integers(0, 4))):
        size = draw_(st.integers(1, 8))
        rows.append(
            Package(
                id=number + 1,
                app_id=1,
                service=CALL[0],
                operation=CALL[1],
                kind=draw_(st.sampled_from([FREE, "bought", "granted"])),
                size=size,
                left=draw_(st.integers(0, size)),
                price=Decimal(0),
                bought=START + draw_(hours) * HOUR - draw_(st.integers(0, HOUR)),
                expires=START + draw_(st.integers(1, 5)) * HOUR,
                refunded=draw_(st.sampled_from([None, None, None, START])),
            )
        )
    return rows


counts = st.builds(Reached, st.integers(0, 12), st.integers(0, 6))
months = st.lists(counts, min_size=1, max_size=5)


def _charging(rows: list[Package], paid: bool = True, before: int = 0) -> Charging:
    terms = {CALL: Term(0, None)} if paid else {}
    return Charging(1, SMALL, rows, terms, {(CALL, START): before})


def _month(rows: list[Package], calls: list[Reached], paid: bool = True) -> list[Charge]:
    charging = _charging(rows, paid)
    made = [
        charging.charge(START + number * HOUR, CALL, count) for number, count in enumerate(calls)
    ]
    return [charge for charge in made if charge is not None]


def _cost(rows: list[Package], calls: list[Reached]) -> Decimal:
    return sum((charge.amount for charge in _month(deepcopy(rows), calls)), Decimal(0))


@given(packages(), hours, counts)
def test_an_hour_is_drawn_as_its_calls_would_be_one_by_one(
    rows: list[Package], number: int, count: Reached
) -> None:
    hour = START + number * HOUR
    one_by_one = deepcopy(rows)
    order = sorted(one_by_one, key=lambda row: (row.kind != FREE, row.expires, row.size, row.id))
    free = packaged = rest = 0
    for succeeded in [True] * count.succeeded + [False] * count.failed:
        for row in order:
            if row.left and row.covers(hour) and (succeeded or row.kind == FREE):
                row.left -= 1
                free += succeeded and row.kind == FREE
                packaged += succeeded and row.kind != FREE
                break
        else:
            rest += succeeded
    assert draw(rows, hour, count) == (free, packaged, rest)
    assert rows == one_by_one


@given(packages(), months, st.booleans())
def test_packages_never_go_below_zero_and_no_call_is_lost(
    rows: list[Package], calls: list[Reached], paid: bool
) -> None:
    before = deepcopy(rows)
    charges = _month(rows, calls, paid)
    for old, new in zip(before, rows, strict=True):
        assert 0 <= new.left <= old.left
        assert new.left == old.left or new.refunded is None
    for charge, count in zip(charges, calls, strict=True):
        assert (charge.calls, charge.failed) == count
        given_away = charge.calls - charge.free - charge.packaged - charge.metered
        assert given_away == 0 if paid else charge.metered == 0 <= given_away
    used = sum(old.left - new.left for old, new in zip(before, rows, strict=True))
    taken = sum(charge.free + charge.packaged for charge in charges)
    assert taken <= used <= taken + sum(count.failed for count in calls)


@given(packages(), months, st.data())
def test_one_call_more_never_makes_a_bill_smaller(
    rows: list[Package], calls: list[Reached], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(calls) - 1))
    one = data.draw(st.sampled_from([Reached(1, 0), Reached(0, 1)]))
    more = [*calls[:place], calls[place].plus(one), *calls[place + 1 :]]
    assert _cost(rows, calls) <= _cost(rows, more) <= _cost(rows, calls) + Decimal("0.020")


@given(packages(), st.lists(st.integers(0, 12), min_size=2, max_size=5))
def test_a_month_costs_the_same_however_its_calls_fall_into_hours(
    rows: list[Package], calls: list[int]
) -> None:
    lasting = [
        replace(row, bought=START, expires=START + (99 + row.id) * HOUR, refunded=None)
        for row in rows
    ]
    split = [Reached(count, 0) for count in calls]
    assert _cost(lasting, split) == _cost(lasting, [Reached(sum(calls), 0)])


def test_tiers_begin_again_each_month() -> None:
    charging = _charging([])
    later = Calendar(8).month("2026-11")[1]
    last = charging.charge(later - HOUR, CALL, Reached(7, 0))
    first = charging.charge(later, CALL, Reached(7, 0))
    assert last is not None
    assert first is not None
    assert last.amount == first.amount == Decimal("0.13")
    resumed = _charging([], before=7).charge(START, CALL, Reached(5, 0))
    assert resumed is not None
    assert resumed.amount == Decimal("0.065")


def test_a_call_without_a_price_is_not_charged() -> None:
    assert _charging([]).charge(START, ("similar", "delete"), Reached(9, 0)) is None


@pytest.mark.parametrize(
    ("since", "until", "hour", "charged"),
    [
        (0, None, 0, True),
        (HOUR, None, 0, False),
        (HOUR - 1, None, 0, True),
        (0, HOUR, 0, True),
        (0, HOUR, HOUR, False),
        (0, HOUR + 1, HOUR, True),
    ],
)
def test_an_hour_is_paid_if_it_was_for_any_part_of_it(
    since: int, until: int | None, hour: int, charged: bool
) -> None:
    assert Term(since, until).covers(hour) is charged
