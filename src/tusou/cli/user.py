"""`tusou user`: who may sign in to the console."""

import json
import sys

import click

from tusou.accounts.secrets import new_key
from tusou.accounts.users import ROLES
from tusou.cli import command
from tusou.office import Office
from tusou.settings import Settings

_NAME = click.argument("name")
_APP_ID = click.argument("app_id", type=int)
_STDIN = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input."
)
_GENERATE = click.option("--generate", is_flag=True, help="Make a password up and print it.")


@click.group()
def user() -> None:
    """Add, list and remove users of the console, and give them applications."""


@user.command(help="Make a user.\n\n" + "\n\n".join(f"{k}: {v}." for k, v in ROLES.items()))
@_NAME
@click.option("--role", type=click.Choice(list(ROLES)), default="operator", show_default=True)
@click.option("--app", "apps", type=int, multiple=True, help="An AppID of theirs; repeatable.")
@_STDIN
@_GENERATE
@command
def add(
    settings: Settings,
    name: str,
    role: str,
    apps: tuple[int, ...],
    from_stdin: bool,
    generate: bool,
) -> None:
    """Make a user called NAME."""
    with Office(settings) as office:
        office.users.add(name, _password(from_stdin, generate), role, apps)
    click.echo(f"{role} {name} made")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def list_(settings: Settings, as_json: bool) -> None:
    """List users with their role and applications."""
    with Office(settings) as office:
        found = office.users.list()
    if as_json:
        rows = [{"name": u.name, "role": u.role, "apps": sorted(map(str, u.apps))} for u in found]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        apps = "all" if one.operates else ", ".join(map(str, sorted(one.apps))) or "none"
        click.echo(f"{one.name}  {one.role}  applications: {apps}")


@user.command()
@_NAME
@_STDIN
@_GENERATE
@command
def password(settings: Settings, name: str, from_stdin: bool, generate: bool) -> None:
    """Give NAME another password; whoever is signed in as NAME is signed out."""
    with Office(settings) as office:
        office.users.get(name)  # before anybody types a password for nobody
        office.users.set_password(name, _password(from_stdin, generate))
    click.echo(f"{name} has another password")


@user.command()
@_NAME
@_APP_ID
@command
def grant(settings: Settings, name: str, app_id: int) -> None:
    """Give NAME the application APP_ID."""
    with Office(settings) as office:
        office.users.grant(name, app_id)


@user.command()
@_NAME
@_APP_ID
@command
def revoke(settings: Settings, name: str, app_id: int) -> None:
    """Take the application APP_ID from NAME."""
    with Office(settings) as office:
        office.users.revoke(name, app_id)


@user.command()
@_NAME
@click.confirmation_option(prompt="Delete this user?")
@command
def remove(settings: Settings, name: str) -> None:
    """Delete NAME, who is signed out at once; applications stay."""
    with Office(settings) as office:
        office.users.remove(name)


def _password(from_stdin: bool, generate: bool) -> str:
    if generate:
        made = new_key(16)
        click.echo(f"password: {made}")
        return made
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
