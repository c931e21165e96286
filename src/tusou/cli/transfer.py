"""`tusou transfer`: everything to another database and picture store."""

from contextlib import closing
from dataclasses import replace

import click

from tusou.backends import open_blobs
from tusou.cli import command
from tusou.settings import Settings
from tusou.storage import blobs, transfer
from tusou.storage.database import Database


@click.command("transfer")
@click.option("--to-database", required=True, help="SQLAlchemy URL of the database to fill.")
@click.option("--to-blobs", required=True, help="Folder or s3://BUCKET/PREFIX to fill.")
@command
def transfer_(settings: Settings, to_database: str, to_blobs: str) -> None:
    """Make another database and picture store equal to those of the settings.

    From one machine to a cluster, and back. A server may go on running on the old side. What
    changes meanwhile is brought by another run; stop the old servers before the last. A run that
    was broken off goes on where it ended. At the end both sides are counted and added up; the exit
    status is 1 where they differ. Indexes are not copied: the new server makes them from the rows.
    """
    there = replace(settings, database=to_database, blobs=to_blobs)
    with closing(open_blobs(settings)) as ours, closing(open_blobs(there)) as theirs:
        copied = blobs.copy(ours, theirs)
    click.echo(f"pictures: {copied.copied:,} files copied, {copied.there:,} were there")
    with closing(Database(settings.database_url)) as source:
        if source.state() != "current":
            raise RuntimeError("start this version's server on the old side once, and try again")
        with closing(Database(there.database_url)) as target:
            target.migrate()
            for name, changes in transfer.equalize(source, target):
                if changes != transfer.Changes():
                    click.echo(
                        f"{name}: {changes.inserted:,} added, {changes.updated:,} changed, "
                        f"{changes.deleted:,} deleted"
                    )
            _compare(transfer.sums(source), transfer.sums(target))
    click.echo("give the new servers the old secret.key: keys and tokens are sealed with it")


def _compare(ours: dict[str, transfer.Sum], theirs: dict[str, transfer.Sum]) -> None:
    different = [name for name in ours if ours[name] != theirs[name]]
    for name, own in ours.items():
        shown = f"{own.rows:>12,}  {own.digest}"
        click.echo(f"{name:<18} {shown}  {'DIFFERENT' if name in different else 'equal'}")
    if different:
        raise RuntimeError(
            f"different: {', '.join(different)}; the old side has changed meanwhile, run this again"
        )
