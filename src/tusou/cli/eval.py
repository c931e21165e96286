"""`tusou eval`: how good model packs are, by protocols."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from tusou.cli import command
from tusou.library import judging
from tusou.library.judging import Figures, Protocol
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings

_HEAD = ("protocol", "pack", "service", "queries", "recall@1", "recall@10", "P@10", "mAP")
_TIMES = ("ms a picture", "ms a search")


@click.command("eval")
@click.argument(
    "protocols",
    metavar="PROTOCOL...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--pack", "packs", multiple=True, help="Model pack; may be given several times.")
@click.option("--service", type=click.Choice(list(SERVICES)), help="By default the protocol's.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where its paths start; by default the folder above the protocol's.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Clients.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, for scripts.")
@command
def eval_(
    settings: Settings,
    protocols: tuple[Path, ...],
    packs: tuple[str, ...],
    service: str | None,
    pictures: Path | None,
    threads: int,
    as_json: bool,
) -> None:
    """Measure model packs by PROTOCOL files: recall, precision and time.

    Pictures are added to a library of its own and searched as the server does it, without HTTP.
    Prints a Markdown table. Protocols are described in docs/models.md.
    """
    read = [(judging.read(file), pictures or file.resolve().parents[1]) for file in protocols]
    services = [_service(protocol, service) for protocol, _ in read]
    if not as_json:
        click.echo(_line((*_HEAD, *_TIMES)) + "\n" + "|---" * len(_HEAD + _TIMES) + "|")
    for (protocol, folder), name in zip(read, services, strict=True):
        for pack in packs or (settings.pack or SERVICES[name].pack,):
            for row in _measure(settings, protocol, folder, (name, pack), threads):
                click.echo(json.dumps(row) if as_json else _line(_cells(row)))


def _measure(
    settings: Settings, protocol: Protocol, pictures: Path, made: tuple[str, str], threads: int
) -> list[dict[str, object]]:
    """Measure one pack by one protocol in a folder of its own; `made`: service and pack."""
    from tusou.library.evaluation import evaluate

    with tempfile.TemporaryDirectory(prefix="tusou-eval-") as folder:
        own = replace(
            settings, data=Path(folder), packs=settings.packs_folder, database="", pack=made[1]
        )
        runtime = Runtime(replace(own, store_originals=False))
        try:
            app, _ = runtime.apps.create("eval", [made[0]])
            row = runtime.create_library(app.id, made[0])
            library = runtime.catalogue.open(row)
            done = evaluate(library, runtime.models.get(row.pack), protocol, pictures, threads)
        finally:
            runtime.close()
    facts = {"service": row.service, "pack": row.pack, "milliseconds": done.milliseconds}
    return [{**facts, **_facts(protocol, figures)} for figures in done.figures]


def _facts(protocol: Protocol, row: Figures) -> dict[str, object]:
    return {
        "protocol": f"{protocol.name}: {row.group}" if row.group else protocol.name,
        "queries": row.queries,
        "recall@1": row.first,
        "recall@10": row.tenth,
        "P@10": row.precision,
        "mAP": row.average,
        "search_milliseconds": row.milliseconds,
    }


def _cells(row: dict[str, object]) -> list[str]:
    figures = [f"{row[name]:.3f}" for name in _HEAD[4:]]
    times = [f"{row[name]:.1f}" for name in ("milliseconds", "search_milliseconds")]
    return [*(str(row[name]) for name in _HEAD[:4]), *figures, *times]


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _service(protocol: Protocol, chosen: str | None) -> str:
    """The service asked for; else the one that the file says, or with which its name begins."""
    said = chosen or protocol.service
    found = [name for name in SERVICES if name == said or (not said and _begins(protocol, name))]
    if not found:
        raise ValueError(f"for which service is {protocol.name}? Say it with --service")
    return found[0]


def _begins(protocol: Protocol, service: str) -> bool:
    return protocol.name.startswith(service)
