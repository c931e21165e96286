"""`tusou model`: the model packs at hand."""

import json

import click

from tusou.cli import command
from tusou.cli.calls import columns
from tusou.office import Office
from tusou.settings import Settings

_NAME = click.argument("name")


@click.group()
def model() -> None:
    """List, add and remove model packs (see docs/models.md)."""


@model.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def list_(settings: Settings, as_json: bool) -> None:
    """List all packs, and how many libraries need each."""
    with Office(settings) as office:
        needed = [pack for pack, _ in office.needed_packs()]
        facts = [
            {
                "id": pack.id,
                "dimension": pack.dimension,
                "size": pack.size,
                "licence": pack.licence,
                "added": office.shelf.is_added(pack),
                "libraries": needed.count(pack.id),
            }
            for pack in office.shelf.packs()
        ]
    if as_json:
        click.echo(json.dumps(facts))
        return
    head = ("pack", "dimension", "pixels", "licence", "", "libraries")
    rows = [
        (row["id"], row["dimension"], row["size"], row["licence"], origin, row["libraries"])
        for row in facts
        for origin in ["added" if row["added"] else "bundled"]
    ]
    click.echo(columns([head, *rows]))


@model.command()
@click.argument("source")
@command
def add(settings: Settings, source: str) -> None:
    """Add the pack of SOURCE: a folder, a wheel, or hf:OWNER/REPO[@REVISION].

    It is tried out first. Only hf: uses the network.
    """
    with Office(settings) as office:
        for pack in office.add_pack(source):
            click.echo(f"{pack.id} added: {pack.licence}, {pack.source}")


@model.command()
@_NAME
@command
def remove(settings: Settings, name: str) -> None:
    """Delete the added pack NAME; refused while a library uses it."""
    with Office(settings) as office:
        click.echo(f"{office.remove_pack(name).id} removed")


@model.command()
@_NAME
@command
def card(settings: Settings, name: str) -> None:
    """Print the model card of the pack NAME."""
    with Office(settings) as office:
        pack = office.shelf.find(name)
    click.echo(pack.card or f"{pack.id} has no card", nl=not pack.card)
