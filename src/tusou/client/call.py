"""What one call of the native interface consists of, and how its parameters are written."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

import httpx

from tusou.client.files import parts, parts_awaited
from tusou.client.pictures import Image
from tusou.client.problems import Rejected

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Tags = str | Sequence[int]
"""One or two classes: `"100,11"` or `(100, 11)`; in a change, `()` takes them away."""
Order = Literal["newest", "oldest"]
TagLogic = Literal[0, 1]
"""1: with any of the classes, else with all."""

_MOST_BYTES = (4 << 20) + 1
"""No more of a picture is read and sent than tells the server that it is too large."""


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent along: a form with files, or else JSON, or else one file as it is."""

    fields: Mapping[str, str] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    json: Any = None
    path: Path | None = None
    """Of a file that is read while it is sent."""

    def blocking(self) -> dict[str, Any]:
        """As httpx.Client takes it."""
        return self._sent(parts)

    def awaiting(self) -> dict[str, Any]:
        """As httpx.AsyncClient takes it."""
        return self._sent(parts_awaited)

    def _sent(self, parts: Callable[[Path], Any]) -> dict[str, Any]:
        if self.path is not None:
            return {"content": parts(self.path)}
        if self.json is not None:
            return {"json": self.json}
        files = {name: (name, data) for name, data in self.files.items()}
        return {"data": self.fields, "files": files or None}


@dataclass(frozen=True, slots=True)
class Until:
    """A call that is made again and again until something is over.

    The pauses grow by half, so that what is soon over is soon told, and what takes hours does not
    keep the server busy with being asked.
    """

    over: Callable[[Any], bool]
    timeout: float | None
    """Seconds, after which StillRunning is raised; None: it may take as long as it takes."""
    rejected: "Callable[[Rejected], Any] | None" = None
    """What a rejection means; raises it where it means nothing else."""
    first_seconds: float = 0.1
    longest_seconds: float = 5.0

    def pauses(self) -> Iterator[float]:
        """Seconds between one try and the next."""
        seconds = self.first_seconds
        while True:
            yield seconds
            seconds = min(seconds * 1.5, self.longest_seconds)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One call."""

    method: str
    path: str
    read: Callable[[httpx.Response], T_co]
    """What the answer means."""
    query: Mapping[str, str] | None = None
    body: Body = field(default_factory=Body)
    headers: Mapping[str, str] = field(default_factory=dict)
    into: Path | None = None
    """Where the answer's body is written, rather than kept."""
    repeated: "Callable[[Rejected], T_co | Call[T_co]] | None" = None
    """What a rejection means if an earlier try may have been carried out and only its answer been
    lost: a result, or the call that brings it. Raises the rejection where it means nothing else."""
    once: bool = False
    """It is not tried again where an earlier try may have been carried out."""
    until: Until | None = None


class Paged(Protocol[T_co]):
    """A page of what comes in pages."""

    @property
    def next(self) -> str | None:
        """The cursor of the page after it; None: this is the last."""

    def __iter__(self) -> Iterator[T_co]: ...


_Pages = TypeVar("_Pages", bound=Paged[Any])


def following(call: Call[_Pages], page: _Pages) -> Call[_Pages] | None:
    """The call for the page after one; None: it was the last."""
    if page.next is None:
        return None
    cursor = {"cursor": page.next}
    if call.method == "GET":
        return replace(call, query={**(call.query or {}), **cursor})
    return replace(call, body=replace(call.body, fields={**(call.body.fields or {}), **cursor}))


def path(*parts: object) -> str:
    """A path below the libraries."""
    return "/".join(("/v1/libraries", *(quote(str(part), safe="") for part in parts)))


def texts(**values: Any) -> dict[str, str]:
    """Fields as a form has them."""
    return {name: text(value) for name, value in values.items() if value is not None}


def text(value: Any) -> str:
    """A field's value as a form has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")  # the server reads no exponents
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value))


def form(image: Image | None = None, **values: Any) -> Body:
    """A form, with or without a picture; raises OSError, the picture cannot be read."""
    return Body(texts(**values), {} if image is None else {"image": content_of(image)})


def content_of(image: Image) -> bytes:
    """The bytes of a picture; raises OSError, it cannot be read."""
    if not isinstance(image, os.PathLike):
        return image
    with Path(image).open("rb") as file:
        return file.read(_MOST_BYTES)


def one(read: Callable[[Mapping[str, Any]], T]) -> Callable[[httpx.Response], T]:
    """Reads an answer that is one object."""
    return lambda response: read(response.json())


def part(name: str, read: Callable[[Mapping[str, Any]], T]) -> Callable[[httpx.Response], T | None]:
    """Reads an object inside of an answer, or null."""

    def read_part(response: httpx.Response) -> T | None:
        facts = response.json()[name]
        return None if facts is None else read(facts)

    return read_part


def content(response: httpx.Response) -> bytes:
    """Reads an answer that is a file."""
    return response.content


def nothing(_: httpx.Response) -> None:
    """Reads an answer without content."""
