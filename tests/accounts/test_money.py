"""Amounts of money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusou.accounts.money import amount, from_millionths, plain, shown, to_millionths


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_what_sql_keeps_is_what_was_meant(number: int) -> None:
    value = from_millionths(number)
    assert to_millionths(value) == number
    assert amount(plain(value)) == value
    assert amount(shown(value)) == value


def test_amounts_are_told_with_two_decimals_at_least() -> None:
    told = {"20700": "20700.00", "0.015": "0.015", "-3.1": "-3.10", "1e3": "1000.00", "0": "0.00"}
    for text, word in told.items():
        assert plain(amount(text)) == word
    assert shown(Decimal("1234567.891")) == "1,234,567.891"
    assert amount("20,000.5") == Decimal("20000.5")


@pytest.mark.parametrize("text", ["", "ten", "nan", "inf", "-Infinity", "1e12", "0.0000001"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no amount|finer"):
        amount(text)
