"""`tusou app plans`, `plan`, `limit` and `quota`: how much an application may call."""

import json
import time

import click

from tusou.cli import command
from tusou.cli.app import app
from tusou.cli.plan import limit_option, list_plans, words
from tusou.office import Office
from tusou.services import OPERATIONS, SERVICES
from tusou.settings import Settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_APP_ID = click.argument("app_id", type=int)
_PLAN = "plan"


@app.command()
@_JSON
@command
def plans(settings: Settings, as_json: bool) -> None:
    """List the plans with what they allow."""
    list_plans(settings, as_json)


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
@limit_option("qps", "Calls in any second.", _PLAN)
@limit_option("daily", "Calls a day, China time.", _PLAN)
@limit_option("total", "Calls in all, since the plan was given.", _PLAN)
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
        click.echo(f"{call:<20} {words(quota)}{'  (own)' if call in row.limits else ''}")
