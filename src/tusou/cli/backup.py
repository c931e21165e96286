"""`tusou backup` and `tusou restore`: all that a server needs to be itself again."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from tusou import runtime
from tusou.backup import restore as restoring
from tusou.cli import command
from tusou.settings import Settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.command()
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--full", is_flag=True, help="Copy everything, also what an earlier backup has.")
@_JSON
@command
def backup(settings: Settings, place: Path, full: bool, as_json: bool) -> None:
    """Back up everything to PLACE, also while a server runs.

    PLACE is a folder, in which tusou-TIME is made and pictures of the last backup there are linked,
    not copied; or a new archive, NAME.tar. A backup holds the database, the pictures, the model
    packs that were added and secret.key, which opens the applications' secrets: keep it as safe as
    the server itself.
    """
    made = runtime.back_up(settings, place, full=full)
    if as_json:
        click.echo(json.dumps({**asdict(made), "place": str(made.place)}))
    else:
        known = f", of which {made.reused:,} are linked to an earlier backup" if made.reused else ""
        click.echo(f"{made.place}: {made.pictures:,} pictures, {made.files:,} files{known}")
    if made.lost:
        click.echo(
            f"{made.lost:,} files of pictures are not in the store, though nobody deleted them; "
            "these pictures are found, but cannot be shown",
            err=True,
        )


@click.command()
@click.argument("place", type=click.Path(exists=True, path_type=Path))
@click.option("--force", is_flag=True, help="Put a data folder aside that is not empty.")
@click.option("--check", is_flag=True, help="Only read the backup and see that it is whole.")
@_JSON
@command
def restore(settings: Settings, place: Path, force: bool, check: bool, as_json: bool) -> None:
    """Make the backup at PLACE the data folder, which no server uses.

    PLACE is an archive, a backup's folder, or a folder of backups, whose newest is taken. Every
    file is compared with its SHA-256 before the data folder is touched.
    """
    if check:
        contents, replaced = restoring.check(place), None
    else:
        contents, replaced = runtime.restore(settings, place, force=force)
    if as_json:
        facts = asdict(contents) | {"replaced": None if replaced is None else str(replaced)}
        click.echo(json.dumps(facts))
        return
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(contents.made))
    where = "whole" if check else f"restored to {settings.data}"
    click.echo(f"{where}: {contents.pictures:,} pictures, {contents.files:,} files, as of {made}")
    if replaced is not None:
        click.echo(f"what was there before is in {replaced}")
