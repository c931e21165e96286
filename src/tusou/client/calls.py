"""The calls of the native interface: what each sends and what its answer means, without sending it.

Each function makes a `Call`; `Client` and `AsyncClient` have a method of the same name and
parameters for each. Fields that are not given are not sent. A picture is given as the bytes of its
file or as the path of it; reading a path raises OSError.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from tusou.client.pictures import Image
from tusou.client.problems import NotFound, PictureExists, Rejected
from tusou.client.results import Found, Library, Match, Page, Picture

T = TypeVar("T")

Tags = str | Sequence[int]
"""One or two classes: `"100,11"` or `(100, 11)`; in an update, `()` takes them away."""
Order = Literal["newest", "oldest"]

_MOST_BYTES = (4 << 20) + 1
"""No more of a file is read and sent than tells the server that it is too large."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    """What the answer means."""
    query: Mapping[str, str] | None = None
    fields: Mapping[str, str] | None = None
    """Of the body."""
    image: bytes | None = None
    """The picture of the body."""
    repeated: "Callable[[Rejected], T | Call[T]] | None" = None
    """What a rejection means if an earlier try may have been carried out and only its answer been
    lost: a result, or the call that brings it. Raises the rejection where it means nothing else."""


def libraries() -> Call[list[Library]]:
    """The application's libraries."""
    return Call("GET", "/v1/libraries", _each("libraries", Library.read))


def library(service: str) -> Call[Library]:
    """One library."""
    return Call("GET", _path(service), _one(Library.read))


