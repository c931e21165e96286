"""`tusou account`: what an application has to pay with."""

import json
from decimal import Decimal

import click

from tusou.accounts.ledger import Account
from tusou.accounts.money import plain, shown
from tusou.accounts.prices import Priced
from tusou.cli import command
from tusou.cli.calls import Amount, columns
from tusou.office import Office
from tusou.services import OPERATIONS, SERVICES
from tusou.settings import Settings

_APP_ID = click.argument("app_id", type=int)
_AMOUNT = click.argument("amount", type=Amount())
_NOTE = click.option("--note", default="", help="Kept in the ledger.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_CALLS = click.argument("service", type=click.Choice([*SERVICES, "all"]))
_OPERATION = click.argument("operation", type=click.Choice([*OPERATIONS, "all"]))


@click.group()
def account() -> None:
    """Open accounts, move money, open and close pay-as-you-go.

    An application without an account is served and counted, and pays nothing.
    """


@account.command("open")
@_APP_ID
@click.option(
    "--plan", default="none", show_default=True, help="Of the price list: its free allowance."
)
@command
def open_(settings: Settings, app_id: int, plan: str) -> None:
    """Give APP_ID an account; from then on it is served what allowance and money pay for."""
    with Office(settings) as office:
        office.apps.get(app_id)
        office.billing.ledger.open(app_id, plan)


@account.command("list")
@_JSON
@command
def list_(settings: Settings, as_json: bool) -> None:
    """List all accounts with their balance."""
    with Office(settings) as office:
        rows = office.billing.ledger.accounts()
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows]))
    elif rows:
        table = [(str(row.app_id), row.plan, row.balance, _state(row)) for row in rows]
        click.echo(columns([("AppID", "plan", "balance", ""), *table]))


@account.command()
@_APP_ID
@_JSON
@command
def show(settings: Settings, app_id: int, as_json: bool) -> None:
    """Show an account: balance, and the calls that are paid as they come."""
    with Office(settings) as office:
        row = office.billing.ledger.account(app_id)
        paid = sorted(office.billing.ledger.paid(app_id))
    if as_json:
        click.echo(json.dumps({**_facts(row), "pay_as_you_go": [" ".join(call) for call in paid]}))
        return
    calls = ", ".join(" ".join(call) for call in paid) or "nothing"
    click.echo(
        f"AppID          {row.app_id}\nPlan           {row.plan}\n"
        f"Balance        {shown(row.balance)}  {_state(row)}".rstrip()
        + f"\nPay-as-you-go  {calls}"
    )


@account.command("top-up")
@_APP_ID
@_AMOUNT
@_NOTE
@command
def top_up(settings: Settings, app_id: int, amount: Decimal, note: str) -> None:
    """Add AMOUNT to the balance of APP_ID."""
    with Office(settings) as office:
        row = office.billing.ledger.top_up(app_id, amount, note)
    click.echo(f"the balance is {shown(row.balance)}")


@account.command()
@_APP_ID
@_AMOUNT
@_NOTE
@command
def withdraw(settings: Settings, app_id: int, amount: Decimal, note: str) -> None:
    """Pay AMOUNT of the balance of APP_ID back."""
    with Office(settings) as office:
        row = office.billing.ledger.withdraw(app_id, amount, note)
    click.echo(f"the balance is {shown(row.balance)}")


@account.command()
@_APP_ID
@_CALLS
@_OPERATION
@click.option("--stop", is_flag=True, help="Close it instead.")
@command
def pay(settings: Settings, app_id: int, service: str, operation: str, stop: bool) -> None:
    """Open pay-as-you-go: past allowance and packages, calls are served and charged."""
    with Office(settings) as office:
        calls = _chosen(office, service, operation)
        ledger = office.billing.ledger
        (ledger.stop_paying if stop else ledger.pay)(app_id, calls)


@account.command()
@_APP_ID
@click.option("--month", required=True, help="Such as 2026-11.")
@_JSON
@command
def ledger(settings: Settings, app_id: int, month: str, as_json: bool) -> None:
    """List a month's changes of the balance of APP_ID."""
    with Office(settings) as office:
        calendar = office.billing.prices.calendar
        since, until = calendar.month(month)
        office.billing.ledger.account(app_id)
        entries = office.billing.ledger.entries(app_id, since, until)
    rows = [
        (calendar.local(row.time).isoformat(), row.kind, row.amount, row.note) for row in entries
    ]
    if as_json:
        names = ("time", "kind", "amount", "note")
        facts = [
            dict(zip(names, (time, kind, plain(amount), note), strict=True))
            for time, kind, amount, note in rows
        ]
        click.echo(json.dumps(facts, ensure_ascii=False))
    elif rows:
        click.echo(columns([("time", "kind", "amount", "note"), *rows]))


def _chosen(office: Office, service: str, operation: str) -> list[Priced]:
    """The calls named; `all` are those that have a price."""
    if "all" not in (service, operation):
        return [(service, operation)]
    return [
        (name, call)
        for name, call in office.billing.prices.calls
        if service in (name, "all") and operation in (call, "all")
    ]


def _state(row: Account) -> str:
    return "in arrears" if row.in_arrears else ""


def _facts(row: Account) -> dict[str, object]:
    return {
        "app_id": str(row.app_id),
        "plan": row.plan,
        "balance": plain(row.balance),
        "in_arrears": row.in_arrears,
    }
