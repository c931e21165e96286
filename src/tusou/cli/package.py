"""`tusou package` and `tusou qps`: what is paid for in advance."""

import json
from datetime import datetime
from typing import Literal

import click

from tusou.accounts.charging import Package
from tusou.accounts.money import plain
from tusou.cli import command
from tusou.cli.calls import columns, one_call
from tusou.office import Office
from tusou.settings import Settings

_APP_ID = click.argument("app_id", type=int)
_SIZE = click.argument("calls", type=click.IntRange(1))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group()
def package() -> None:
    """Buy, grant, list and refund packages of calls."""


@package.command()
@_APP_ID
@one_call
@_SIZE
@command
def buy(settings: Settings, app_id: int, service: str, operation: str, calls: int) -> None:
    """Buy a package of CALLS from the balance of APP_ID; calls past it are paid as they come."""
    with Office(settings) as office:
        _tell(office, office.billing.packages.buy(app_id, service, operation, calls))


@package.command()
@_APP_ID
@one_call
@_SIZE
@command
def grant(settings: Settings, app_id: int, service: str, operation: str, calls: int) -> None:
    """Give APP_ID a package of CALLS for nothing."""
    with Office(settings) as office:
        _tell(office, office.billing.packages.grant(app_id, service, operation, calls))


@package.command()
@click.argument("package_id", type=int)
@command
def refund(settings: Settings, package_id: int) -> None:
    """Take a package back that was not used; its price returns to the balance."""
    with Office(settings) as office:
        office.billing.packages.refund(package_id)


@package.command("list")
@_APP_ID
@_JSON
@command
def list_(settings: Settings, app_id: int, as_json: bool) -> None:
    """List the packages and free allowances of APP_ID, as of the last hour that was charged."""
    with Office(settings) as office:
        office.billing.ledger.account(app_id)
        facts = [_facts(office, row) for row in office.billing.packages.list(app_id)]
    if as_json:
        click.echo(json.dumps(facts))
    elif facts:
        click.echo(columns([tuple(facts[0]), *(tuple(row.values()) for row in facts)]))


@click.group()
def qps() -> None:
    """Buy and list QPS add-ons."""


@qps.command("buy")
@_APP_ID
@one_call
@click.argument("qps", type=click.IntRange(1))
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day [today].")
@click.option("--days", type=click.IntRange(1), help="How many days.")
@click.option("--months", type=click.IntRange(1), help="How many months.")
@command
def buy_qps(
    settings: Settings,
    app_id: int,
    service: str,
    operation: str,
    qps: int,
    first: datetime | None,
    days: int | None,
    months: int | None,
) -> None:
    """Buy QPS more queries a second from the balance of APP_ID, for some days or months."""
    if (days is None) == (months is None):
        raise click.UsageError("give either --days or --months")
    unit: Literal["day", "month"] = "month" if days is None else "day"
    begin = None if first is None else first.date()
    with Office(settings) as office:
        office.billing.addons.buy(app_id, service, operation, qps, begin, days or months or 0, unit)


@qps.command("list")
@_APP_ID
@_JSON
@command
def list_qps(settings: Settings, app_id: int, as_json: bool) -> None:
    """List the add-ons of APP_ID; those that have ended too."""
    with Office(settings) as office:
        office.billing.ledger.account(app_id)
        local = office.billing.prices.calendar.local
        facts: list[dict[str, object]] = [
            {
                "service": row.service,
                "operation": row.operation,
                "qps": row.qps,
                "begins": local(row.begins).isoformat(),
                "ends": local(row.ends).isoformat(),
                "price": plain(row.price),
            }
            for row in office.billing.addons.list(app_id)
        ]
    if as_json:
        click.echo(json.dumps(facts))
    elif facts:
        click.echo(columns([tuple(facts[0]), *(tuple(row.values()) for row in facts)]))


def _tell(office: Office, made: Package) -> None:
    until = office.billing.prices.calendar.local(made.expires)
    click.echo(f"package {made.id}: {made.size:,} calls until {until:%Y-%m-%d %H:%M}")


def _facts(office: Office, row: Package) -> dict[str, object]:
    return {
        "id": row.id,
        "service": row.service,
        "operation": row.operation,
        "kind": row.kind if row.refunded is None else "refunded",
        "calls": row.size,
        "left": row.left,
        "price": plain(row.price),
        "expires": office.billing.prices.calendar.local(row.expires).isoformat(),
    }
