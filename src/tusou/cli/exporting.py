"""`tusou export`: a library as a folder of pictures with a manifest, or as a file of vectors."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tusou.cli import command
from tusou.cli.calls import Whose, moment, one_library
from tusou.exports import features
from tusou.exports.features import Portion
from tusou.exports.folder import Export, Piece, opened
from tusou.exports.manifest import Form, Value
from tusou.intake.progress import Progress
from tusou.office import Office
from tusou.services import SERVICES, Service
from tusou.settings import Settings
from tusou.types import Filter

if TYPE_CHECKING:  # what an export loads, other commands must not wait for
    from tusou.cli.holdings import Holdings
    from tusou.client import Picture

_SOME_FAILED = 3
_KNOWN = ("id", "cont_sign", "width", "height", "created", "updated")
_PORTION = 5000


@click.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@one_library
@click.option(
    "--manifest",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="The manifest's form.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 48),
    default=8,
    show_default=True,
    help="Files in hand at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def export(
    settings: Settings,
    target: Path,
    whose: Whose,
    manifest: Form,
    threads: int,
    as_json: bool,
) -> None:
    """Take a library's pictures out to TARGET, or their vectors.

    TARGET is a folder, for the pictures as they came with a manifest that `tusou import` takes
    back; or a file that ends in .npz or .parquet, for the vectors, of this folder only. A server
    may run on it. An export that was broken off goes on where it stopped when the same command is
    given again. The exit status is 3 where the files of some pictures were not there: the command
    says which.
    """
    if target.suffix in features.SUFFIXES:
        if whose.server is not None:
            raise ValueError("vectors are exported from this folder; say whose by --app")
        with Office(settings) as office:
            count = _write_features(office, whose.app, whose.service, target)
        _tell({"written": count}, f"{count:,} vectors written to {target}", as_json)
        return
    with closing(_open(settings, whose)) as holdings:
        done = _write_folder(holdings, target, manifest, threads)
    words = (
        f"{done.counts['added']:,} pictures written, {done.counts['there']:,} were there, "
        f"{done.counts['failed']:,} have no file; {done.seconds:.1f} s"
    )
    counts = {"written": done.counts["added"], "there": done.counts["there"]}
    _tell(counts | {"failed": done.counts["failed"]}, words, as_json)
    if done.counts["failed"]:
        click.echo(f"which, and why: {target / 'errors.jsonl'}", err=True)
        sys.exit(_SOME_FAILED)


def _open(settings: Settings, whose: Whose) -> "Holdings":
    from tusou.cli.holdings import LocalHoldings, RemoteHoldings

    if whose.server is not None:
        return RemoteHoldings(*whose.server, whose.service)
    app_id, office = whose.app, Office(settings)
    try:
        return LocalHoldings(office, app_id, whose.service)
    except BaseException:
        office.close()
        raise


def _write_folder(holdings: "Holdings", folder: Path, form: Form, threads: int) -> Progress:
    columns = ["brief", *holdings.service.class_fields, *_KNOWN]
    with opened(folder, holdings.name):
        errors = folder / "errors.jsonl"
        with errors.open("w", encoding="utf-8") as file:
            progress = Progress(holdings.count(), 0, file, sys.stderr)
            pieces = (_piece(picture, holdings.service) for picture in holdings.pictures())
            try:
                Export(holdings.original, progress, threads).run(pieces, folder, form, columns)
            except KeyboardInterrupt:
                raise RuntimeError("broken off; the same command goes on from here") from None
            finally:
                progress.end()
        if not progress.counts["failed"]:
            errors.unlink()
    return progress


def _piece(picture: "Picture", service: Service) -> Piece:
    known: dict[str, Value] = {
        "id": picture.id,
        "cont_sign": picture.cont_sign,
        "width": picture.width,
        "height": picture.height,
        "created": moment(picture.created),
        "updated": moment(picture.updated),
    }
    row = {"brief": picture.brief, **_classes(picture, service), **known}
    return Piece(picture.id, picture.media_type, picture.bytes, picture.has_file, row)


def _classes(picture: "Picture", service: Service) -> dict[str, Value]:
    """Classes by the fields of an add; those that are not there are left out."""
    if len(service.class_fields) == 1:
        tags = [tag for tag in picture.classes if tag]
        return {service.class_fields[0]: tags} if tags else {}
    fields = zip(service.class_fields, picture.classes, strict=True)
    return {name: number for name, number in fields if number}


def _write_features(office: Office, app_id: int, service: str, path: Path) -> int:
    row = office.registry.get(app_id, service)
    facts = {"pack": row.pack, "service": SERVICES[service].name}
    return features.write(path, _portions(office, app_id, service), facts)


def _portions(office: Office, app_id: int, service: str) -> Iterator[Portion]:
    """Pictures with their vectors, oldest first.

    Raises:
        RuntimeError: the library was moved to another pack on the way.
    """
    row, pictures = office.registry.get(app_id, service), office.pictures(app_id, service)
    after: int | None = None
    while True:
        page = pictures.page(Filter(), _PORTION, after, oldest_first=True)
        items = {item.key: item for item in page.items}
        there, vectors = office.vectors(row, list(items))
        if office.registry.get(app_id, service).pack != row.pack:
            raise RuntimeError("the library was moved to another model pack; begin anew")
        if there:  # others were deleted since the page was read
            found = [items[key] for key in there]
            yield Portion(
                ids=there,
                signs=[str(item.sign) for item in found],
                briefs=[item.brief for item in found],
                classes=[item.classes for item in found],
                vectors=vectors,
            )
        after = page.next
        if after is None:
            return


def _tell(counts: dict[str, int], words: str, as_json: bool) -> None:
    click.echo(json.dumps(counts) if as_json else words)
