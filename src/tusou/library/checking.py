"""Whether the files of pictures are still there, and still show what was added."""

from collections.abc import Iterator
from typing import NamedTuple

from tusou.errors import Problem, TusouError
from tusou.images.decode import decode
from tusou.services import Service
from tusou.storage.blobs import THUMBNAIL, Blobs
from tusou.storage.database import Database
from tusou.storage.items import blob_names
from tusou.storage.listing import Listing
from tusou.types import Filter, Item

_A_PAGE = 500
_END_OF_JPEG = b"\xff\xd9"


class Damage(NamedTuple):
    """A picture whose files are not what they should be."""

    item: Item
    found: str


def without_files(database: Database, blobs: Blobs) -> int:
    """How many pictures of all libraries have lost their file or its thumbnail."""
    known = blob_names(database)
    there = {name for name, _ in blobs.names()}
    lost = {name for name in known if not {name, name + THUMBNAIL} <= there}
    # A picture that is deleted meanwhile loses its row before its files.
    return len(lost & blob_names(database)) if lost else 0


def damaged(listing: Listing, service: Service, blobs: Blobs) -> Iterator[Damage]:
    """Read every file of a library, and tell those that are gone or show something else."""
    last: int | None = None
    while page := listing.page(Filter(), _A_PAGE, last, oldest_first=True):
        for item in page:
            found = _look(item, service, blobs) if item.blob else ""
            if found and _is_there(listing, item):
                yield Damage(item, found)
        last = page[-1].key


def _look(item: Item, service: Service, blobs: Blobs) -> str:
    try:
        # The sign is that of the decoded picture, so it tells any change that can be seen.
        if decode(blobs.get(item.blob), service).sign != item.sign:
            return "the file shows another picture"
    except KeyError:
        return "the file is gone"
    except TusouError as error:
        return f"the file cannot be read: {error.message}"
    try:
        if not blobs.get(item.blob + THUMBNAIL).endswith(_END_OF_JPEG):
            return "the thumbnail is damaged"
    except KeyError:
        return "the thumbnail is gone"
    except TusouError as error:
        return f"the thumbnail cannot be read: {error.message}"
    return ""


def _is_there(listing: Listing, item: Item) -> bool:
    try:
        listing.describe(item.key)
    except TusouError as error:
        if error.problem is Problem.ITEM_MISSING:
            return False
        raise
    return True
