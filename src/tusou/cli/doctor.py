"""`tusou doctor`: is everything there that the server needs?"""

import json
import sys
from dataclasses import asdict

import click

from tusou.cli import command
from tusou.cli.language import LANGUAGE, Language, spoken
from tusou.settings import Settings

_SIGNS = {"ok": "✓", "warning": "!", "problem": "✗"}
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_ENDS = {
    "english": ("All is well.", "The server can run; see above.", "The server cannot run so."),
    "chinese": ("一切正常。", "服务可以运行，请留意以上提示。", "请先解决以上问题。"),
}


@click.command()
@LANGUAGE
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts, in both languages.")
@command
def doctor(settings: Settings, language: Language | None, as_json: bool) -> None:
    """Check ports, disk, memory, processor, models, database, pictures and clock.

    Says what to do where something is wrong. Exit status 1: the server cannot run.
    """
    # Here and not above: the other commands must not wait for this to load.
    from tusou.doctor import examine

    language = language or spoken()
    findings, levels = [], set()
    for finding in examine(settings):
        findings.append(asdict(finding))
        levels.add(finding.level)
        if not as_json:
            sign = click.style(_SIGNS[finding.level], _COLOURS[finding.level], bold=True)
            subject, found = (getattr(text, language) for text in (finding.subject, finding.found))
            click.echo(f"{sign} {subject}{'：' if language == 'chinese' else ': '}{found}")
            if finding.cure is not None:
                click.echo(f"    → {getattr(finding.cure, language)}")
    if as_json:
        click.echo(json.dumps(findings, ensure_ascii=False))
    else:
        well, warned, ill = _ENDS[language]
        click.echo(ill if "problem" in levels else warned if "warning" in levels else well)
    sys.exit(1 if "problem" in levels else 0)
