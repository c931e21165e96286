"""`tusou duplicates`: pictures of a library that show the same."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from tusou.cli import command
from tusou.cli.calls import Whose, one_library
from tusou.holding import is_served
from tusou.office import Office
from tusou.runtime import Runtime
from tusou.settings import Settings

if TYPE_CHECKING:  # what it loads, other commands must not wait for
    from tusou.cli.twins import Twins
    from tusou.client import Group, Picture, Scan


@click.command()
@one_library
@click.option("--scan", is_flag=True, help="First compare the pictures that were not compared yet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def duplicates(settings: Settings, whose: Whose, scan: bool, as_json: bool) -> None:
    """List groups of a library's pictures that show the same.

    The best of each group comes first. With --scan, a server that is running does the comparing,
    otherwise this command; one that was broken off goes on where it stopped.
    """
    with closing(_open(settings, whose, scan)) as twins:
        if scan:
            _follow(twins.compare())
        _tell(twins.scan(), list(twins.groups()), as_json)


def _open(settings: Settings, whose: Whose, scan: bool) -> "Twins":
    from tusou.cli.twins import LocalTwins, OwnTwins, RemoteTwins

    if whose.server is not None:
        return RemoteTwins(*whose.server, whose.service)
    app_id = whose.app
    alone = scan and not is_served(settings)
    office = Runtime(settings) if alone else Office(settings)
    try:
        if isinstance(office, Runtime):
            return OwnTwins(office, app_id, whose.service)
        return LocalTwins(office, app_id, whose.service)
    except BaseException:
        office.close()
        raise


def _follow(scans: "Iterator[Scan]") -> None:
    """Tell how far it is; raises where it did not come to its end."""
    for last in scans:
        if sys.stderr.isatty():
            told = f"\r{last.done:,} of {last.total:,} pictures compared"
            click.echo(told, nl=False, err=True)
    if sys.stderr.isatty():
        click.echo(err=True)
    if not last.is_over:
        why = last.problem or "it was broken off"
        raise RuntimeError(f"{why}; the same command goes on from here")


def _tell(scan: "Scan", groups: "list[Group]", as_json: bool) -> None:
    if as_json:
        ended = None if scan.ended is None else int(scan.ended.timestamp())
        facts = {
            "scan": {"state": scan.state, "ended": ended, "not_compared": scan.not_compared},
            "groups": [_facts(group) for group in groups],
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for group in groups:
        click.echo(f"{_line(group.best)}  best: {group.reason}")
        for other in group.others:
            click.echo(f"  {_line(other.picture)}  {other.score:.3f}")
    spare = sum(len(group.others) for group in groups)
    click.echo(f"groups: {len(groups):,}; pictures besides the best: {spare:,}", err=True)
    if scan.not_compared:
        click.echo(f"not compared yet: {scan.not_compared:,}; compare them with --scan", err=True)


def _line(picture: "Picture") -> str:
    size = f"{picture.width}×{picture.height}  {picture.bytes:,} B"
    return f"{picture.id}  {size}  {picture.brief}"


def _facts(group: "Group") -> dict[str, Any]:
    others = [_picture(other.picture) | {"score": other.score} for other in group.others]
    return {"best": _picture(group.best), "reason": group.reason, "others": others}


def _picture(picture: "Picture") -> dict[str, Any]:
    return {
        "id": picture.id,
        "cont_sign": picture.cont_sign,
        "brief": picture.brief,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
    }
