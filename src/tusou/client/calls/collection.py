"""Calls about the pictures of a library: listing, adding, changing, deleting, their files."""

from collections.abc import Iterable

import httpx

from tusou.client.call import (
    Call,
    Order,
    TagLogic,
    Tags,
    content,
    form,
    nothing,
    one,
    path,
    text,
    texts,
)
from tusou.client.pictures import Image
from tusou.client.problems import NotFound, PictureExists, Rejected
from tusou.client.reports import Task
from tusou.client.results import Page, Picture, Presence


def list_pictures(
    service: str,
    *,
    filter: str | None = None,
    brief: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    tag_logic: TagLogic | None = None,
    cont_sign: str | None = None,
    order: Order | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[Page]:
    """A page of pictures, newest first; `pictures` takes the same and goes through all pages.

    Args:
        service: Whose library.
        filter: Only those that it lets through, such as `tags = 100 and brief contains "cat"`.
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
    query = texts(
        filter=filter,
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
    return Call("GET", path(service, "pictures"), one(Page.read), query=query)


def picture(service: str, id: int) -> Call[Picture]:
    """A stored picture."""
    return Call("GET", path(service, "pictures", id), one(Picture.read))


def thumbnail(service: str, id: int) -> Call[bytes]:
    """A small JPEG of a stored picture."""
    return Call("GET", path(service, "pictures", id, "thumbnail"), content)


def original(service: str, id: int) -> Call[bytes]:
    """A stored picture's file as it came."""
    return Call("GET", path(service, "pictures", id, "original"), content)


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

    body = form(image, brief=brief, url=url, tags=tags, class_id1=class_id1, class_id2=class_id2)
    where = path(service, "pictures")
    return Call("POST", where, one(Picture.read), body=body, repeated=is_ours)


def exists(
    service: str,
    image: Image | None = None,
    *,
    url: str | None = None,
    cont_sign: str | None = None,
) -> Call[Presence]:
    """Whether a library has this very picture; nothing is added, and nothing charged."""
    body = form(image, url=url, cont_sign=cont_sign)
    return Call("POST", path(service, "pictures", "exists"), one(Presence.read), body=body)


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
    body = form(brief=brief, tags=tags, class_id1=class_id1, class_id2=class_id2)
    return Call("PATCH", path(service, "pictures", id), one(Picture.read), body=body)


def delete(service: str, id: int) -> Call[None]:
    """Delete a picture; gone from every later search.

    Raises:
        NotFound: there is none of this number.
    """

    def is_gone(rejected: Rejected) -> None:
        if not isinstance(rejected, NotFound):
            raise rejected

    return Call("DELETE", path(service, "pictures", id), nothing, repeated=is_gone)


def delete_pictures(
    service: str,
    *,
    filter: str | None = None,
    ids: Iterable[int] | None = None,
    webhook: str | None = None,
) -> Call[Task]:
    """Delete the pictures of a filter, or by their numbers, in the background.

    Args:
        service: Whose library.
        filter: Which pictures, such as `created < 2026-01-01`.
        ids: Likewise by their numbers, up to 10,000; with a filter, those of them that it lets
            through.
        webhook: The address that is told when it is over; see `is_genuine`.

    Raises:
        BadRequest: neither is given.
        NotFound: no picture is meant.
    """
    body = form(filter=filter, ids=ids, webhook=webhook)
    where = path(service, "pictures", "delete")
    return Call("POST", where, one(Task.read), body=body, once=True)


def retag_pictures(
    service: str,
    *,
    filter: str | None = None,
    ids: Iterable[int] | None = None,
    new_tags: Tags | None = None,
    new_class_id1: int | None = None,
    new_class_id2: int | None = None,
    webhook: str | None = None,
) -> Call[Task]:
    """Give the pictures of a filter, or by their numbers, other classes, in the background.

    Args:
        service: Whose library.
        filter: See `delete_pictures`.
        ids: See `delete_pictures`.
        new_tags: The classes that they get; `()` takes them away. In product `new_class_id1` and
            `new_class_id2`.
        new_class_id1: See `new_tags`.
        new_class_id2: See `new_tags`.
        webhook: The address that is told when it is over; see `is_genuine`.

    Raises:
        BadRequest: it is not said which pictures, or which classes.
        NotFound: no picture is meant.
    """
    body = form(
        filter=filter,
        ids=ids,
        new_tags=new_tags,
        new_class_id1=new_class_id1,
        new_class_id2=new_class_id2,
        webhook=webhook,
    )
    where = path(service, "pictures", "retag")
    return Call("POST", where, one(Task.read), body=body, once=True)


def _classes(tags: Tags | None, first: int | None, second: int | None) -> tuple[int, int]:
    """Classes as a picture will have them."""
    if first is not None or second is not None:
        return first or 0, second or 0
    parts = [int(part) for part in text(tags or "").split(",") if part.strip()]
    return tuple([*parts, 0, 0][:2])  # type: ignore[return-value]
