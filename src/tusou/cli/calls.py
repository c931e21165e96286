"""The arguments that name a service and a call, and tables of text that commands share."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
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


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return money.shown(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").lstrip("-").isdecimal()
