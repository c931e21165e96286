"""What an application may do with the money it has: asked before each call is served."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Select, and_, bindparam, func, select

from tusou.accounts.prices import Prices
from tusou.accounts.usage import Usage
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import accounts, packages, paid_calls, qps_addons


def _means() -> Select[Any]:
    app: BindParameter[int] = bindparam("app")
    service: BindParameter[str] = bindparam("service")
    operation: BindParameter[str] = bindparam("operation")
    left = select(func.coalesce(func.sum(packages.c.left), 0)).where(
        packages.c.app_id == app,
        packages.c.service == service,
        packages.c.operation == operation,
        packages.c.refunded.is_(None),
        packages.c.expires > bindparam("now"),
    )
    term = and_(
        paid_calls.c.app_id == accounts.c.app_id,
        paid_calls.c.service == service,
        paid_calls.c.operation == operation,
        paid_calls.c.until.is_(None),
    )
    return (
        select(
            accounts.c.settled,
            accounts.c.balance,
            paid_calls.c.since,
            left.scalar_subquery().label("left"),
        )
        .select_from(accounts.outerjoin(paid_calls, term))
        .where(accounts.c.app_id == app)
    )


_MEANS = _means()  # here and not where it is asked: making it takes longer than answering it


class _Means(NamedTuple):
    """What pays for one call of one service."""

    settled: int
    arrears: bool
    paid: bool
    left: int
    """Calls in allowance and packages when the last hour was settled."""


class Standing:
    """Refuses calls that nothing pays for.

    It is asked of SQL each time, so that money and packages count from the moment they are there;
    an application without an account costs one look at a primary key.
    """

    def __init__(
        self,
        database: Database,
        prices: Prices,
        usage: Usage,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._prices = prices
        self._usage = usage
        self._clock = clock

    def permit(self, app_id: int, service: str, operation: str) -> None:
        """Pass if allowance, packages or pay-as-you-go without arrears pay for one more call.

        Calls in flight are not counted yet: as many as are served at the same time may pass
        together when the last one is left.

        Raises:
            TusouError: TOTAL_LIMIT.
        """
        if (service, operation) not in self._prices.calls:
            return
        means = self._means(app_id, service, operation)
        if means is None or (means.paid and not means.arrears):
            return
        used = self._usage.counted(app_id, service, operation, means.settled)
        if used < means.left:
            return
        why = (
            "the account is in arrears: top it up"
            if means.arrears
            else "allowance and packages are used up: buy a package or open pay-as-you-go"
        )
        raise TusouError(Problem.TOTAL_LIMIT, why)

    def left(self, app_id: int, service: str, operation: str) -> int | None:
        """Calls that allowance and packages still pay for; None where nothing has to pay."""
        if (service, operation) not in self._prices.calls:
            return None
        means = self._means(app_id, service, operation)
        if means is None:
            return None
        return max(0, means.left - self._usage.counted(app_id, service, operation, means.settled))

    def qps(self, app_id: int, service: str, operation: str) -> int | None:
        """Queries a second that the money gives a call; None where it has no say.

        In arrears it is the plan's, as before anything was paid.
        """
        with self._database.read() as connection:
            plan = connection.scalar(select(accounts.c.plan).where(accounts.c.app_id == app_id))
        if plan is None or (service, operation) not in self._prices.calls:
            return None
        means = self._means(app_id, service, operation)
        if means is not None and means.paid and not means.arrears:
            return self._prices.paid_qps + self._added(app_id, service, operation)
        known = self._prices.plans.get(plan)
        return None if known is None else known.qps

    def _means(self, app_id: int, service: str, operation: str) -> _Means | None:
        values = {
            "app": app_id,
            "service": service,
            "operation": operation,
            "now": int(self._clock()),
        }
        with self._database.read() as connection:
            row = connection.execute(_MEANS, values).one_or_none()
        if row is None:
            return None
        return _Means(row.settled, row.balance < 0, row.since is not None, int(row.left))

    def _added(self, app_id: int, service: str, operation: str) -> int:
        now = int(self._clock())
        query = select(func.coalesce(func.sum(qps_addons.c.qps), 0)).where(
            qps_addons.c.app_id == app_id,
            qps_addons.c.service == service,
            qps_addons.c.operation == operation,
            qps_addons.c.begins <= now,
            qps_addons.c.ends > now,
        )
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)
