"""`tusou bill` and `tusou usage`: a month's bills and calls, for people, spreadsheets, programs."""

import json

import click

from tusou.accounts import sheets
from tusou.accounts.billing import Bill
from tusou.accounts.calendar import Period
from tusou.accounts.money import plain, shown
from tusou.accounts.sheets import LINE
from tusou.accounts.statistics import totals
from tusou.cli import command
from tusou.cli.calls import columns
from tusou.office import Office
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
        click.echo(sheets.as_csv(sheets.bills(bills)), nl=False)
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
    rows = sheets.calls(found)
    click.echo(sheets.as_csv(rows) if form == "csv" else columns(rows), nl=form == "table")


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


def _page(made: Bill) -> str:
    rows = [(*line[: len(LINE)], line.amount, line.note) for line in made.lines]
    state = "" if made.final else ", not final"
    return "\n".join(
        (
            f"{made.month}  {made.app_id}  {made.name}  ({made.currency}{state})",
            columns([(*LINE, "amount", "note"), *rows]) if rows else "nothing",
            f"total {shown(made.total)}",
        )
    )
