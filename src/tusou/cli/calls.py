"""Arguments that commands share: a service and a call, a library; and tables of text."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from tusou.accounts import money
from tusou.services import OPERATIONS, SERVICES

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Amount(click.ParamType[Decimal]):
    """An amount of money, such as 1700 or 0.015."""

    name = "amount"

    def convert(self, value: Any, param: Any, ctx: Any) -> Decimal:
        """Read it; click asks for this."""
        try:
            return money.amount(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def one_call(function: _Function) -> _Function:
    """Give a command the arguments SERVICE and OPERATION."""
    operation = click.argument("operation", type=click.Choice(OPERATIONS))
    return click.argument("service", type=click.Choice(list(SERVICES)))(operation(function))


def one_library(function: _Function) -> _Function:
    """Give a command what names a library: of this folder, or of a server elsewhere."""
    options = (
        click.option(
            "--service", type=click.Choice(list(SERVICES)), required=True, help="Which library."
        ),
        click.option("--app", "app_id", type=int, help="Whose library, of this folder."),
        click.option("--host", help="A running server instead, such as http://127.0.0.1:8080."),
        click.option(
            "--keys",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="With --host: the application's keys, as `tusou app show --json` prints them.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def columns(rows: Iterable[Sequence[object]]) -> str:
    """Rows as text with straight columns; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    right = [
        all(_is_number(row[place]) or not row[place] for row in cells[1:])
        for place in range(len(widths))
    ]
    lines = (
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def moment(when: datetime) -> str:
    """A time of UTC as the native interface tells it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return money.shown(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").lstrip("-").isdecimal()
