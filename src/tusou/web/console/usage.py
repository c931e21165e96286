"""The page of usage: calls by service and day, what failed, quota left, the month's bill."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import Response

from tusou.accounts import sheets
from tusou.accounts.apps import App
from tusou.accounts.billing import Bill
from tusou.accounts.calendar import DAY, Period
from tusou.accounts.plans import Quota
from tusou.accounts.statistics import OfDay, by_day, totals
from tusou.accounts.usage import SUCCESS
from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS, SERVICES
from tusou.web.console import charts
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Entry, Visit

_MONTHS = 13  # that can be chosen
_PROBLEMS = {problem.code: problem.name for problem in reversed(Problem)}


class Month(NamedTuple):
    """A month that is looked at."""

    name: str
    """Written `2026-11`."""
    begin: int
    end: int

    @property
    def days(self) -> int:
        """How many it has."""
        return (self.end - self.begin) // DAY


@dataclass(frozen=True, slots=True)
class Sum:
    """Calls of some kind in a month, by outcome and day."""

    succeeded: tuple[int, ...]
    failed: tuple[int, ...]

    @property
    def good(self) -> int:
        """That succeeded."""
        return sum(self.succeeded)

    @property
    def bad(self) -> int:
        """That failed or were refused."""
        return sum(self.failed)

    @property
    def calls(self) -> int:
        """All of them."""
        return self.good + self.bad

    @property
    def chart(self) -> charts.Chart:
        """Bars by day."""
        return charts.draw(self.succeeded, self.failed)


class Quotas(NamedTuple):
    """How much of one call an application may make, and has left."""

    service: str
    operation: str
    allowed: Quota
    used: Quota
    left: int | None
    """In allowance and packages; None where nothing has to pay."""


def show_all(visit: Visit) -> Response:
    """A month of every application that the user may see."""
    month, apps = _month(visit), visit.apps()
    rows = by_day(visit.runtime.database, month.begin, month.end, [app.id for app in apps])
    sums = {app.id: _sum(month, (row for row in rows if row.app_id == app.id)) for app in apps}
    return visit.page(
        "usage_all.html",
        apps=apps,
        sums=sums,
        whole=_sum(month, rows),
        month=month,
        months=_months(visit, month),
    )


def show(visit: Visit) -> Response:
    """A month of one application."""
    app, month = visit.app(), _month(visit)
    rows = by_day(visit.runtime.database, month.begin, month.end, [app.id])
    called = [row.service for row in rows]
    services = [name for name in SERVICES if name in app.services or name in called]
    codes: Counter[int] = Counter()
    for row in rows:
        codes[row.code] += row.calls
    return visit.page(
        "usage.html",
        app=app,
        apps=visit.apps(),
        whole=_sum(month, rows),
        sums={name: _sum(month, (row for row in rows if row.service == name)) for name in services},
        calls={
            (name, operation): _sum(
                month, (row for row in rows if (row.service, row.operation) == (name, operation))
            )
            for name in services
            for operation in OPERATIONS
        },
        codes=[(code, _PROBLEMS.get(code, ""), calls) for code, calls in codes.most_common()],
        quotas=_quotas(visit, app),
        bill=_bill(visit, app, month),
        month=month,
        months=_months(visit, month),
    )


def export_calls(visit: Visit) -> Response:
    """A month's calls as a spreadsheet, by hour, day or as a whole."""
    app, month = visit.app(), _month(visit)
    periods: dict[str, Period] = {"hour": "hour", "day": "day", "month": "month"}
    by = periods.get(visit.request.query_params.get("by", "day"))
    if by is None:
        raise TusouError(Problem.INVALID_PARAM, "by hour, day or month")
    calendar = visit.runtime.billing.prices.calendar
    found = totals(visit.runtime.database, month.begin, month.end, by, calendar, app.id)
    return visit.csv(f"calls-{app.id}-{month.name}.csv", sheets.as_csv(sheets.calls(found)))


def export_bill(visit: Visit) -> Response:
    """A month's bill as a spreadsheet; of an application without an account, its head only."""
    app, month = visit.app(), _month(visit)
    bill = _bill(visit, app, month)
    rows = sheets.bills([] if bill is None else [bill])
    return visit.csv(f"bill-{app.id}-{month.name}.csv", sheets.as_csv(rows))


def _month(visit: Visit) -> Month:
    calendar = visit.runtime.billing.prices.calendar
    name = visit.request.query_params.get("month") or calendar.name(visit.now, "month")
    try:
        return Month(name, *calendar.month(name))
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, str(error)) from None


def _months(visit: Visit, shown: Month) -> list[str]:
    """The last ones, and the one that is shown; newest first."""
    calendar = visit.runtime.billing.prices.calendar
    names, begin = {shown.name}, calendar.month_of(visit.now)
    for _ in range(_MONTHS):
        names.add(calendar.name(begin, "month"))
        begin = calendar.month_of(begin - 1)
    return sorted(names, reverse=True)


def _sum(month: Month, rows: Iterable[OfDay]) -> Sum:
    succeeded, failed = [0] * month.days, [0] * month.days
    for row in rows:
        (succeeded if row.code == SUCCESS else failed)[row.day] += row.calls
    return Sum(tuple(succeeded), tuple(failed))


def _quotas(visit: Visit, app: App) -> list[Quotas]:
    runtime = visit.runtime
    return [
        Quotas(
            service,
            operation,
            *runtime.quotas.look(app, service, operation),
            runtime.billing.standing.left(app.id, service, operation),
        )
        for service in app.services
        for operation in OPERATIONS
    ]


def _bill(visit: Visit, app: App, month: Month) -> Bill | None:
    """The month's bill; None where the application has no account."""
    billing = visit.runtime.billing
    return None if billing.ledger.look(app.id) is None else billing.bills(month.name, app.id)[0]


_APP = "/usage/{app_id:int}"

PAGE = Page(
    Entry("usage", "/usage", "chart"),
    (
        Work("GET", "/usage", show_all),
        Work("GET", _APP, show),
        Work("GET", f"{_APP}/calls.csv", export_calls),
        Work("GET", f"{_APP}/bill.csv", export_bill),
    ),
)
