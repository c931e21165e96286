"""`tusou library`: an application's libraries."""

import json
import sys

import click

from tusou.cli import command
from tusou.office import Office, Standing
from tusou.services import SERVICES
from tusou.settings import Settings


@click.group()
def library() -> None:
    """Create, check and list libraries, and move them to other model packs."""


@library.command()
@click.argument("app_id", type=int)
@click.argument("service", type=click.Choice([*SERVICES, "all"]))
@click.option("--pack", help="Model pack that fills it, by name or id; else TUSOU_PACK's.")
@command
def create(settings: Settings, app_id: int, service: str, pack: str | None) -> None:
    """Make APP_ID's library for SERVICE, or for all five."""
    with Office(settings) as office:
        for name in SERVICES if service == "all" else [service]:
            row = office.create_library(app_id, name, pack)
            click.echo(f"library for {name} made, for up to {row.capacity:,} pictures")


@library.command()
@click.argument("app_id", type=int)
@click.argument("service", type=click.Choice(list(SERVICES)))
@click.option("--pack", required=True, help="Model pack to move to; the library's own: stay.")
@command
def move(settings: Settings, app_id: int, service: str, pack: str) -> None:
    """Let the server move APP_ID's library for SERVICE to another model pack.

    Its pictures are embedded anew in the background; then searches change over all at once.
    `tusou library list` shows how far it is.
    """
    with Office(settings) as office:
        chosen = office.move_library(app_id, service, pack)
    click.echo(f"the running server, or the next one that runs, moves it to {chosen}")


@library.command()
@click.argument("app_id", type=int)
@click.argument("service", type=click.Choice(list(SERVICES)))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def check(settings: Settings, app_id: int, service: str, as_json: bool) -> None:
    """Read every picture file of APP_ID's library for SERVICE and name those that are damaged.

    Searches need no files; the console, a move to another model pack and `library check` do. The
    exit status is 1 where some are damaged: restore them, or delete and add those pictures again.
    """
    count = 0
    with Office(settings) as office:
        for item, found in office.check_pictures(app_id, service):
            count += 1
            facts = {"id": item.key, "cont_sign": str(item.sign), "brief": item.brief}
            if as_json:
                click.echo(json.dumps(facts | {"found": found}, ensure_ascii=False))
            else:
                click.echo(f"{item.sign}  {item.brief}: {found}")
        size = office.registry.get(app_id, service).size
    if not as_json:
        click.echo(f"{size:,} pictures, {count:,} damaged")
    if count:
        sys.exit(1)


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
        rows = office.standings()
        if unused is not None:
            wanted = office.unused_libraries(unused)
            rows = [row for row in rows if row.library in wanted]
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows]))
        return
    for row in rows:
        own = row.library
        click.echo(
            f"{own.app_id}  {own.service:<12}  {own.size:,} of {own.capacity:,}  "
            f"{own.pack}{_progress(row)}"
        )


def _facts(row: Standing) -> dict[str, object]:
    own, move = row
    return {
        "app_id": str(own.app_id),
        "service": own.service,
        "size": own.size,
        "capacity": own.capacity,
        "pack": own.pack,
        "move": move and {"pack": move.pack, "done": move.done, "problem": move.problem},
    }


def _progress(row: Standing) -> str:
    own, move = row
    if move is None:
        return ""
    if move.pack == own.pack:
        return "  (deleting vectors of other packs)"
    stuck = f"; stopped: {move.problem}" if move.problem else ""
    return f"  (moving to {move.pack}: {move.done:,} of {own.size:,}{stuck})"
