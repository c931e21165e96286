"""`tusou import`: many pictures into a library."""

import json
import os
import sys
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tusou.cli import command
from tusou.cli.calls import Whose, one_library
from tusou.holding import is_served
from tusou.intake import briefs
from tusou.intake.journal import Journal
from tusou.intake.progress import Progress
from tusou.intake.run import Add, Import, Plan
from tusou.intake.sources import Source, open_source
from tusou.runtime import Runtime
from tusou.settings import Settings

if TYPE_CHECKING:  # what an import loads, other commands must not wait for
    from tusou.cli.targets import Target

_SOME_FAILED = 3


@click.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@one_library
@click.option(
    "--brief-template",
    default=briefs.DEFAULT,
    show_default=True,
    help="Brief of a picture that has none; $path, $name, $stem, $folder and a manifest's columns "
    "are filled in.",
)
@click.option("--tags", help="Classes of pictures that have none, such as 100,11.")
@click.option(
    "--threads",
    type=click.IntRange(1, 48),  # the encoder refuses more than 64 that wait
    help="Pictures in hand at a time [4 a core, at most 32].",
)
@click.option("--errors", type=click.Path(dir_okay=False, path_type=Path), help="The error file.")
@click.option("--fresh", is_flag=True, help="Look at all pictures again, also those that are done.")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def import_(
    settings: Settings,
    source: Path,
    whose: Whose,
    brief_template: str,
    tags: str | None,
    threads: int | None,
    errors: Path | None,
    fresh: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the pictures of SOURCE into a library.

    SOURCE is a folder, a manifest (.jsonl or .csv with file or url, brief, tags, class_id1 and
    class_id2) or a tar archive. An import that was broken off goes on where it stopped when the
    same command is given again, and nothing is added twice. The exit status is 3 where some
    pictures were not taken: the error file says which and why.
    """
    pictures = open_source(source)
    classes: dict[str, str] = {} if tags is None else {"tags": tags}
    count = threads or min(32, 4 * (os.cpu_count() or 1))
    plan = Plan(briefs.template(brief_template), classes, count)
    target, place = _open(settings, whose)
    name = _name(source, whose.service, brief_template, tags or "", place)
    state = settings.data / "imports"
    try:
        with Journal(state / f"{name}.{'dry' if dry_run else 'journal'}") as journal:
            if fresh or dry_run:
                journal.forget()
            file = errors or state / f"{name}.errors.jsonl"
            add = target.examine if dry_run else target.add
            done = _run(add, journal, file, plan, pictures)
            if dry_run or not done.counts["failed"]:
                journal.remove()
    finally:
        target.close()
    _tell(done, file, dry_run, as_json)


def _open(settings: Settings, whose: Whose) -> "tuple[Target, str]":
    """A library, and what names it. One of this folder nobody serves meanwhile."""
    from tusou.cli.targets import LocalTarget, RemoteTarget

    if whose.server is not None:
        host, keys = whose.server
        return RemoteTarget(host, keys, whose.service), f"{host} {keys.resolve()}"
    app_id = whose.app
    if is_served(settings):
        raise RuntimeError(
            f"a server is running on {settings.data.absolute()}; import through it, with --host "
            "and --keys"
        )
    runtime = Runtime(settings)
    try:
        row = runtime.registry.get(app_id, whose.service)
        # Numbers of libraries are never used again.
        return LocalTarget(runtime, runtime.catalogue.open(row)), str(row.id)
    except BaseException:
        runtime.close()
        raise


def _run(add: Add, journal: Journal, errors: Path, plan: Plan, source: Source) -> Progress:
    with errors.open("w", encoding="utf-8", errors="backslashreplace") as file:
        progress = Progress(source.count(), len(journal), file, sys.stderr)
        try:
            Import(add, journal, progress, plan).run(source)
        except KeyboardInterrupt:
            progress.end()
            raise RuntimeError("broken off; the same command goes on from here") from None
        finally:
            progress.end()
    return progress


def _name(source: Path, *facts: str) -> str:
    """The name of an import's files: the same command has the same."""
    text = json.dumps([str(source.resolve()), *facts])
    return f"{source.resolve().name}-{blake2b(text.encode(), digest_size=6).hexdigest()}"


def _tell(done: Progress, errors: Path, dry_run: bool, as_json: bool) -> None:
    rate = done.done / max(done.seconds, 1e-3)
    if as_json:
        times = {"seconds": round(done.seconds, 3), "rate": round(rate, 2)}
        click.echo(json.dumps(dict(done.counts) | times))
    else:
        verb = "would be added" if dry_run else "added"
        click.echo(
            f"{done.counts['added']:,} {verb}, {done.counts['there']:,} were there, "
            f"{done.counts['failed']:,} failed; {done.seconds:.1f} s, {rate:.1f} a second"
        )
    if done.counts["failed"]:
        click.echo(f"what failed and why: {errors}", err=True)
        sys.exit(_SOME_FAILED)
    errors.unlink(missing_ok=True)
