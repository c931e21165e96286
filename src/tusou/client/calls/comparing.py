"""Calls that compare pictures: searching a library, explaining a match, comparing two."""

import json
import os

import httpx

from tusou.client.call import Body, Call, TagLogic, Tags, content_of, form, one, part, path
from tusou.client.pictures import Image
from tusou.client.results import Comparison, Drawing, Found, Match

Compared = Image | str | int
"""A picture, the address of one as text, or the number of a stored one."""


def search(
    service: str,
    image: Image | None = None,
    *,
    url: str | None = None,
    picture: int | None = None,
    text: str | None = None,
    region: tuple[int, int, int, int] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    threshold: float | None = None,
    filter: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    tag_logic: TagLogic | None = None,
) -> Call[Found]:
    """The stored pictures that fit a picture best; `hits` takes the same and reads all pages.

    Each page is charged as a search.

    Args:
        service: In which library.
        image: The picture, or else `url`, `picture` or `text`.
        url: Where the server is to fetch it.
        picture: The number of a stored one.
        text: What is to be seen, where the library's model pack reads.
        region: left, top, width, height in pixels of the picture, set upright: only this part is
            searched by.
        limit: Results of a page at most [20].
        cursor: `next` of the page before, of the same search.
        threshold: The least score, 0–1.
        filter: Only those that it lets through, such as `tags = 100 and brief contains "cat"`.
        tags: Only with these classes, likewise `class_id1` and `class_id2` in product.
        class_id1: See `tags`.
        class_id2: See `tags`.
        tag_logic: 1: with any of them.
    """
    body = form(
        image,
        url=url,
        picture=picture,
        text=text,
        region=region,
        limit=limit,
        cursor=cursor,
        threshold=threshold,
        filter=filter,
        tags=tags,
        class_id1=class_id1,
        class_id2=class_id2,
        tag_logic=tag_logic,
    )
    return Call("POST", path(service, "search"), one(Found.read), body=body)


def compare(service: str, first: Compared, second: Compared) -> Call[Comparison]:
    """How alike two pictures are: the score that a search would give, and what is behind it.

    Args:
        service: How they are compared.
        first: A picture; the address of one, as text; or the number of a stored one.
        second: Likewise.
    """
    fields, files = dict[str, str](), dict[str, bytes]()
    for name, given in (("first", first), ("second", second)):
        if isinstance(given, bytes | os.PathLike):
            files[name] = content_of(given)
        else:
            fields[name] = json.dumps({"url" if isinstance(given, str) else "picture": given})
    where = path(service, "compare")
    return Call("POST", where, one(Comparison.read), body=Body(fields, files))


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
    body = form(image, url=url, picture=picture)
    where = path(service, "pictures", id, "explain")
    return Call("POST", where, part("match", Match.read), body=body)


def draw(
    service: str,
    id: int,
    image: Image | None = None,
    *,
    url: str | None = None,
    picture: int | None = None,
) -> Call[Drawing]:
    """A drawing of where a picture and the stored one of a number agree.

    Raises:
        BadRequest: the service compares whole pictures.
    """

    def read(response: httpx.Response) -> Drawing:
        return Drawing(response.content, float(response.headers["x-tusou-score"]))

    body = form(image, url=url, picture=picture)
    where = path(service, "pictures", id, "explain")
    return Call("POST", where, read, body=body, headers={"accept": "image/png"})
