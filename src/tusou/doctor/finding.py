"""What a check of this machine and folder found, in both languages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tusou.errors import TusouError
from tusou.settings import Settings

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages."""

    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    subject: Words
    level: Level
    found: Words
    cure: Words | None = None
    """What to do; None where all is well."""


Check = Callable[[Settings], Iterator[Finding]]


def message_of(error: BaseException) -> str:
    """An error in the words that callers are told."""
    return error.message if isinstance(error, TusouError) else str(error)
