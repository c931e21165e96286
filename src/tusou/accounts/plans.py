"""Plans: how often and how much an application may call, as data of `plans.toml`."""

import re
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

ANY = "*"
"""Stands for every service, or every call, in the lines of a plan."""
LINES = (
    f"{ANY}/{ANY}",
    *(f"{ANY}/{operation}" for operation in OPERATIONS),
    *(f"{service}/{operation}" for operation in OPERATIONS for service in SERVICES),
)
"""What a plan may say something of: `SERVICE/CALL`, those that hold for more in front."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LONGEST_TITLE = 60
_MOST_DAYS = 36_500
_LARGEST_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan."""

    name: str
    title: str
    chinese: str
    days: int | None
    """How long its totals are good for; None: for ever."""
    lines: Limits
    """What it limits, by the lines of `LINES`: of those that fit a call, the closest counts."""
    version: str = ""
    """Another one after every change; empty: as it comes with tusou, or not there yet."""

    def quota(
        self, service: str, operation: str, limits: Limits, paid_qps: int | None = None
    ) -> Quota:
        """The quota of one call, with what the application has of its own.

        Where it has an account, that says how much and how often (`paid_qps`) instead of the plan.
        """
        own = limits.get(f"{service}/{operation}")
        quota = self.plain(service, operation) if paid_qps is None else Quota(qps=paid_qps)
        return quota._replace(**own) if own else quota

    def plain(self, service: str, operation: str) -> Quota:
        """The quota of one call of an application that has nothing of its own."""
        found: dict[str, int | None] = {}
        for line in (f"{ANY}/{ANY}", f"{ANY}/{operation}", f"{service}/{operation}"):
            found |= self.lines.get(line, {})
        return Quota(**found)

    def summary(self) -> dict[str, Quota]:
        """Its quotas as lines: one for a call that all services have alike, or one a service."""
        told = {}
        for operation in OPERATIONS:
            quotas = {service: self.plain(service, operation) for service in SERVICES}
            if len(set(quotas.values())) == 1:
                told[f"{ANY}/{operation}"] = next(iter(quotas.values()))
            else:
                told |= {f"{service}/{operation}": quota for service, quota in quotas.items()}
        return told

    def unfit(self) -> dict[str, str]:
        """What is wrong with it, by field: `name`, `title`, `days`, or a line and kind of limit."""
        wrong = {}
        if not _NAME.fullmatch(self.name):
            wrong["name"] = "1 to 32 small letters, digits, - and _, a letter first"
        for field, text in (("title", self.title), ("chinese", self.chinese)):
            if not text.strip() or len(text) > _LONGEST_TITLE or not text.isprintable():
                wrong[field] = f"1 to {_LONGEST_TITLE} characters"
        if self.days is not None and not 1 <= self.days <= _MOST_DAYS:
            wrong["days"] = f"a whole number from 1 to {_MOST_DAYS}, or none"
        for line, limit in self.lines.items():
            for kind, number in limit.items():
                if line not in LINES or kind not in KINDS:
                    wrong[f"{line}/{kind}"] = "there is no such limit"
                elif number is not None and not 0 <= number <= _LARGEST_LIMIT:
                    wrong[f"{line}/{kind}"] = f"a whole number from 0 to {_LARGEST_LIMIT}, or none"
        return wrong


class Plans:
    """The plans that come with the package."""

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
        return find(name, self._plans)


def find(name: str, among: Mapping[str, Plan]) -> Plan:
    """Look a plan up by its name.

    Raises:
        TusouError: INVALID_PARAM, there is none of this name.
    """
    try:
        return among[name]
    except KeyError:
        raise TusouError(
            Problem.INVALID_PARAM, f"no plan {name}; there are {', '.join(among)}"
        ) from None


def _plan(name: str, table: Mapping[str, Any]) -> Plan:
    levels = {f"{ANY}/{ANY}": table}
    for operation in OPERATIONS:
        closer = table.get(operation, {})
        levels[f"{ANY}/{operation}"] = closer
        levels |= {f"{service}/{operation}": closer.get(service, {}) for service in SERVICES}
    lines = {
        line: {kind: level[kind] for kind in KINDS if kind in level}
        for line, level in levels.items()
    }
    kept = {line: limit for line, limit in lines.items() if limit}
    return Plan(name, table["title"], table["chinese"], table.get("days"), kept)
