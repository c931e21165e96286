"""One library: adding, finding, changing and deleting its pictures."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.images.decode import cut, decode, thumbnail
from tusou.images.fetch import Fetcher
from tusou.library.indexes import Indexes
from tusou.library.indexing import Indexing
from tusou.library.models import Model, View
from tusou.library.moving import Move
from tusou.library.pipelines import Ranked
from tusou.library.shared import Tell
from tusou.library.sieve import Sieve
from tusou.services import Service
from tusou.stages import timed
from tusou.storage.blobs import THUMBNAIL, Blobs, new_name
from tusou.storage.database import PatientLock
from tusou.storage.items import Items, Moved, NewItem
from tusou.storage.moves import NextVectors
from tusou.types import (
    ClassFilter,
    ContSign,
    Features,
    Hit,
    Match,
    Page,
    Picture,
    Region,
    Source,
    Subject,
    Url,
    Vector,
)
from tusou.vision import keypoints, overlay, sketch

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What all libraries of a server share."""

    fetcher: Fetcher
    blobs: Blobs
    store_originals: bool
    indexing: Indexing
    find_model: Callable[[str], Model]
    """Opens a pack by its id; raises as `Models.get` does."""


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
        self._changes = PatientLock()
        self._move: Move | None = None
        self._rebuilding: set[int] | None = None
        """Numbers of what changes while another index is being made."""
        self._view = self._load(model)

    def __len__(self) -> int:
        return len(self._view.indexes)

    @property
    def pack(self) -> str:
        """The id of the model pack that pictures are seen by."""
        return self._view.model.pack

    @property
    def view(self) -> View:
        """What it is seen by now; one that is kept goes on working while the library changes."""
        return self._view

    def add(self, source: bytes | Url, brief: str, classes: tuple[int, int]) -> ContSign:
        """Add a picture; on disk when this returns, and found by every later search.

        Raises:
            TusouError: ITEM_EXISTS, LIBRARY_FULL, or what is wrong with the picture.
        """
        picture = self._take(source)
        self._items.require_absent(picture.sign)
        view = self._view
        features = view.pipeline.features(picture)
        seen = {view.model.pack: features.vector} | self._see_ahead(picture)
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
        sign = self.sign(source)
        self._items.require_absent(sign)
        return sign

    def sign(self, source: bytes | Url) -> ContSign:
        """The sign of a picture, whether it is there or not.

        Raises:
            TusouError: what is wrong with the picture.
        """
        return self._take(source).sign

    def search(
        self,
        source: bytes | Url,
        sieve: Sieve | ClassFilter | None,
        first: int,
        count: int,
        *,
        after: int | None = None,
        region: Region | None = None,
    ) -> Page:
        """Find pictures `first` to `first + count`, cut at the service's limit.

        Args:
            source: What to search by.
            sieve: What is searched.
            first: How many better ones are left out.
            count: How many are wanted.
            after: The number of the last picture left out; where it stands elsewhere now, what
                follows it there is meant.
            region: The part of the picture to search by; None: the whole.

        Raises:
            TusouError: what is wrong with the picture or the region.
        """
        if not isinstance(sieve, Sieve):
            sieve = Sieve(sieve)
        whole = self._take(source)
        picture = whole if region is None else cut(whole, region, self.service)
        view = self._view
        features = view.pipeline.query(picture)
        last = _last(first, count, after, self.service)
        load = self._items.local_features
        ranked = view.pipeline.rank(features, view.indexes, last, sieve, load)
        ranked = self._put_itself_first(picture.sign, ranked, sieve)
        page = self._page(ranked, first, count, after)
        if features.subjects is None:
            return page
        return replace(page, subjects=_placed(features.subjects, region, whole))

    def search_text(
        self, text: str, sieve: Sieve, first: int, count: int, *, after: int | None = None
    ) -> Page:
        """Find pictures by what is to be seen in them; `first`, `count`, `after` as in `search`.

        Raises:
            TusouError: INVALID_PARAM, the model pack has no text tower.
        """
        view = self._view
        reader = view.model.reader
        if reader is None:
            raise TusouError(
                Problem.INVALID_PARAM,
                f"param text: the model pack {view.model.pack} has no text tower",
            )
        vector, vectors = reader.read(text), view.indexes.vectors
        last = _last(first, count, after, self.service)
        keys, cosines = sieve.best(
            lambda most: vectors.search(vector, most, sieve.classes), last + 1
        )
        ranked = list(map(Ranked, keys, reader.score_all(cosines)))
        return self._page(ranked, first, count, after)

    def compare(self, first: bytes | Url, second: bytes | Url) -> tuple[float, Match | None]:
        """The score that a search by the first picture would give the second, were it stored.

        And the match, where the service verifies matches and there is one.

        Raises:
            TusouError: what is wrong with a picture.
        """
        pipeline = self._view.pipeline
        one, other = self._take(first), self._take(second)
        score, match = pipeline.compare(pipeline.query(one), pipeline.features(other))
        return (1.0 if one.sign == other.sign else score), match

    def draw(self, source: bytes | Url, sign: ContSign, original: bytes) -> tuple[float, bytes]:
        """A PNG of a picture beside a stored one and of what they have in common; and its score.

        Raises:
            TusouError: as `explain` does.
        """
        data = source if isinstance(source, bytes) else self._tools.fetcher.fetch(source)
        match = self.explain(data, sign)
        query, stored = decode(data, self.service), decode(original, self.service)
        drawn = overlay.draw(query.rgb, stored.rgb, match)
        return (0.0 if match is None else match.score), drawn

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
            exchange = self._change_over if self._tools.indexing.shared else self._exchange
            return move.catch_up(rest) and exchange(move, rest, switch)
        finally:
            if not move.in_doubt:
                self._move = None

    def rebuild(self, after: int = 0, tell: Tell = lambda *_: True) -> bool:
        """Make the index anew from SQL while searches and changes go on.

        Nothing changes where the library moves to another pack meanwhile: that makes a new one too.
        One that servers share is compared with SQL and mended, from the number `after` on.

        Returns:
            Whether it is done; False: `tell` broke it off, and it can go on where that was.
        """
        if self._tools.indexing.shared:
            return self._mend(self._view.model, after, tell)
        with self._changes:
            stale, changed = self._view, set[int]()
            self._rebuilding = changed
        try:
            fresh = self._load(stale.model)
            with self._changes:
                if self._view.model is stale.model:
                    fresh.indexes.renew(self._items, self.pack, list(changed))
                    fresh, self._view = self._view, fresh
        finally:
            self._rebuilding = None
        fresh.indexes.close()
        return True

    def catch_up(self, older: float) -> None:
        """Bring the index after changes that other servers left undone for `older` seconds."""
        self._view.indexes.catch_up(older)

    def close(self) -> None:
        """Stop the index's background work."""
        self._view.indexes.close()

    def _change_over(
        self, move: Move, rest: Callable[[float], bool], switch: Callable[[], bool]
    ) -> bool:
        """Fill the index of the new pack beside that of the old one, and let SQL decide.

        Changes by all servers go to both by now; a picture that another added by the old pack alone
        lets the switch fail, and the next try has it.
        """
        model = move.model
        if not self._mend(model, 0, lambda _last, _count, seconds: rest(seconds)):
            return False
        late = move.embed_last()
        if late is None:
            return False
        fresh = self._load(model)
        fresh.indexes.renew(self._items, model.pack, late)
        if not move.settle(switch):
            return False
        self._view = fresh
        return True

    def _mend(self, model: Model, after: int, tell: Tell) -> bool:
        by_words = model.pipelines[self.service.pipeline].by_words
        return self._tools.indexing.mend(self._items, model, by_words, after, tell)

    def _exchange(self, move: Move, _: Callable[[float], bool], switch: Callable[[], bool]) -> bool:
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
        if isinstance(source, bytes):
            data = source
        else:
            with timed("fetch"):
                data = self._tools.fetcher.fetch(source)
        with timed("decode"):
            return decode(data, self.service)

    def _signs(self, source: Source) -> Sequence[ContSign]:
        return source if isinstance(source, tuple) else (self._take(source).sign,)

    def _insert(self, item: NewItem, picture: Picture, features: Features) -> None:
        with self._changes:
            vectors = self._wanted(item.vectors, picture)
            features = replace(features, vector=vectors[self.pack])
            try:
                key = self._items.insert(replace(item, vectors=vectors))
            except Moved as moved:  # by another server, since it was seen
                self._view = self._load(self._tools.find_model(moved.pack))
                vectors = self._wanted(vectors, picture)
                key = self._items.insert(replace(item, vectors=vectors))
            self._follow([key], lambda indexes: indexes.add(key, features, item.classes))

    def _see_ahead(self, picture: Picture) -> dict[str, Vector]:
        """The vector by the pack to which the library is being moved; see `Move.see`."""
        move = self._move
        if move is not None:
            return move.see(picture)
        pack = self._tools.indexing.next_pack(self._items.library_id)
        if pack in (None, self.pack):
            return {}
        try:
            pipeline = self._tools.find_model(pack).pipelines[self.service.pipeline]
            return {pack: pipeline.embed(picture)}
        except TusouError:  # the server that moves it catches up with the picture
            return {}

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
        if self._tools.indexing.shared:
            packs |= seen.keys()  # other servers move it, too
        vectors = {pack: vector for pack, vector in seen.items() if pack in packs}
        if self.pack not in vectors:
            vectors[self.pack] = self._view.pipeline.embed(picture)
        return vectors

    def _follow(self, keys: Sequence[int], change: Callable[[Indexes], None]) -> None:
        """Bring the index after SQL; an index that cannot follow is made anew from SQL."""
        move = self._move
        if move is not None:
            move.note(keys)
        if self._rebuilding is not None:
            self._rebuilding.update(keys)
        try:
            change(self._view.indexes)
        except TusouError:
            raise  # an engine beside this process does not answer; the change is made up for later
        except Exception:
            _log.exception("the index could not follow a change and is loaded anew")
            stale, self._view = self._view, self._load(self._view.model)
            stale.indexes.close()

    def _page(self, ranked: Sequence[Ranked], first: int, count: int, after: int | None) -> Page:
        most = self.service.most_results
        begin = first if after is None else _behind(ranked, after, first)
        end = min(begin + count, most)
        return Page(self._hits(ranked[begin:end]), len(ranked) > end < most, None, end)

    def _put_itself_first(self, sign: ContSign, ranked: list[Ranked], sieve: Sieve) -> list[Ranked]:
        """The very same picture leads with score 1, whatever its features are worth."""
        same = self._items.find(sign)
        if same is None:
            return ranked
        key, own = same
        classes = sieve.classes
        if classes is not None and not classes.mask(np.array([own], np.uint16))[0]:
            return ranked
        if not sieve.admits(key):
            return ranked
        return [Ranked(key, 1.0), *(row for row in ranked if row.key != key)]

    def _hits(self, ranked: Sequence[Ranked]) -> list[Hit]:
        found = self._items.found([row.key for row in ranked])
        return [
            Hit(found[row.key].sign, row.score, found[row.key].brief, row.key)
            for row in ranked
            if row.key in found
        ]

    def _keep(self, picture: Picture) -> str:
        if not self._tools.store_originals:
            return ""
        name = new_name()
        with timed("thumbnail"):
            small = thumbnail(picture.rgb)
        with timed("blob"):
            self._tools.blobs.put(name, picture.data)
            self._tools.blobs.put(name + THUMBNAIL, small)
        return name

    def _discard(self, blob: str) -> None:
        if not blob:
            return
        for name in (blob, blob + THUMBNAIL):
            # What stays behind is swept up at the next start.
            with timed("blob"), suppress(OSError, TusouError):
                self._tools.blobs.delete(name)


def _last(first: int, count: int, after: int | None, service: Service) -> int:
    """How many to rank; what came in between may have pushed the last one on."""
    return min(first + count * (1 if after is None else 2), service.most_results)


def _behind(ranked: Sequence[Ranked], key: int, first: int) -> int:
    """Where the ranking goes on after a picture; where that is gone, at its old place."""
    places = (place for place, row in enumerate(ranked, 1) if row.key == key)
    return next(places, first)


def _placed(
    subjects: Sequence[Subject], region: Region | None, whole: Picture
) -> Sequence[Subject]:
    """Subjects of a region, in pixels and shares of the whole picture."""
    if region is None:
        return subjects
    left, top, width, height = region
    share = width * height / (whole.width * whole.height)
    return [
        Subject(
            box.left + left, box.top + top, box.right + left, box.bottom + top, box.share * share
        )
        for box in subjects
    ]


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
