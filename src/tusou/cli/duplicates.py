"""`tusou duplicates`: pictures of a library that show the same."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import click

from tusou.cli import command
from tusou.holding import is_served
from tusou.library.bulk import LibraryRow
from tusou.library.duplicates import Group, Scan
from tusou.office import Office
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.types import Item

_LOOK_SECONDS = 0.5
_A_PAGE = 500


@click.command()
@click.argument("app_id", type=int)
@click.argument("service", type=click.Choice(list(SERVICES)))
@click.option("--scan", is_flag=True, help="First compare the pictures that were not compared yet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def duplicates(settings: Settings, app_id: int, service: str, scan: bool, as_json: bool) -> None:
    """List groups of pictures in APP_ID's library for SERVICE that show the same.

    The best of each group comes first. With --scan, a server that is running does the comparing,
    otherwise this command; one that was broken off goes on where it stopped.
    """
    with Office(settings) as office:
        library = office.registry.get(app_id, service)
        if scan and is_served(settings):
            note = office.audit.noting("duplicates.scan", app_id, service=service)
            office.duplicates.ask(library, note)
            _follow(office, library)
    if scan and not is_served(settings):
        _compare(settings, library)
    with Office(settings) as office:
        _tell(office, library, as_json)


def _follow(office: Office, library: LibraryRow) -> None:
    """Wait for the running server, telling how far it is."""
    while (scan := office.duplicates.scan(library)).is_open and not scan.problem:
        _tell_progress(office, library)
        time.sleep(_LOOK_SECONDS)
    _end(scan)


def _compare(settings: Settings, library: LibraryRow) -> None:
    """Do what a server would, without the rest that it leaves to requests."""
    from tusou.library.comparing import Comparing  # loads what other commands must not wait for

    with Runtime(settings) as runtime, ThreadPoolExecutor(1) as executor:
        note = runtime.audit.noting("duplicates.scan", library.app_id, service=library.service)
        runtime.duplicates.ask(library, note)
        comparing = Comparing(runtime.database, runtime.catalogue, runtime.blobs, rest=0)
        work = executor.submit(comparing.run, library.id)
        try:
            while wait([work], _LOOK_SECONDS).not_done:
                _tell_progress(runtime, library)
        finally:
            comparing.stop()
        work.result()
        _end(runtime.duplicates.scan(library))


def _tell_progress(office: Office, library: LibraryRow) -> None:
    if sys.stderr.isatty():
        scan = office.duplicates.scan(library)
        click.echo(f"\r{scan.done:,} of {scan.total:,} pictures compared", nl=False, err=True)


def _end(scan: Scan) -> None:
    if sys.stderr.isatty():
        click.echo(err=True)
    if scan.is_open:
        why = scan.problem or "it was broken off"
        raise RuntimeError(f"{why}; the same command goes on from here")


def _tell(office: Office, library: LibraryRow, as_json: bool) -> None:
    scan, groups = office.duplicates.scan(library), _all(office, library)
    fresh = office.duplicates.fresh(library)
    if as_json:
        facts = {
            "scan": {"state": scan.state, "ended": scan.ended, "not_compared": fresh},
            "groups": [_facts(group) for group in groups],
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for group in groups:
        click.echo(f"{_line(group.best)}  best: {group.reason}")
        for twin in group.others:
            click.echo(f"  {_line(twin.item)}  {twin.score:.3f}")
    spare = sum(len(group.others) for group in groups)
    click.echo(f"groups: {len(groups):,}; pictures besides the best: {spare:,}", err=True)
    if fresh:
        click.echo(f"not compared yet: {fresh:,}; compare them with --scan", err=True)


def _all(office: Office, library: LibraryRow) -> list[Group]:
    found, after = list[Group](), None
    while True:
        page = office.duplicates.page(library, _A_PAGE, after)
        found += page.groups
        after = page.next
        if after is None:
            return found


def _line(item: Item) -> str:
    return f"{item.key}  {item.width}×{item.height}  {item.length:,} B  {item.brief}"


def _facts(group: Group) -> dict[str, Any]:
    others = [_item(twin.item) | {"score": round(twin.score, 6)} for twin in group.others]
    return {"best": _item(group.best), "reason": group.reason, "others": others}


def _item(item: Item) -> dict[str, Any]:
    return {
        "id": item.key,
        "cont_sign": str(item.sign),
        "brief": item.brief,
        "width": item.width,
        "height": item.height,
        "bytes": item.length,
    }
