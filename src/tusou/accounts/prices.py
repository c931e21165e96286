"""The price list: free allowances, tiers, packages and QPS add-ons, read from a TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self

from tusou.accounts.calendar import Calendar
from tusou.accounts.money import amount
from tusou.services import OPERATIONS, SERVICES

Priced = tuple[str, str]
"""A service and one of its calls."""


class Tier(NamedTuple):
    """What a call costs whose number in the month is not above `up_to`."""

    up_to: int | None
    """None: any number."""
    price: Decimal


@dataclass(frozen=True, slots=True)
class CallPrice:
    """What one call of one service costs."""

    tiers: tuple[Tier, ...]
    packages: Mapping[int, Decimal]
    """Price by size."""

    def cost(self, before: int, calls: int) -> Decimal:
        """The price of so many calls, after `before` others were paid for in the same month."""
        total, last = Decimal(0), before + calls
        for tier in self.tiers:
            end = last if tier.up_to is None else min(last, tier.up_to)
            if end > before:
                total += (end - before) * tier.price
                before = end
        return total


@dataclass(frozen=True, slots=True)
class Plan:
    """What an application may do before it pays."""

    name: str
    days: int
    """Until the allowance expires."""
    qps: int
    free: Mapping[Priced, int]
    """Calls given."""
    claim: bool = False
    """An owner may take it in the console; others are the operator's to give."""


@dataclass(frozen=True, slots=True)
class Prices:
    """One price list."""

    currency: str
    calendar: Calendar
    package_months: int
    refund_days: int
    paid_qps: int
    """Queries a second, for each service and call that is paid for."""
    qps_day: Decimal
    qps_month: Decimal
    plans: Mapping[str, Plan]
    calls: Mapping[Priced, CallPrice]
    """A call that is not here is free."""

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a price list; None is the one of the reference.

        Raises:
            ValueError: the file is no price list; the message says why.
            OSError: it cannot be read.
        """
        source = files("tusou.accounts") / "prices.toml" if path is None else path
        try:
            return cls._parse(tomllib.loads(source.read_text("utf-8"), parse_float=Decimal))
        except KeyError as error:
            raise ValueError(f"price list {source}: {error.args[0]} is missing") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"price list {source}: {error}") from error

    @classmethod
    def _parse(cls, document: dict[str, Any]) -> Self:
        packages, qps = document["packages"], document["qps"]
        return cls(
            currency=str(document["currency"]),
            calendar=Calendar(_whole(document["utc_offset_hours"], least=-12, most=14)),
            package_months=_whole(packages["months"], least=1),
            refund_days=_whole(packages["refund_days"]),
            paid_qps=_whole(qps["paid"], least=1),
            qps_day=_price(qps["per_day"]),
            qps_month=_price(qps["per_month"]),
            plans={name: _plan(name, row) for name, row in document["plans"].items()},
            calls={
                key: _call(row)
                for key, row in _spread(document["calls"], document.get("services", {})).items()
            },
        )


def _spread(rows: Mapping[str, Any], services: Mapping[str, Any]) -> dict[Priced, Any]:
    """Rows by call, for every service, except where a service has a row of its own."""
    for name in services:
        if name not in SERVICES:
            raise ValueError(f"no such service: {name}; there are {', '.join(SERVICES)}")
    for name in {*rows, *(name for row in services.values() for name in row)}:
        if name not in OPERATIONS:
            raise ValueError(f"no such call: {name}; there are {', '.join(OPERATIONS)}")
    merged = {name: {**rows, **services.get(name, {})} for name in SERVICES}
    return {(name, call): row for name, calls in merged.items() for call, row in calls.items()}


def _plan(name: str, row: Mapping[str, Any]) -> Plan:
    free = _spread(row["free"], row.get("services", {}))
    return Plan(
        name=name,
        days=_whole(row["days"]),
        qps=_whole(row["qps"], least=1),
        free={key: _whole(calls) for key, calls in free.items()},
        claim=row.get("claim") is True,
    )


def _call(row: Mapping[str, Any]) -> CallPrice:
    tiers = tuple(_tier(tier) for tier in row["tiers"])
    ends = [tier.up_to for tier in tiers[:-1]]
    rising = all(end is not None for end in ends) and ends == sorted({end or 0 for end in ends})
    if not tiers or not rising or tiers[-1].up_to is not None:
        raise ValueError("tiers must rise, and the last has no up_to")
    packages = {_whole(row["calls"], least=1): _price(row["price"]) for row in row["packages"]}
    return CallPrice(tiers, packages)


def _tier(row: Mapping[str, Any]) -> Tier:
    up_to = row.get("up_to")
    return Tier(None if up_to is None else _whole(up_to, least=1), _price(row["price"]))


def _whole(value: object, least: int = 0, most: int = 1 << 53) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _price(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{value!r} is no price")
    price = amount(value)
    if price < 0:
        raise ValueError(f"a price cannot be below nothing: {value}")
    return price
