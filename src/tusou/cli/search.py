"""`tusou search`: find pictures from the command line, as text, JSON or a page to look at."""

import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tusou.cli import command
from tusou.cli.calls import Whose, moment, one_library
from tusou.cli.language import LANGUAGE, Language, spoken
from tusou.errors import TusouError
from tusou.exports.whole import beside
from tusou.holding import is_served
from tusou.runtime import Runtime
from tusou.settings import Settings

if TYPE_CHECKING:  # what a search loads, other commands must not wait for
    from tusou.cli.contact_sheet import Strip
    from tusou.cli.holdings import Searched
    from tusou.client import Hit

_SOME_FAILED = 3
_IN_HAND = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """One picture, searched for."""

    path: Path
    hits: "list[Hit]"
    problem: str = ""
    """Why it was not; empty: it was."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@one_library
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Results of each."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Least score of a result.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line for each FILE.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with pictures, which needs no other file.",
)
@LANGUAGE
@command
def search(
    settings: Settings,
    files: tuple[Path, ...],
    whose: Whose,
    limit: int,
    threshold: float,
    as_json: bool,
    html: Path | None,
    language: Language | None,
) -> None:
    """Search a library for each picture FILE.

    Without --host in this folder, while no server runs on it, and no call is counted; with it by
    calls of the server, which count and cost. The exit status is 3 where a FILE was no picture
    that the service takes.
    """
    if as_json and html is not None:
        raise ValueError("choose --json or --html")
    failed = 0
    with closing(_open(settings, whose)) as library:
        count = min(limit, library.service.most_results)
        outcomes = _find(library, files, count, threshold)
        if html is not None:
            failed = _write(html, library, outcomes, language or spoken())
        else:
            for outcome in outcomes:
                failed += bool(outcome.problem)
                _print(outcome, as_json)
    if failed:
        sys.exit(_SOME_FAILED)


def _open(settings: Settings, whose: Whose) -> "Searched":
    from tusou.cli.holdings import LocalSearch, RemoteHoldings

    if whose.server is not None:
        return RemoteHoldings(*whose.server, whose.service)
    app_id = whose.app
    if is_served(settings):
        raise RuntimeError(
            f"a server is running on {settings.data.absolute()}; search through it, with --host "
            "and --keys"
        )
    runtime = Runtime(settings)
    try:
        return LocalSearch(runtime, app_id, whose.service)
    except BaseException:
        runtime.close()
        raise


def _find(
    library: "Searched", files: Iterable[Path], limit: int, threshold: float
) -> Iterator[Outcome]:
    """Search for each, several at a time, in their order."""

    def one(path: Path) -> Outcome:
        try:
            return Outcome(path, library.search(path.read_bytes(), limit, threshold))
        except TusouError as error:
            return Outcome(path, [], error.message)
        except OSError as error:
            return Outcome(path, [], error.strerror or str(error))
        except ValueError as error:
            return Outcome(path, [], str(error))

    with ThreadPoolExecutor(_IN_HAND, "tusou-search") as threads:
        yield from threads.map(one, files)


def _print(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        facts: dict[str, Any] = {"query": str(outcome.path)}
        if outcome.problem:
            facts["problem"] = outcome.problem
        else:
            facts["results"] = [_facts(hit) for hit in outcome.hits]
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    if outcome.problem:
        click.echo(f"{outcome.path}: {outcome.problem}", err=True)
        return
    click.echo(f"{outcome.path}: {len(outcome.hits) or 'nothing'} found")
    for hit in outcome.hits:
        picture = hit.picture
        click.echo(f"  {hit.score:.3f}  {picture.id:>8}  {picture.cont_sign:<22}  {picture.brief}")


def _facts(hit: "Hit") -> dict[str, Any]:
    picture = hit.picture
    times = {"created": moment(picture.created), "updated": moment(picture.updated)}
    return {"score": hit.score} | asdict(picture) | times


def _write(path: Path, library: "Searched", outcomes: Iterable[Outcome], language: Language) -> int:
    """Write the page, which is whole or not there; returns how many files were not searched."""
    from tusou.cli.contact_sheet import page

    done = list[Outcome]()

    def strips() -> Iterator["Strip"]:
        for outcome in outcomes:
            done.append(outcome)
            yield _strip(library, outcome)

    with beside(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(page(library.service, strips(), language))
    click.echo(f"{len(done):,} searched, see {path}")
    return sum(bool(outcome.problem) for outcome in done)


def _strip(library: "Searched", outcome: Outcome) -> "Strip":
    from tusou.cli.contact_sheet import Strip, Tile
    from tusou.images.decode import decode, thumbnail

    small = None
    with suppress(TusouError, OSError):  # what is wrong with it stands beside it
        small = thumbnail(decode(outcome.path.read_bytes(), library.service).rgb)
    tiles = [Tile(hit, _small(library, hit)) for hit in outcome.hits]
    return Strip(str(outcome.path), small, tiles, outcome.problem)


def _small(library: "Searched", hit: "Hit") -> bytes | None:
    try:
        return library.thumbnail(hit.picture.id)
    except (KeyError, OSError):
        return None
