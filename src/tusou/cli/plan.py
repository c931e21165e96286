"""`tusou plan`: the plans there are, and what they allow."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from tusou.accounts.plans import ANY, KINDS, Limit, Plan, Quota
from tusou.cli import command
from tusou.errors import TusouError
from tusou.office import Office
from tusou.services import OPERATIONS, SERVICES
from tusou.settings import Settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_NAME = click.argument("name")
_KEEP, _INHERIT = "keep", "inherit"


def limit_option(
    kind: str, help: str, *kept: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that takes a number of calls, `none` (which is None), or a word; the first unasked.

    The words reach the command as they are.
    """
    takes = ("none", *kept)

    def read(_: click.Context, option: click.Parameter, text: str) -> int | str | None:
        if text in kept:
            return text
        if text == "none":
            return None
        if not text.isascii() or not text.isdecimal() or len(text) > 15:
            words = ", or ".join(takes)
            raise click.BadParameter(f"{text!r} is no number of calls; write one, or {words}")
        return int(text)

    metavar = "|".join(("NUMBER", *takes))
    return click.option(
        f"--{kind}", default=kept[0], show_default=True, metavar=metavar, callback=read, help=help
    )


@click.group()
def plan() -> None:
    """List, change, add and remove plans: how often and how much applications may call.

    A running server goes by what was changed within a second.
    """


@plan.command("list")
@_JSON
@command
def list_(settings: Settings, as_json: bool) -> None:
    """List the plans with what they allow."""
    list_plans(settings, as_json)


@plan.command()
@_NAME
@_JSON
@command
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show the plan NAME: what it says, and how many applications have it."""
    with Office(settings) as office:
        row, users = office.plans.get(name), office.plans.users().get(name, 0)
        state = _state(office, row)
    if as_json:
        lines = {line: dict(limit) for line, limit in row.lines.items()}
        facts = {**_facts(row), "lines": lines, "state": state, "apps": users}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(f"{_head(row)}\n{state}; applications that have it: {users}")
    for line, limit in row.lines.items():
        said = [
            f"{kind} {'none' if (amount := limit[kind]) is None else f'{amount:,}'}"
            for kind in KINDS
            if kind in limit
        ]
        click.echo(f"    {line:<20} {', '.join(said)}")


@plan.command("set")
@_NAME
@click.option("--title", help="What people call it, in English [NAME].")
@click.option("--chinese", help="What people call it, in Chinese [the English title].")
@click.option("--days", metavar="NUMBER|none", help="How long calls in all are good for [none].")
@click.option("--call", type=click.Choice(OPERATIONS), help="Limit this call only, not every one.")
@click.option("--service", type=click.Choice([*SERVICES]), help="With --call: of this one only.")
@limit_option("qps", "Calls in any second.", _KEEP, _INHERIT)
@limit_option("daily", "Calls a day, China time.", _KEEP, _INHERIT)
@limit_option("total", "Calls in all, since the plan was given.", _KEEP, _INHERIT)
@command
def set_(
    settings: Settings,
    name: str,
    title: str | None,
    chinese: str | None,
    days: str | None,
    call: str | None,
    service: str | None,
    **given: Any,
) -> None:
    """Change the plan NAME, or add it.

    Limits hold for every call; with --call for that one, with --service too for that one there: the
    closest counts. "inherit" takes a limit away, "none" means without one. What is not given stays.
    """
    if service and not call:
        raise click.UsageError("--service needs --call")
    with Office(settings) as office:
        try:
            old = office.plans.get(name)
        except TusouError:
            old = Plan(name, title or name, chinese or title or name, None, {})
        line = f"{service or ANY}/{call or ANY}"
        changed = replace(
            old,
            title=old.title if title is None else title,
            chinese=old.chinese if chinese is None else chinese,
            days=old.days if days is None else _days(days),
            lines={**old.lines, line: _changed(old.lines.get(line, {}), given)},
        )
        office.plans.set(changed)


@plan.command()
@_NAME
@command
def remove(settings: Settings, name: str) -> None:
    """Remove the plan NAME, which no application may have.

    One that comes with tusou is put back to what it was, whoever has it.
    """
    with Office(settings) as office:
        bundled = office.plans.is_bundled(name)
        office.plans.remove(name)
    click.echo(f"{name} is {'as it came with tusou' if bundled else 'removed'}")


def list_plans(settings: Settings, as_json: bool) -> None:
    """List the plans with what they allow."""
    with Office(settings) as office:
        found = office.plans.list()
    if as_json:
        click.echo(json.dumps([_facts(row) for row in found], ensure_ascii=False))
        return
    for row in found:
        click.echo(_head(row))
        for line, quota in row.summary().items():
            click.echo(f"    {line.removeprefix(f'{ANY}/'):<20} {words(quota)}")


def words(quota: Quota) -> str:
    """A quota as a reader takes it in."""
    amounts = zip(quota, ("a second", "a day", "in all"), strict=True)
    told = [f"{amount:,} {unit}" for amount, unit in amounts if amount is not None]
    return ", ".join(told) or "no limit"


def _changed(old: Limit, given: Mapping[str, Any]) -> Limit:
    new = {**old, **{kind: amount for kind, amount in given.items() if amount != _KEEP}}
    return {kind: amount for kind, amount in new.items() if amount != _INHERIT}


def _days(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise ValueError(f"{text!r} is no number of days; write one, or none")
    return int(text)


def _head(row: Plan) -> str:
    days = f", totals for {row.days} days" if row.days else ""
    return f"{row.name}  {row.title} · {row.chinese}{days}"


def _state(office: Office, row: Plan) -> str:
    if not office.plans.is_bundled(row.name):
        return "own"
    return "changed" if row.version else "as it came"


def _facts(row: Plan) -> dict[str, object]:
    quotas = {
        f"{service}/{call}": row.plain(service, call)._asdict()
        for service in SERVICES
        for call in OPERATIONS
    }
    return {
        "name": row.name,
        "title": row.title,
        "chinese": row.chinese,
        "days": row.days,
        "quotas": quotas,
    }
