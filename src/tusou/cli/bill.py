"""`tusou bill` and `tusou usage`: a month's bills and calls, for people, spreadsheets, programs."""

import csv
import io
import json
from collections.abc import Sequence

import click

from tusou.accounts.billing import Bill
from tusou.accounts.calendar import Period
from tusou.accounts.money import plain, shown
from tusou.accounts.statistics import Total, totals
from tusou.cli import command
from tusou.cli.calls import columns
from tusou.runtime import Office
from tusou.settings import Settings

_MONTH = click.option("--month", required=True, help="Such as 2026-11.")
_APP = click.option("--app", "app_id", type=int, help="AppID; all where it is not given.")
_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
_LINE = ("kind", "service", "operation", "calls", "failed", "free", "packaged", "metered")


@click.command()
@_MONTH
@_APP
@_FORMAT
@command
def bill(settings: Settings, month: str, app_id: int | None, form: str) -> None:
    """Print a month's bills, up to the last full hour."""
    with Office(settings) as office:
        bills = office.billing.bills(month, app_id)
    if form == "json":
        click.echo(json.dumps([_facts(made) for made in bills], ensure_ascii=False))
    elif form == "csv":
        click.echo(_csv(_bill_rows(bills)), nl=False)
    else:
        click.echo("\n\n".join(_page(made) for made in bills) or "no application has an account")


@click.command()
@_MONTH
@_APP
@click.option(
    "--by", type=click.Choice(["hour", "day", "month"]), default="month", show_default=True
)
@_FORMAT
@command
def usage(settings: Settings, month: str, app_id: int | None, by: Period, form: str) -> None:
    """Print a month's calls by application, service, call, outcome (0: success), and time."""
    with Office(settings) as office:
        calendar = office.billing.prices.calendar
        found = totals(office.database, *calendar.month(month), by, calendar, app_id)
    if form == "json":
        facts = [{**row._asdict(), "app_id": str(row.app_id)} for row in found]
        click.echo(json.dumps(facts))
        return
    rows = [
        Total._fields,
        *((str(row.app_id), *row[1:4], str(row.code), row.calls) for row in found),
    ]
    click.echo(_csv(rows) if form == "csv" else columns(rows), nl=form == "table")


def _facts(made: Bill) -> dict[str, object]:
    return {
        "app_id": str(made.app_id),
        "name": made.name,
        "month": made.month,
        "currency": made.currency,
        "final": made.final,
        "lines": [{**line._asdict(), "amount": plain(line.amount)} for line in made.lines],
        "total": plain(made.total),
    }


def _bill_rows(bills: Sequence[Bill]) -> list[Sequence[object]]:
    """One row a line; no row of sums, which a spreadsheet would add up again."""
    head = ("month", "app_id", "name", *_LINE, "amount", "currency", "note")
    rows = [
        (
            made.month,
            made.app_id,
            # A spreadsheet takes a name that begins so for a formula.
            f"'{made.name}" if made.name[:1] in "=+-@\t\r" else made.name,
            *line[: len(_LINE)],
            plain(line.amount),
            made.currency,
            line.note,
        )
        for made in bills
        for line in made.lines
    ]
    return [head, *rows]


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _page(made: Bill) -> str:
    rows = [(*line[: len(_LINE)], line.amount, line.note) for line in made.lines]
    state = "" if made.final else ", not final"
    return "\n".join(
        (
            f"{made.month}  {made.app_id}  {made.name}  ({made.currency}{state})",
            columns([(*_LINE, "amount", "note"), *rows]) if rows else "nothing",
            f"total {shown(made.total)}",
        )
    )