def list_pictures(
    service: str,
    *,
    brief: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    tag_logic: Literal[0, 1] | None = None,
    cont_sign: str | None = None,
    order: Order | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[Page]:
    """A page of pictures, newest first; `pictures` takes the same and goes through all pages.

    Args:
        service: Whose library.
        brief: Words of which each is part of the brief.
        tags: Only with these classes, likewise `class_id1` and `class_id2` in product.
        class_id1: See `tags`.
        class_id2: See `tags`.
        tag_logic: 1: with any of them.
        cont_sign: Only the one of this sign.
        order: `oldest`: the other way round.
        limit: Pictures of a page, at most 1000.
        cursor: `next` of the page before.
    """
    query = _texts(
        brief=brief,
        tags=tags,
        class_id1=class_id1,
        class_id2=class_id2,
        tag_logic=tag_logic,
        cont_sign=cont_sign,
        order=order,
        limit=limit,
        cursor=cursor,
    )
    return Call("GET", _path(service, "pictures"), _one(Page.read), query=query)


def following(call: Call[Page], page: Page) -> Call[Page] | None:
    """The call for the page after one; None: it was the last."""
    if page.next is None:
        return None
    return replace(call, query={**(call.query or {}), "cursor": page.next})


def picture(service: str, id: int) -> Call[Picture]:
    """A stored picture."""
    return Call("GET", _path(service, "pictures", id), _one(Picture.read))


def thumbnail(service: str, id: int) -> Call[bytes]:
    """A small JPEG of a stored picture."""
    return Call("GET", _path(service, "pictures", id, "thumbnail"), _content)


def original(service: str, id: int) -> Call[bytes]:
    """A stored picture's file as it came."""
    return Call("GET", _path(service, "pictures", id, "original"), _content)


def add(
    service: str,
    image: Image | None = None,
    brief: str = "",
    *,
    url: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
) -> Call[Picture]:
    """Add a picture; found by every later search.

    If an answer is lost, the picture may be there. Asked again, the server then says that it is,
    and this counts as added where it has the same brief and classes as were sent.

    Args:
        service: To which library.
        image: The picture, or else `url`.
        brief: What searches give back with it: 1–256 bytes of UTF-8.
        url: Where the server is to fetch the picture.
        tags: Its classes; in product `class_id1` and `class_id2`.
        class_id1: See `tags`.
        class_id2: See `tags`.

    Raises:
        PictureExists: the library has this very picture.
        LibraryFull: it has no room.
    """
    fields = _texts(brief=brief, url=url, tags=tags, class_id1=class_id1, class_id2=class_id2)
    classes = _classes(tags, class_id1, class_id2)

    def is_ours(rejected: Rejected) -> Call[Picture]:
        if not isinstance(rejected, PictureExists) or not rejected.id:
            raise rejected
        found = picture(service, rejected.id)

        def read(response: httpx.Response) -> Picture:
            there = found.read(response)
            if (there.brief, there.classes) != (brief, classes):
                raise rejected
            return there

        return Call("GET", found.path, read)

    return Call(
        "POST",
        _path(service, "pictures"),
        _one(Picture.read),
        fields=fields,
        image=_file(image),
        repeated=is_ours,
    )


def update(
    service: str,
    id: int,
    *,
    brief: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
) -> Call[Picture]:
    """Change a picture's brief and classes where they are given; seen by every later search."""
    fields = _texts(brief=brief, tags=tags, class_id1=class_id1, class_id2=class_id2)
    return Call("PATCH", _path(service, "pictures", id), _one(Picture.read), fields=fields)


def delete(service: str, id: int) -> Call[None]:
    """Delete a picture; gone from every later search.

    Raises:
        NotFound: there is none of this number.
    """

    def is_gone(rejected: Rejected) -> None:
        if not isinstance(rejected, NotFound):
            raise rejected

    return Call("DELETE", _path(service, "pictures", id), _nothing, repeated=is_gone)


def search(
    service: str,
    image: Image | None = None,
    *,
    url: str | None = None,
    picture: int | None = None,
    limit: int | None = None,
    threshold: float | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    tag_logic: Literal[0, 1] | None = None,
) -> Call[Found]:
    """The stored pictures that fit a picture best.

    Args:
        service: In which library.
        image: The picture, or else `url` or `picture`.
        url: Where the server is to fetch it.
        picture: The number of a stored one.
        limit: Results at most [20].
        threshold: The least score, 0–1.
        tags: Only with these classes, likewise `class_id1` and `class_id2` in product.
        class_id1: See `tags`.
        class_id2: See `tags`.
        tag_logic: 1: with any of them.
    """
    fields = _texts(
        url=url,
        picture=picture,
        limit=limit,
        threshold=threshold,
        tags=tags,
        class_id1=class_id1,
        class_id2=class_id2,
        tag_logic=tag_logic,
    )
    path = _path(service, "search")
    return Call("POST", path, _one(Found.read), fields=fields, image=_file(image))


def explain(
    service: str,
    id: int,
    image: Image | None = None,
    *,
    url: str | None = None,
    picture: int | None = None,
) -> Call[Match | None]:
    """Where a picture and the stored one of a number agree; None: a search would not find it.

    Raises:
        BadRequest: the service compares whole pictures.
    """
    fields = _texts(url=url, picture=picture)
    path = _path(service, "pictures", id, "explain")
    return Call("POST", path, _match, fields=fields, image=_file(image))


def _path(*parts: object) -> str:
    return "/".join(("/v1/libraries", *(quote(str(part), safe="") for part in parts)))


def _texts(**values: Any) -> dict[str, str]:
    """Fields as a form has them."""
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")  # the server reads no exponents
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value))


def _classes(tags: Tags | None, first: int | None, second: int | None) -> tuple[int, int]:
    """Classes as a picture will have them."""
    if first is not None or second is not None:
        return first or 0, second or 0
    parts = [int(part) for part in _text(tags or "").split(",") if part.strip()]
    return tuple([*parts, 0, 0][:2])  # type: ignore[return-value]


def _file(image: Image | None) -> bytes | None:
    if not isinstance(image, os.PathLike):
        return image
    with Path(image).open("rb") as file:
        return file.read(_MOST_BYTES)


def _one(read: Callable[[Mapping[str, Any]], T]) -> Callable[[httpx.Response], T]:
    return lambda response: read(response.json())


def _each(name: str, read: Callable[[Mapping[str, Any]], T]) -> Callable[[httpx.Response], list[T]]:
    return lambda response: [read(row) for row in response.json()[name]]


def _match(response: httpx.Response) -> Match | None:
    facts = response.json()["match"]
    return None if facts is None else Match.read(facts)


def _content(response: httpx.Response) -> bytes:
    return response.content


def _nothing(_: httpx.Response) -> None:
    return None
