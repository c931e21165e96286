"""Adding many pictures: what is given, and what becomes of each."""

import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tusou.client.call import Tags, content_of, text
from tusou.client.pictures import Image
from tusou.client.problems import BadRequest, PictureExists, Rejected, ServerFault
from tusou.client.results import Picture

CONCURRENCY = 8
"""Pictures in hand at a time."""
OF_ONE = (BadRequest, PictureExists, ServerFault, OSError)
"""Errors of one picture; any other would meet the next picture too, and ends it all."""


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture to be added: its file's bytes or path, or else where the server fetches it."""

    image: Image | None = None
    brief: str = ""
    url: str | None = None
    tags: Tags | None = None
    class_id1: int | None = None
    class_id2: int | None = None

    def row(self) -> dict[str, Any]:
        """As a batch has it; raises OSError, its file cannot be read."""
        values = {
            "image": None if self.image is None else b64encode(content_of(self.image)).decode(),
            "url": self.url,
            "brief": self.brief,
            "tags": None if self.tags is None else text(self.tags),
            "class_id1": self.class_id1,
            "class_id2": self.class_id2,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one picture."""

    index: int
    """Its place among those given, from 0."""
    given: NewPicture = field(repr=False)
    picture: Picture | None
    """As it is stored; None: see `error`."""
    error: Rejected | OSError | None
    """Why it was not added: PictureExists where it was there before."""


Given = Iterable[NewPicture | os.PathLike[str]]
"""Pictures; a bare path has itself as brief."""


def as_new(given: NewPicture | os.PathLike[str]) -> NewPicture:
    """A bare path as a picture."""
    return given if isinstance(given, NewPicture) else NewPicture(given, os.fspath(given))


def most_waiting(concurrency: int) -> int:
    """How many pictures are begun before the first of them is told of.

    Twice those in hand: a slow one, which is told of in its place, holds up only so many others.

    Raises:
        ValueError: none are to be in hand.
    """
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    return 2 * concurrency
