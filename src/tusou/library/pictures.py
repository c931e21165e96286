"""The pictures of a library as people look at them: page by page, one by one, the files too."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tusou.errors import Problem, TusouError
from tusou.library.sieve import Sieve
from tusou.stages import timed
from tusou.storage.blobs import THUMBNAIL, Blobs
from tusou.storage.listing import Listing
from tusou.storage.listing import Stats as Stats  # for those who ask
from tusou.types import ClassFilter, ContSign, Filter, Item


class Listed(NamedTuple):
    """A page of a list."""

    items: list[Item]
    next: int | None
    """Where the next page begins; None: this is the last."""


class File(NamedTuple):
    """A picture's file, or its thumbnail's."""

    data: bytes
    media_type: str


def facts(item: Item) -> dict[str, Any]:
    """What is told of a picture, as JSON."""
    return {
        "id": item.key,
        "cont_sign": str(item.sign),
        "brief": item.brief,
        "classes": list(item.classes),
        "width": item.width,
        "height": item.height,
        "bytes": item.length,
        "media_type": item.media_type,
        "created": moment(item.created),
        "updated": moment(item.updated),
        "has_file": bool(item.blob),
    }


def moment(seconds: int) -> str:
    """A time as JSON tells it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pictures:
    """Reading only, and only from SQL and the blob store: it waits for no index and no model."""

    def __init__(self, listing: Listing, blobs: Blobs) -> None:
        self._listing = listing
        self._blobs = blobs

    def page(
        self, wanted: Filter, count: int, after: int | None = None, oldest_first: bool = False
    ) -> Listed:
        """Up to `count` pictures, newest first, after the place that the last page named."""
        found = self._listing.page(wanted, count + 1, after, oldest_first)
        more = len(found) > count
        return Listed(found[:count], found[count - 1].key if more else None)

    def sieve(self, classes: ClassFilter | None, expression: str) -> Sieve:
        """Limit a search to classes, and to what an expression says, if it is not empty."""
        return Sieve.make(classes, expression, self._listing.passing)

    def stats(self) -> Stats:
        """The library in figures."""
        return self._listing.stats()

    def count(self, wanted: Filter) -> int:
        """How many pictures a filter lets through."""
        return self._listing.count(wanted)

    def by_sign(self, signs: Sequence[ContSign]) -> dict[ContSign, Item]:
        """What is known of pictures by their signs; those that are gone are left out."""
        return self._listing.by_sign(signs)

    def describe(self, key: int) -> Item:
        """What is known of a picture.

        Raises:
            TusouError: ITEM_MISSING.
        """
        return self._listing.describe(key)

    def thumbnail(self, key: int) -> File:
        """A small JPEG of a picture.

        Raises:
            TusouError: ITEM_MISSING, there is no such picture or its file was not kept.
        """
        return File(self._read(self.describe(key), THUMBNAIL), "image/jpeg")

    def original(self, key: int) -> File:
        """A picture's file as it came.

        Raises:
            TusouError: ITEM_MISSING, there is no such picture or its file was not kept.
        """
        item = self.describe(key)
        return File(self._read(item, ""), item.media_type)

    def _read(self, item: Item, suffix: str) -> bytes:
        try:
            with timed("blob"):
                return self._blobs.get(item.blob + suffix)
        except KeyError:
            raise TusouError(Problem.ITEM_MISSING, "the file of the picture was not kept") from None
