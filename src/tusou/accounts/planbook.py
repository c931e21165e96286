"""The plans there are: those that come with tusou, and over them what an operator has set."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tusou.accounts import plans
from tusou.accounts.audit import Audit
from tusou.accounts.plans import Plan, Plans
from tusou.accounts.secrets import new_key
from tusou.storage.database import Database
from tusou.storage.tables import apps
from tusou.storage.tables import plans as table

_BUNDLED = {plan.name: plan for plan in Plans.bundled().list()}
_VERSION_LENGTH = 16


class Unfit(ValueError):
    """A plan that will not do."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in reasons.items()))
        self.reasons = reasons
        """By field, see `Plan.unfit`."""


class Changed(ValueError):
    """Somebody else was faster."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the plan {name} was changed or removed meanwhile; look at it, then try again"
        )


class InUse(ValueError):
    """Applications have the plan."""

    def __init__(self, name: str, count: int) -> None:
        have = "1 application has" if count == 1 else f"{count} applications have"
        super().__init__(f"{have} the plan {name}; give another one first")
        self.count = count


class OfNewApps(ValueError):
    """New applications are given the plan."""

    def __init__(self, name: str) -> None:
        super().__init__(f"new applications get the plan {name} (TUSOU_PLAN)")


class Planbook:
    """Keeps the plans; every change is in the record of acts and holds from the next look on."""

    def __init__(self, database: Database, audit: Audit, of_new: str = plans.DEFAULT) -> None:
        """`of_new` is what new applications are given: it stays."""
        self._database = database
        self._audit = audit
        self._of_new = of_new

    def list(self) -> list[Plan]:
        """All of them, those that come with tusou first."""
        return list(self._all().values())

    def get(self, name: str) -> Plan:
        """Look a plan up.

        Raises:
            TusouError: INVALID_PARAM, there is none of this name.
        """
        return plans.find(name, self._all())

    def is_bundled(self, name: str) -> bool:
        """Whether a plan of this name comes with tusou, changed or not."""
        return name in _BUNDLED

    def users(self) -> dict[str, int]:
        """How many applications have each plan; those that none has are left out."""
        query = select(apps.c.plan, func.count()).where(~apps.c.deleted).group_by(apps.c.plan)
        with self._database.read() as connection:
            return {row.plan: row[1] for row in connection.execute(query)}

    def set(self, plan: Plan) -> None:
        """Put a plan in the place of the one of its name and version, or add it.

        Raises:
            Unfit: what is wrong with it.
            Changed: the one of its name has another version by now.
        """
        if wrong := plan.unfit():
            raise Unfit(wrong)
        facts: dict[str, Any] = {"title": plan.title, "chinese": plan.chinese, "days": plan.days}
        limits = {line: dict(limit) for line, limit in plan.lines.items() if limit}
        values = {**facts, "limits": json.dumps(limits), "version": new_key(_VERSION_LENGTH)}
        try:
            with self._database.write() as connection:
                if not plan.version:
                    connection.execute(insert(table).values(name=plan.name, **values))
                elif not connection.execute(
                    update(table)
                    .where(table.c.name == plan.name, table.c.version == plan.version)
                    .values(**values)
                ).rowcount:
                    raise Changed(plan.name)
                self._audit.note(connection, "plan.set", name=plan.name, **facts, limits=limits)
        except IntegrityError:
            raise Changed(plan.name) from None

    def remove(self, name: str, version: str | None = None) -> None:
        """Remove a plan; one that comes with tusou is put back to what it was.

        Args:
            name: Which.
            version: What the one who asks has seen; None: as it is now.

        Raises:
            TusouError: INVALID_PARAM, there is none of this name.
            ValueError: it comes with tusou and was not changed.
            OfNewApps: new applications are given it.
            InUse: applications have it.
            Changed: it has another version by now.
        """
        plan, bundled = self.get(name), self.is_bundled(name)
        if not plan.version:
            raise ValueError(f"the plan {name} comes with tusou, and is as it came")
        if not bundled and name == self._of_new:
            raise OfNewApps(name)
        seen = plan.version if version is None else version
        with self._database.write() as connection:
            # Before it is counted who has it: whoever is giving it now holds its row.
            gone = delete(table).where(table.c.name == name, table.c.version == seen)
            if not connection.execute(gone).rowcount:
                raise Changed(name)
            having = select(func.count()).where(apps.c.plan == name, ~apps.c.deleted)
            if not bundled and (count := connection.scalar(having) or 0):
                raise InUse(name, count)
            self._audit.note(connection, "plan.reset" if bundled else "plan.remove", name=name)

    def _all(self) -> dict[str, Plan]:
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.name)).all()
        return {**_BUNDLED, **{row.name: _plan(row) for row in rows}}


def hold(connection: Connection, name: str) -> None:
    """Keep a plan from being removed until the transaction ends, which gives it to somebody.

    Raises:
        TusouError: INVALID_PARAM, there is none of this name.
    """
    held = select(table.c.name).where(table.c.name == name).with_for_update(read=True)
    if connection.scalar(held) is None:
        plans.find(name, _BUNDLED)


def _plan(row: Row[Any]) -> Plan:
    return Plan(row.name, row.title, row.chinese, row.days, json.loads(row.limits), row.version)
