"""`tusou library`: an application's libraries."""

import json

import click

from tusou.cli import command
from tusou.runtime import Office
from tusou.services import SERVICES
from tusou.settings import Settings


@click.group()
def library() -> None:
    """Create and list libraries."""


@library.command()
@click.argument("app_id", type=int)
@click.argument("service", type=click.Choice([*SERVICES, "all"]))
@command
def create(settings: Settings, app_id: int, service: str) -> None:
    """Make APP_ID's library for SERVICE, or for all five."""
    with Office(settings) as office:
        for name in SERVICES if service == "all" else [service]:
            row = office.create_library(app_id, name)
            click.echo(f"library for {name} made, for up to {row.capacity:,} pictures")


@library.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option(
    "--unused",
    type=click.IntRange(1),
    metavar="DAYS",
    help="Only those without an add or a search for so many days.",
)
@command
def list_(settings: Settings, as_json: bool, unused: int | None) -> None:
    """List all libraries with their size and capacity."""
    with Office(settings) as office:
        rows = office.registry.list() if unused is None else office.unused_libraries(unused)
    if as_json:
        facts = [
            {
                "app_id": str(row.app_id),
                "service": row.service,
                "size": row.size,
                "capacity": row.capacity,
                "pack": row.pack,
            }
            for row in rows
        ]
        click.echo(json.dumps(facts))
        return
    for row in rows:
        click.echo(f"{row.app_id}  {row.service:<12}  {row.size:,} of {row.capacity:,}  {row.pack}")
