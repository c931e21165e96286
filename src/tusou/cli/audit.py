"""`tusou audit`: the record of administrative acts."""

import json
import time
from dataclasses import asdict

import click

from tusou.cli import command
from tusou.office import Office
from tusou.settings import Settings


@click.command()
@click.option("--app", "app_id", type=int, help="Of one application only.")
@click.option("--last", default=100, show_default=True, help="How many acts, the latest.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@command
def audit(settings: Settings, app_id: int | None, last: int, as_json: bool) -> None:
    """Show who did what to which application, oldest first."""
    with Office(settings) as office:
        entries = office.audit.list(app_id, last)
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], ensure_ascii=False))
        return
    for entry in entries:
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(entry.at))
        facts = json.dumps(entry.facts, ensure_ascii=False) if entry.facts else ""
        words = (at, entry.who, entry.act, str(entry.app_id or ""), facts)
        click.echo("  ".join(word for word in words if word))
