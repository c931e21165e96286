"""`tusou app`: applications and their keys."""

import json

import click

from tusou.accounts.apps import App
from tusou.cli import command
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_APP_ID = click.argument("app_id", type=int)


@click.group()
def app() -> None:
    """Create, list and change applications."""


@app.command()
@click.argument("name")
@click.option(
    "--services",
    default="all",
    show_default=True,
    help=f"Comma separated: {', '.join(SERVICES)}; or all.",
)
@click.option("--plan", help="See `tusou plan list` [TUSOU_PLAN, open].")
@_JSON
@command
def create(settings: Settings, name: str, services: str, plan: str | None, as_json: bool) -> None:
    """Make an application called NAME and show its keys."""
    with Office(settings) as office:
        chosen = office.plans.get(plan or settings.plan)
        made, secret = office.apps.create(name, _ticked(services), chosen.name)
    _show(made, secret, as_json)


@app.command()
@_APP_ID
@click.option("--name", help="Its new name.")
@click.option("--services", help="All that it may use from now on, comma separated; or all.")
@command
def edit(settings: Settings, app_id: int, name: str | None, services: str | None) -> None:
    """Give an application another name, or tick other services."""
    with Office(settings) as office:
        office.apps.edit(app_id, name, None if services is None else _ticked(services))


@app.command("list")
@_JSON
@command
def list_(settings: Settings, as_json: bool) -> None:
    """List applications, without secrets."""
    with Office(settings) as office:
        found = office.apps.list()
    if as_json:
        click.echo(json.dumps([_facts(row) for row in found], ensure_ascii=False))
        return
    for row in found:
        state = "" if row.enabled else "  (disabled)"
        click.echo(f"{row.id}  {row.name}{state}  {row.plan}  {', '.join(row.services)}")


@app.command()
@_APP_ID
@_JSON
@command
def show(settings: Settings, app_id: int, as_json: bool) -> None:
    """Show an application with its keys."""
    with Office(settings) as office:
        _show(office.apps.get(app_id), office.apps.secret(app_id), as_json)


@app.command("reset-key")
@_APP_ID
@_JSON
@command
def reset_key(settings: Settings, app_id: int, as_json: bool) -> None:
    """Give an application a new secret key; its old one and its tokens stop working at once."""
    with Office(settings) as office:
        secret = office.apps.reset_key(app_id)
        _show(office.apps.get(app_id), secret, as_json)


@app.command("revoke-tokens")
@_APP_ID
@command
def revoke_tokens(settings: Settings, app_id: int) -> None:
    """End every access and refresh token of an application; its keys stay."""
    with Office(settings) as office:
        click.echo(f"{office.apps.revoke_tokens(app_id)} tokens ended")


@app.command()
@_APP_ID
@command
def disable(settings: Settings, app_id: int) -> None:
    """Refuse an application's calls; its keys and pictures stay."""
    with Office(settings) as office:
        office.apps.enable(app_id, False)


@app.command()
@_APP_ID
@command
def enable(settings: Settings, app_id: int) -> None:
    """Take a disabled application's calls again."""
    with Office(settings) as office:
        office.apps.enable(app_id, True)


@app.command()
@_APP_ID
@click.confirmation_option(prompt="Its keys will never work again. Delete the application?")
@command
def delete(settings: Settings, app_id: int) -> None:
    """Delete an application; its pictures stay on disk."""
    with Office(settings) as office:
        office.apps.delete(app_id)


def _ticked(services: str) -> list[str]:
    if services == "all":
        return list(SERVICES)
    return [part.strip() for part in services.split(",") if part.strip()]


def _facts(row: App) -> dict[str, object]:
    # Every official client takes the AppID as text.
    return {
        "app_id": str(row.id),
        "name": row.name,
        "api_key": row.api_key,
        "services": list(row.services),
        "enabled": row.enabled,
        "plan": row.plan,
    }


def _show(row: App, secret: str, as_json: bool) -> None:
    if as_json:
        keys = {"app_id": str(row.id), "api_key": row.api_key, "secret_key": secret}
        click.echo(json.dumps(keys))
        return
    click.echo(f"AppID       {row.id}\nAPI Key     {row.api_key}\nSecret Key  {secret}")
