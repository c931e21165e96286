"""Plans: how often and how much an application may call, as data of `plans.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS, SERVICES

DEFAULT = "open"


class Quota(NamedTuple):
    """What an application may do with one call of one service; None: no limit."""

    qps: int | None = None
    daily: int | None = None
    total: int | None = None


KINDS = Quota._fields

Limit = Mapping[str, int | None]
"""What differs from a plan for one call: kind → amount, None for no limit."""
Limits = Mapping[str, Limit]
"""What differs from a plan, by `SERVICE/CALL`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan."""

    name: str
    title: str
    chinese: str
    days: int | None
    """How long its totals are good for; None: for ever."""
    quotas: Mapping[tuple[str, str], Quota]
    """By service and call."""

    def quota(
        self, service: str, operation: str, limits: Limits, paid_qps: int | None = None
    ) -> Quota:
        """The quota of one call, with what the application has of its own.

        Where it has an account, that says how much and how often (`paid_qps`) instead of the plan.
        """
        own = limits.get(f"{service}/{operation}")
        quota = self.quotas[service, operation] if paid_qps is None else Quota(qps=paid_qps)
        return quota._replace(**own) if own else quota


class Plans:
    """The plans there are."""

    def __init__(self, document: Mapping[str, Mapping[str, Any]]) -> None:
        """Read plans from a document of the form of `plans.toml`."""
        self._plans = {name: _plan(name, table) for name, table in document.items()}

    @classmethod
    def bundled(cls) -> "Plans":
        """The plans that come with the package."""
        return cls(tomllib.loads((files("tusou.accounts") / "plans.toml").read_text("utf-8")))

    def list(self) -> list[Plan]:
        """All of them."""
        return list(self._plans.values())

    def get(self, name: str) -> Plan:
        """Look a plan up.

        Raises:
            TusouError: INVALID_PARAM, there is none of this name.
        """
        try:
            return self._plans[name]
        except KeyError:
            raise TusouError(
                Problem.INVALID_PARAM, f"no plan {name}; there are {', '.join(self._plans)}"
            ) from None


def _plan(name: str, table: Mapping[str, Any]) -> Plan:
    quotas = {}
    for service in SERVICES:
        for operation in OPERATIONS:
            closer = table.get(operation, {})
            found: dict[str, int] = {}
            for level in (table, closer, closer.get(service, {})):
                found |= {kind: level[kind] for kind in KINDS if kind in level}
            quotas[service, operation] = Quota(**found)
    return Plan(name, table["title"], table["chinese"], table.get("days"), quotas)
