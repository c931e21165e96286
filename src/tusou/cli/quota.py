"""`tusou app plans`, `plan`, `limit` and `quota`: how much an application may call."""

import json
import time
from collections.abc import Callable

import click

from tusou.accounts.plans import Plan, Quota
from tusou.cli import command
from tusou.cli.app import app
from tusou.runtime import Office
from tusou.services import OPERATIONS, SERVICES
from tusou.settings import Settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_APP_ID = click.argument("app_id", type=int)


_PLAN = "plan"


def _amount(_: click.Context, option: click.Parameter, text: str) -> int | str | None:
    """A number of calls; None for no limit; what the plan says."""
    if text == _PLAN:
        return text
    if text == "none":
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise click.BadParameter(f"{text!r} is no number of calls; write one, or none, or plan")
    return int(text)


def _limit(kind: str, help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        f"--{kind}",
        default=_PLAN,
        show_default=True,
        metavar="NUMBER|none|plan",
        callback=_amount,
        help=help,
    )


@app.command()
@_JSON
@command
def plans(settings: Settings, as_json: bool) -> None:
    """List the plans with what they allow."""
    with Office(settings) as office:
        found = office.plans.list()
    if as_json:
        click.echo(json.dumps([_facts(row) for row in found], ensure_ascii=False))
        return
    for row in found:
        days = f", totals for {row.days} days" if row.days else ""
        click.echo(f"{row.name}  {row.title} · {row.chinese}{days}")
        for call, quota in _different(row).items():
            click.echo(f"    {call:<20} {_words(quota)}")


@app.command()
@_APP_ID
@click.argument("name")
@command
def plan(settings: Settings, app_id: int, name: str) -> None:
    """Give APP_ID the plan NAME; its totals and its days count from now."""
    with Office(settings) as office:
        office.apps.set_plan(app_id, office.plans.get(name))


@app.command()
@_APP_ID
@click.argument("service", type=click.Choice([*SERVICES]))
@click.argument("call", type=click.Choice(OPERATIONS))
@_limit("qps", "Calls in any second.")
@_limit("daily", "Calls a day, China time.")
@_limit("total", "Calls in all, since the plan was given.")
@command
def limit(settings: Settings, app_id: int, service: str, call: str, **given: object) -> None:
    """Let APP_ID make more or fewer of one call than its plan says.

    The limits given replace those given before; without any, the plan's are back.
    """
    own = {kind: amount for kind, amount in given.items() if amount != _PLAN}
    with Office(settings) as office:
        office.apps.set_limits(app_id, service, call, own)  # type: ignore[arg-type]


@app.command()
@_APP_ID
@_JSON
@command
def quota(settings: Settings, app_id: int, as_json: bool) -> None:
    """Show what an application may call: its plan, and what differs from it."""
    with Office(settings) as office:
        row = office.apps.get(app_id)
        its_plan = office.plans.get(row.plan)
    quotas = {
        f"{service}/{call}": its_plan.quota(service, call, row.limits)
        for service in row.services
        for call in OPERATIONS
    }
    if as_json:
        facts = {call: quota._asdict() for call, quota in quotas.items()}
        click.echo(json.dumps({"plan": row.plan, "since": row.plan_since, "quotas": facts}))
        return
    since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(row.plan_since))
    click.echo(f"plan {row.plan} since {since}")
    for call, quota in quotas.items():
        click.echo(f"{call:<20} {_words(quota)}{'  (own)' if call in row.limits else ''}")


def _different(row: Plan) -> dict[str, Quota]:
    """A plan's quotas by call, and by service where they differ between services."""
    shown = {}
    for call in OPERATIONS:
        by_service = {service: row.quotas[service, call] for service in SERVICES}
        if len(set(by_service.values())) == 1:
            shown[call] = next(iter(by_service.values()))
        else:
            shown |= {f"{service}/{call}": quota for service, quota in by_service.items()}
    return shown


def _words(quota: Quota) -> str:
    amounts = zip(quota, ("a second", "a day", "in all"), strict=True)
    told = [f"{amount:,} {unit}" for amount, unit in amounts if amount is not None]
    return ", ".join(told) or "no limit"


def _facts(row: Plan) -> dict[str, object]:
    quotas = {f"{service}/{call}": quota._asdict() for (service, call), quota in row.quotas.items()}
    return {
        "name": row.name,
        "title": row.title,
        "chinese": row.chinese,
        "days": row.days,
        "quotas": quotas,
    }
