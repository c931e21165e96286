"""One library: adding, finding, changing and deleting its pictures."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.images.decode import decode, thumbnail
from tusou.images.fetch import Fetcher
from tusou.index.base import VectorIndex, WordIndex
from tusou.library.indexes import Indexes
from tusou.library.pipelines import Pipeline, Ranked
from tusou.services import Service
from tusou.storage.blobs import Blobs, new_name
from tusou.storage.items import Items, NewItem
from tusou.types import (
    ClassFilter,
    ContSign,
    Features,
    Hit,
    Match,
    Page,
    Picture,
    Source,
    Url,
)
from tusou.vision import keypoints, sketch

_log = logging.getLogger(__name__)

THUMBNAIL = ".thumb"


@dataclass(frozen=True, slots=True)
class Tools:
    """What all libraries of a server share."""

    fetcher: Fetcher
    blobs: Blobs
    store_originals: bool
    make_vectors: Callable[[], VectorIndex]
    make_words: Callable[[], WordIndex]


class Library:
    """The pictures of one application for one service: rows in SQL, and an index over them.

    SQL decides. A change is made there first and then in the index, both under one lock, so that
    the index sees changes in the order in which they became true. Pictures are decoded and
    features computed outside the lock.
    """

    def __init__(
        self, service: Service, pack: str, items: Items, pipeline: Pipeline, tools: Tools
    ) -> None:
        self.service = service
        self._pack = pack
        self._items = items
        self._pipeline = pipeline
        self._tools = tools
        self._changes = threading.Lock()
        self._indexes = self._load()

    def __len__(self) -> int:
        return len(self._indexes)

    def add(self, source: bytes | Url, brief: str, classes: tuple[int, int]) -> ContSign:
        """Add a picture; on disk when this returns, and found by every later search.

        Raises:
            TusouError: ITEM_EXISTS, LIBRARY_FULL, or what is wrong with the picture.
        """
        picture = self._take(source)
        self._items.require_absent(picture.sign)
        features = self._pipeline.features(picture)
        blob = self._keep(picture)
        try:
            item = _new_item(picture, features, self._pack, brief, classes, blob)
            self._insert(item, features)
        except BaseException:
            self._discard(blob)
            raise
        return picture.sign

    def search(
        self, source: bytes | Url, classes: ClassFilter | None, first: int, count: int
    ) -> Page:
        """Find pictures `first` to `first + count`, cut at the service's limit.

        Raises:
            TusouError: what is wrong with the picture.
        """
        picture = self._take(source)
        features = self._pipeline.query(picture)
        last = min(first + count, self.service.most_results)
        load = self._items.local_features
        ranked = self._pipeline.rank(features, self._indexes, last, classes, load)
        ranked = self._put_itself_first(picture.sign, ranked, classes)
        has_more = len(ranked) > last < self.service.most_results
        return Page(self._hits(ranked[first:last]), has_more)

    def explain(self, source: bytes | Url, sign: ContSign) -> Match | None:
        """Show what a picture and a stored one have in common, in the same words as a search.

        Returns:
            Where their points agree; None where a search would not return the stored picture.

        Raises:
            TusouError: ITEM_MISSING; INVALID_PARAM, the service compares whole pictures; or what
                is wrong with the picture.
        """
        same = self._items.find(sign)
        if same is None:
            raise TusouError(Problem.ITEM_MISSING, str(sign))
        features = self._pipeline.query(self._take(source))
        key = same[0]
        return self._pipeline.explain(features, self._items.local_features([key]).get(key))

    def delete(self, source: Source) -> None:
        """Delete a picture, or those of a list that are there; gone when this returns.

        Raises:
            TusouError: ITEM_MISSING, none is there; or what is wrong with the picture.
        """
        signs = self._signs(source)
        with self._changes:
            removed = self._items.delete(signs)
            self._follow(lambda: self._indexes.remove(np.array([row.id for row in removed])))
        for row in removed:
            self._discard(row.blob)

    def update(
        self, source: Source, brief: str | None, classes: tuple[int | None, int | None]
    ) -> None:
        """Change a picture's brief and classes where they are given; seen when this returns.

        Raises:
            TusouError: ITEM_MISSING, or what is wrong with the picture.
        """
        (sign,) = self._signs(source)
        with self._changes:
            key, now = self._items.update(sign, brief, classes)
            self._follow(lambda: self._indexes.reclass(np.array([key]), np.array([now], np.uint16)))

    def close(self) -> None:
        """Stop the index's background work."""
        self._indexes.close()

    def _load(self) -> Indexes:
        words = self._tools.make_words() if self._pipeline.by_words else None
        indexes = Indexes(self._tools.make_vectors(), words)
        indexes.load(self._items, self._pack)
        return indexes

    def _take(self, source: bytes | Url) -> Picture:
        data = source if isinstance(source, bytes) else self._tools.fetcher.fetch(source)
        return decode(data, self.service)

    def _signs(self, source: Source) -> Sequence[ContSign]:
        return source if isinstance(source, tuple) else (self._take(source).sign,)

    def _insert(self, item: NewItem, features: Features) -> None:
        with self._changes:
            key = self._items.insert(item)
            self._follow(lambda: self._indexes.add(key, features, item.classes))

    def _follow(self, change: Callable[[], None]) -> None:
        """Bring the index after SQL; an index that cannot follow is made anew from SQL."""
        try:
            change()
        except Exception:
            _log.exception("the index could not follow a change and is loaded anew")
            stale, self._indexes = self._indexes, self._load()
            stale.close()

    def _put_itself_first(
        self, sign: ContSign, ranked: list[Ranked], classes: ClassFilter | None
    ) -> list[Ranked]:
        """The very same picture leads with score 1, whatever its features are worth."""
        same = self._items.find(sign)
        if same is None:
            return ranked
        key, own = same
        if classes is not None and not classes.mask(np.array([own], np.uint16))[0]:
            return ranked
        return [Ranked(key, 1.0), *(row for row in ranked if row.key != key)]

    def _hits(self, ranked: Sequence[Ranked]) -> list[Hit]:
        found = self._items.found([row.key for row in ranked])
        return [
            Hit(found[row.key].sign, row.score, found[row.key].brief)
            for row in ranked
            if row.key in found
        ]

    def _keep(self, picture: Picture) -> str:
        if not self._tools.store_originals:
            return ""
        name = new_name()
        self._tools.blobs.put(name, picture.data)
        self._tools.blobs.put(name + THUMBNAIL, thumbnail(picture.rgb))
        return name

    def _discard(self, blob: str) -> None:
        if not blob:
            return
        for name in (blob, blob + THUMBNAIL):
            with suppress(OSError):  # what stays behind is swept up at the next start
                self._tools.blobs.delete(name)


def _new_item(
    picture: Picture,
    features: Features,
    pack: str,
    brief: str,
    classes: tuple[int, int],
    blob: str,
) -> NewItem:
    points, drawn = features.keypoints, features.sketch
    return NewItem(
        sign=picture.sign,
        brief=brief,
        classes=classes,
        blob=blob,
        media_type=picture.media_type,
        length=len(picture.data),
        width=picture.width,
        height=picture.height,
        pack=pack,
        vector=features.vector,
        keypoints=None if points is None else keypoints.pack(points),
        words=features.words,
        sketch=None if drawn is None else sketch.pack(drawn),
    )
