"""Amounts of money: decimals in the code, whole millionths in SQL, never a float."""

from decimal import ROUND_DOWN, Decimal, InvalidOperation

_MILLION = Decimal(1_000_000)
_MOST = Decimal(1_000_000_000_000)  # in millionths well inside SQL's 64 bits


def amount(text: object) -> Decimal:
    """Read an amount.

    Raises:
        ValueError: it is no number, is finer than a millionth, or is larger than a state's debt.
    """
    try:
        value = Decimal(str(text).replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"{str(text)[:40]!r} is no amount of money") from None
    if not value.is_finite() or abs(value) >= _MOST:
        raise ValueError(f"{str(text)[:40]!r} is no amount of money")
    if value * _MILLION % 1:
        raise ValueError(f"{text} is finer than a millionth")
    return value


def to_millionths(value: Decimal) -> int:
    """The number that SQL keeps."""
    return int(value * _MILLION)


def from_millionths(number: int) -> Decimal:
    """Undo `to_millionths`."""
    return Decimal(number) / _MILLION


def plain(value: Decimal) -> str:
    """As text for programs, with two decimals at least: `20700.00`, `0.015`."""
    cents = value.quantize(Decimal("0.01"), ROUND_DOWN)
    return format(cents if cents == value else value.normalize(), "f")


def shown(value: Decimal) -> str:
    """As text for people: `20,700.00`."""
    return format(Decimal(plain(value)), ",f")
