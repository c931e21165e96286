"""One library: adding, finding, changing and deleting its pictures."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.images.decode import decode, thumbnail
from tusou.images.fetch import Fetcher
from tusou.library.indexes import Indexes
from tusou.library.models import Model, View
from tusou.library.moving import Move
from tusou.library.pipelines import Ranked
from tusou.services import Service
from tusou.storage.blobs import Blobs, new_name
from tusou.storage.items import Items, Mark, NewItem
from tusou.storage.moves import NextVectors
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
    Vector,
)
from tusou.vision import keypoints, sketch

_log = logging.getLogger(__name__)

THUMBNAIL = ".thumb"


class Indexing(Protocol):
    """Where the indexes of libraries are."""

    shared: bool
    """Other servers change them, too."""
    mark: Mark
    """Is told what each transaction changes."""

    def open(self, library_id: int, model: Model, by_words: bool) -> Indexes:
        """The indexes of a library by a model pack, to be loaded."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What all libraries of a server share."""

    fetcher: Fetcher
    blobs: Blobs
    store_originals: bool
    indexing: Indexing


class Library:
    """The pictures of one application for one service: rows in SQL, and an index over them.

    SQL decides. A change is made there first and then in the index, both under one lock, so that
    the index sees changes in the order in which they became true. Pictures are decoded and
    features computed outside the lock.
    """

    def __init__(self, service: Service, model: Model, items: Items, tools: Tools) -> None:
        self.service = service
        self._items = items
        self._tools = tools
        self._changes = threading.Lock()
        self._move: Move | None = None
        self._view = self._load(model)

    def __len__(self) -> int:
        return len(self._view.indexes)

    @property
    def pack(self) -> str:
        """The id of the model pack that pictures are seen by."""
        return self._view.model.pack

    def add(self, source: bytes | Url, brief: str, classes: tuple[int, int]) -> ContSign:
        """Add a picture; on disk when this returns, and found by every later search.

        Raises:
            TusouError: ITEM_EXISTS, LIBRARY_FULL, or what is wrong with the picture.
        """
        picture = self._take(source)
        self._items.require_absent(picture.sign)
        view, move = self._view, self._move
        features = view.pipeline.features(picture)
        seen = {view.model.pack: features.vector} | (move.see(picture) if move else {})
        blob = self._keep(picture)
        try:
            self._insert(
                _new_item(picture, features, seen, brief, classes, blob), picture, features
            )
        except BaseException as error:
            silent = isinstance(error, TusouError) and error.problem is Problem.UNAVAILABLE
            if not (silent and self._may_be_there(picture.sign)):
                self._discard(blob)
            raise
        return picture.sign

    def examine(self, source: bytes | Url) -> ContSign:
        """The sign that a picture would get; what only its features tell is not found out.

        Raises:
            TusouError: ITEM_EXISTS, or what is wrong with the picture.
        """
        sign = self._take(source).sign
        self._items.require_absent(sign)
        return sign

    def search(
        self, source: bytes | Url, classes: ClassFilter | None, first: int, count: int
    ) -> Page:
        """Find pictures `first` to `first + count`, cut at the service's limit.

        Raises:
            TusouError: what is wrong with the picture.
        """
        picture = self._take(source)
        view = self._view
        features = view.pipeline.query(picture)
        last = min(first + count, self.service.most_results)
        load = self._items.local_features
        ranked = view.pipeline.rank(features, view.indexes, last, classes, load)
        ranked = self._put_itself_first(picture.sign, ranked, classes)
        has_more = len(ranked) > last < self.service.most_results
        return Page(self._hits(ranked[first:last]), has_more, features.subjects)

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
        pipeline = self._view.pipeline
        features = pipeline.query(self._take(source))
        key = same[0]
        return pipeline.explain(features, self._items.local_features([key]).get(key))

    def stored(self, sign: ContSign) -> Hit | None:
        """A picture that is there, by its sign, as a search for it would name it."""
        same = self._items.find(sign)
        hits = [] if same is None else self._hits([Ranked(same[0], 1.0)])
        return hits[0] if hits else None

    def delete(self, source: Source) -> None:
        """Delete a picture, or those of a list that are there; gone when this returns.

        Raises:
            TusouError: ITEM_MISSING, none is there; or what is wrong with the picture.
        """
        signs = self._signs(source)
        with self._changes:
            removed = self._items.delete(signs)
            keys = [row.id for row in removed]
            self._follow(keys, lambda indexes: indexes.remove(np.array(keys)))
        for row in removed:
            self._discard(row.blob)

    def delete_found(self, signs: tuple[ContSign, ...]) -> None:
        """Delete those of many pictures that are still there, which may be none."""
        try:
            self.delete(signs)
        except TusouError as error:
            if error.problem is not Problem.ITEM_MISSING:
                raise

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
            row = np.array([now], np.uint16)
            self._follow([key], lambda indexes: indexes.reclass(np.array([key]), row))

    def reclass(self, signs: Sequence[ContSign], classes: tuple[int | None, int | None]) -> None:
        """Give those of many pictures that are there other classes, where they are given."""
        with self._changes:
            changed = self._items.reclass(signs, classes)
            if changed:
                keys, rows = list(changed), np.array(list(changed.values()), np.uint16)
                self._follow(keys, lambda indexes: indexes.reclass(np.array(keys), rows))

    def move(
        self,
        model: Model,
        next_vectors: NextVectors,
        rest: Callable[[float], bool],
        switch: Callable[[], bool],
    ) -> bool:
        """Move to another model pack while everything goes on; searches see it all at once.

        Args:
            model: The pack.
            next_vectors: Its rows for this library.
            rest: Is told after each batch how long it took; False: break off.
            switch: Makes the pack the library's own in SQL; False: break off.

        Returns:
            Whether it is done. What was done by then is not done again next time.

        Raises:
            RuntimeError: a picture cannot be embedded by this pack.
            TusouError: UNAVAILABLE or OVERLOADED, not now.
        """
        move = Move(model, self.service, self._items, next_vectors, self._tools.blobs)
        self._move = move  # from here on new pictures get vectors of both packs
        try:
            return move.catch_up(rest) and self._exchange(move, switch)
        finally:
            if not move.in_doubt:
                self._move = None

    def catch_up(self, older: float) -> None:
        """Bring the index after changes that other servers left undone for `older` seconds."""
        self._view.indexes.catch_up(older)

    def close(self) -> None:
        """Stop the index's background work."""
        self._view.indexes.close()

    def _exchange(self, move: Move, switch: Callable[[], bool]) -> bool:
        with ExitStack() as undo:
            vectors = move.build()
            undo.callback(vectors.close)
            with self._changes:
                if not (move.complete(vectors) and move.settle(switch)):
                    return False
                stale = self._view
                indexes = Indexes(vectors, stale.indexes.words)
                self._view = View(move.model, move.pipeline, indexes)
            undo.pop_all()
        stale.indexes.vectors.close()
        return True

    def _load(self, model: Model) -> View:
        pipeline = model.pipelines[self.service.pipeline]
        indexes = self._tools.indexing.open(self._items.library_id, model, pipeline.by_words)
        indexes.load(self._items, model.pack)
        return View(model, pipeline, indexes)

    def _take(self, source: bytes | Url) -> Picture:
        data = source if isinstance(source, bytes) else self._tools.fetcher.fetch(source)
        return decode(data, self.service)

    def _signs(self, source: Source) -> Sequence[ContSign]:
        return source if isinstance(source, tuple) else (self._take(source).sign,)

    def _insert(self, item: NewItem, picture: Picture, features: Features) -> None:
        with self._changes:
            vectors = self._wanted(item.vectors, picture)
            features = replace(features, vector=vectors[self.pack])
            key = self._items.insert(replace(item, vectors=vectors))
            self._follow([key], lambda indexes: indexes.add(key, features, item.classes))

    def _may_be_there(self, sign: ContSign) -> bool:
        """Whether a row may refer to the file; if it does not, the file is swept up later."""
        try:
            return self._items.find(sign) is not None
        except TusouError:
            return True

    def _wanted(self, seen: Mapping[str, Vector], picture: Picture) -> dict[str, Vector]:
        """Vectors by the packs that count now; while it was seen, the library may have moved."""
        move = self._move
        packs = {self.pack} | ({move.model.pack} if move else set())
        vectors = {pack: vector for pack, vector in seen.items() if pack in packs}
        if self.pack not in vectors:
            vectors[self.pack] = self._view.pipeline.embed(picture)
        return vectors

    def _follow(self, keys: Sequence[int], change: Callable[[Indexes], None]) -> None:
        """Bring the index after SQL; an index that cannot follow is made anew from SQL."""
        move = self._move
        if move is not None:
            move.note(keys)
        try:
            change(self._view.indexes)
        except TusouError:
            raise  # an engine beside this process does not answer; the change is made up for later
        except Exception:
            _log.exception("the index could not follow a change and is loaded anew")
            stale, self._view = self._view, self._load(self._view.model)
            stale.indexes.close()

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
            with suppress(OSError, TusouError):  # what stays behind is swept up at the next start
                self._tools.blobs.delete(name)


def _new_item(
    picture: Picture,
    features: Features,
    vectors: Mapping[str, Vector],
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
        vectors=vectors,
        keypoints=None if points is None else keypoints.pack(points),
        words=features.words,
        sketch=None if drawn is None else sketch.pack(drawn),
    )
