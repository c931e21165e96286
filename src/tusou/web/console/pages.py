"""What a page of the console is: its entry in the navigation, and the requests it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import Response

from tusou.web.console.visit import Entry, Visit


class Work(NamedTuple):
    """One request: by which method, at which path below /console, and what answers it."""

    method: str
    path: str
    work: Callable[[Visit], Response]
    heavy: bool = False
    """Pictures are decoded or looked for: it waits its turn among the interfaces' calls."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the console in one module."""

    entry: Entry | None
    """None: it is reached from another page."""
    rows: tuple[Work, ...]
