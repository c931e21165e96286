"""`tusou app`: applications and their keys."""

import json

import click

from tusou.accounts.apps import App
from tusou.cli import command
from tusou.runtime import Office
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
@_JSON
@command
def create(settings: Settings, name: str, services: str, as_json: bool) -> None:
    """Make an application called NAME and show its keys."""
    ticked = (
        list(SERVICES)
        if services == "all"
        else [part.strip() for part in services.split(",") if part.strip()]
    )
    with Office(settings) as office:
        made, secret = office.apps.create(name, ticked)
    _show(made, secret, as_json)


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
        click.echo(f"{row.id}  {row.name}{state}  {', '.join(row.services)}")


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


def _facts(row: App) -> dict[str, object]:
    # Every official client takes the AppID as text.
    return {
        "app_id": str(row.id),
        "name": row.name,
        "api_key": row.api_key,
        "services": list(row.services),
        "enabled": row.enabled,
    }


def _show(row: App, secret: str, as_json: bool) -> None:
    if as_json:
        keys = {"app_id": str(row.id), "api_key": row.api_key, "secret_key": secret}
        click.echo(json.dumps(keys))
        return
    click.echo(f"AppID       {row.id}\nAPI Key     {row.api_key}\nSecret Key  {secret}")
