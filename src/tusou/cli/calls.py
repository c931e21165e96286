"""Arguments that commands share: a service and a call, a library; and tables of text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import wraps
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


@dataclass(frozen=True, slots=True)
class Whose:
    """The library that a command is about."""

    service: str
    app_id: int | None
    host: str | None
    keys: Path | None

    @property
    def server(self) -> tuple[str, Path] | None:
        """Address of the server that has it, and the file of keys; None: this folder has it.

        Raises:
            ValueError: there are no keys.
        """
        if self.host is None:
            return None
        if self.keys is None:
            raise ValueError("--host needs --keys")
        return self.host, self.keys

    @property
    def app(self) -> int:
        """Whose it is, in this folder.

        Raises:
            ValueError: it was not said.
        """
        if self.app_id is None:
            raise ValueError("--app says whose library; or name a server with --host")
        return self.app_id


def one_library(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a library, and hand it a `Whose`."""

    @click.option(
        "--service", type=click.Choice(list(SERVICES)), required=True, help="Which library."
    )
    @click.option("--app", "app_id", type=int, help="Whose library, of this folder.")
    @click.option("--host", help="A running server instead, such as http://127.0.0.1:8080.")
    @click.option(
        "--keys",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="With --host: the application's keys, as `tusou app show --json` prints them.",
    )
    @wraps(function)
    def run(
        service: str, app_id: int | None, host: str | None, keys: Path | None, **options: Any
    ) -> None:
        function(whose=Whose(service, app_id, host, keys), **options)

    return run


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
