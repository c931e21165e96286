"""The price list: what the reference charges, and lists of an operator's own."""

from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusou.accounts.prices import Prices
from tusou.services import SERVICES

REFERENCE = (files("tusou.accounts") / "prices.toml").read_text("utf-8")
PRICES = Prices.load()
COUNT = st.integers(0, 3_000_000)


def _load(folder: Path, text: str) -> Prices:
    path = folder / "prices.toml"
    path.write_text(text, "utf-8")
    return Prices.load(path)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_references_packages(service: str) -> None:
    add, search = (PRICES.calls[service, call].packages for call in ("add", "search"))
    thousands = (100, 500, 1000, 2500, 5000, 10_000)
    sizes = [size * 1000 for size in thousands]
    assert add == dict(zip(sizes, (1700, 7500, 13000, 25000, 40000, 60000), strict=True))
    assert search == dict(zip(sizes, (1500, 6000, 10000, 20000, 30000, 40000), strict=True))


def test_plans_give_what_the_reference_gives() -> None:
    personal, enterprise = PRICES.plans["personal"], PRICES.plans["enterprise"]
    assert (personal.days, personal.qps) == (enterprise.days, enterprise.qps) == (365, 2)
    for service in SERVICES:
        assert (personal.free[service, "add"], enterprise.free[service, "add"]) == (50_000, 100_000)
    searches = {
        service: (personal.free[service, "search"], enterprise.free[service, "search"])
        for service in SERVICES
    }
    large, small = (10_000, 30_000), (5_000, 10_000)
    assert searches == {
        **dict.fromkeys(("same_hq", "similar", "product"), large),
        **dict.fromkeys(("picturebook", "materiel"), small),
    }
    assert {call for _, call in PRICES.calls} == {"add", "search"}  # the others are free


def test_the_first_worked_example_costs_22600_yuan() -> None:
    assert PRICES.calls["same_hq", "add"].cost(0, 1_510_000) == 22_600


@pytest.mark.parametrize(
    ("before", "calls", "cost"),
    [
        (0, 0, "0"),
        (0, 1, "0.02"),
        (499_999, 1, "0.02"),
        (500_000, 1, "0.015"),
        (499_999, 2, "0.035"),
        (999_999, 2, "0.025"),
        (1_000_000, 3, "0.03"),
    ],
)
def test_a_tier_ends_with_the_call_it_names(before: int, calls: int, cost: str) -> None:
    assert PRICES.calls["similar", "search"].cost(before, calls) == Decimal(cost)


@given(before=COUNT, first=COUNT, second=COUNT)
def test_a_month_in_two_parts_costs_what_it_costs_in_one(
    before: int, first: int, second: int
) -> None:
    price = PRICES.calls["similar", "add"]
    parts = price.cost(before, first) + price.cost(before + first, second)
    assert parts == price.cost(before, first + second)


@given(before=COUNT, calls=COUNT)
def test_one_call_more_costs_more_but_never_more_than_the_dearest(before: int, calls: int) -> None:
    price = PRICES.calls["similar", "add"]
    step = price.cost(before, calls + 1) - price.cost(before, calls)
    assert Decimal("0.01") <= step <= Decimal("0.02")


def test_a_service_may_have_prices_of_its_own(tmp_path: Path) -> None:
    own = """
[services.product.add]
tiers = [{ price = 0.5 }]
packages = []
[services.product.delete]
tiers = [{ price = 1 }]
packages = []
"""
    prices = _load(tmp_path, REFERENCE + own)
    assert prices.calls["product", "add"].cost(0, 3) == Decimal("1.5")
    assert prices.calls["product", "delete"].cost(7, 2) == 2
    assert prices.calls["product", "search"] == PRICES.calls["product", "search"]
    assert prices.calls["similar", "add"] == PRICES.calls["similar", "add"]
    assert ("similar", "delete") not in prices.calls


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('currency = "CNY"', "", "currency is missing"),
        ("[calls.add]", "[calls.fly]", "no such call: fly"),
        ("services.picturebook", "services.faces", "no such service: faces"),
        ("price = 0.020", "price = 0.0000001", "finer than a millionth"),
        ("price = 0.020", "price = -1", "below nothing"),
        ("price = 0.020", "price = inf", "no amount"),
        ("price = 0.020", "price = '1'", "no price"),
        ("up_to = 500_000", "up_to = 1_000_000", "must rise"),
        ("  { price = 0.010 },", "", "must rise"),
        ("days = 365", "days = 1.5", "no whole number"),
        ("months = 12", "months = true", "no whole number"),
        ("utc_offset_hours = 8", "utc_offset_hours = 5.5", "no whole number"),
        ("[qps]", "[", "prices.toml"),
        ("free = {}", "free = 3", "prices.toml"),
    ],
)
def test_what_is_wrong_with_a_price_list_is_told(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    assert old in REFERENCE
    with pytest.raises(ValueError, match=why):
        _load(tmp_path, REFERENCE.replace(old, new, 1))
