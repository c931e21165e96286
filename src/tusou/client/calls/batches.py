"""Adding pictures that are given as `NewPicture`: one of many, or many at once."""

from collections.abc import Mapping
from typing import Any

import httpx

from tusou.client.bulk import Added, Given, NewPicture, as_new
from tusou.client.call import Body, Call, path
from tusou.client.calls.collection import add
from tusou.client.problems import rejection
from tusou.client.results import Picture


def add_one(service: str, new: NewPicture) -> Call[Picture]:
    """Add one of many pictures; raises OSError, its file cannot be read."""
    return add(
        service,
        new.image,
        new.brief,
        url=new.url,
        tags=new.tags,
        class_id1=new.class_id1,
        class_id2=new.class_id2,
    )


def add_batch(service: str, pictures: Given) -> Call[list[Added]]:
    """Add up to 100 pictures in one request, and tell of each, in their order.

    One that is not taken stops no other. A request has up to 16 MiB, in which the bytes of a
    picture take a third more than they are; `add_many` has no such bounds.

    Args:
        service: To which library.
        pictures: Pictures; a bare path has itself as brief.

    Raises:
        BadRequest: there are none, more than 100, or they are too large together.
        Unreachable: nobody answered. It is not tried again by itself; those that were added by
            then are PictureExists the next time.
        OSError: a file cannot be read.
    """
    given = [as_new(each) for each in pictures]

    def read(response: httpx.Response) -> list[Added]:
        told = response.json()["results"]
        rows = zip(given, told, strict=True)
        return [_added(index, new, row) for index, (new, row) in enumerate(rows)]

    body = Body(json={"pictures": [new.row() for new in given]})
    return Call("POST", path(service, "pictures", "batch"), read, body=body, once=True)


def _added(index: int, new: NewPicture, row: Mapping[str, Any]) -> Added:
    if "problem" in row:
        return Added(index, new, None, rejection(row["problem"]))
    return Added(index, new, Picture.read(row["picture"]), None)
