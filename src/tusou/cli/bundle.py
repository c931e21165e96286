"""`tusou bundle`: the package for machines without a network."""

from pathlib import Path

import click

from tusou.cli import command
from tusou.settings import Settings


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option(
    "--nvidia", is_flag=True, help="With what runs the models on NVIDIA's graphics cards (2 GiB)."
)
@command
def bundle(settings: Settings, folder: Path, nvidia: bool) -> None:
    """Make an offline package in FOLDER (default: here): a tar file with all that tusou needs.

    It holds this version, the packages it needs, the model packs and an install script, for this
    kind of machine and this version of Python. Making it needs the network; installing does not.
    """
    # Here and not above: the other commands need none of it.
    from tusou import bundle
    from tusou.runtime import added_packs

    variant = bundle.Variant.NVIDIA if nvidia else bundle.Variant.CPU
    made = bundle.make(folder, added_packs(settings), variant)
    click.echo(
        f"{made} ({made.stat().st_size >> 20} MiB). On the other machine:\n\n"
        f"  tar xf {made.name}\n  {bundle.name(variant)}/install.sh --prefix /opt/tusou\n"
    )
