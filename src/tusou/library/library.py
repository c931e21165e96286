"""One library: adding, finding, changing and deleting its pictures."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.images.decode import cut, decode, put_back, thumbnail
from tusou.images.fetch import Fetcher
from tusou.library.contents import Contents
from tusou.library.models import Model, View
from tusou.library.moving import Move
from tusou.library.paging import Span
from tusou.library.pipelines import Ranked
from tusou.library.shared import Tell
from tusou.library.sieve import Sieve
from tusou.library.views import Views
from tusou.services import Service
from tusou.stages import timed
from tusou.storage.blobs import THUMBNAIL, Blobs, new_name
from tusou.storage.items import Items
from tusou.storage.moves import NextVectors
from tusou.types import (
    ClassFilter,
    ContSign,
    Hit,
    Match,
    Page,
    Picture,
    Region,
    Source,
    Subject,
    Url,
)
from tusou.vision import overlay


@dataclass(frozen=True, slots=True)
class Tools:
    """What all libraries of a server share."""

    fetcher: Fetcher
    blobs: Blobs
    store_originals: bool


class Library:
    """The pictures of one application for one service."""

    def __init__(self, service: Service, items: Items, views: Views, tools: Tools) -> None:
        self.service = service
        self._items = items
        self._views = views
        self._contents = Contents(items, views)
        self._tools = tools

    def __len__(self) -> int:
        return len(self.view.indexes)

    @property
    def pack(self) -> str:
        """The id of the model pack that pictures are seen by."""
        return self._views.pack

    @property
    def view(self) -> View:
        """What it is seen by now; one that is kept goes on working while the library changes."""
        return self._views.now

    def add(self, source: bytes | Url, brief: str, classes: tuple[int, int]) -> ContSign:
        """Add a picture; on disk when this returns, and found by every later search.

        Raises:
            TusouError: ITEM_EXISTS, LIBRARY_FULL, or what is wrong with the picture.
        """
        picture = self._take(source)
        self._items.require_absent(picture.sign)
        new = self._contents.see(picture)
        blob = self._keep(picture)
        try:
            self._contents.add(new, brief, classes, blob)
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
        view = self.view
        features = view.pipeline.query(picture)
        span = Span(first, count, after, self.service.most_results)
        load = self._items.local_features
        ranked = view.pipeline.rank(features, view.indexes, span.depth, sieve, load)
        ranked = self._put_itself_first(picture.sign, ranked, sieve)
        subjects = features.subjects
        if region is not None and subjects is not None:
            subjects = [put_back(subject, region, whole) for subject in subjects]
        return self._page(ranked, span, subjects)

    def search_text(
        self, text: str, sieve: Sieve, first: int, count: int, *, after: int | None = None
    ) -> Page:
        """Find pictures by what is to be seen in them; `first`, `count`, `after` as in `search`.

        Raises:
            TusouError: INVALID_PARAM, the model pack has no text tower.
        """
        view = self.view
        reader = view.model.reader
        if reader is None:
            raise TusouError(
                Problem.INVALID_PARAM,
                f"param text: the model pack {view.model.pack} has no text tower",
            )
        vector, vectors = reader.read(text), view.indexes.vectors
        span = Span(first, count, after, self.service.most_results)
        keys, cosines = sieve.best(
            lambda most: vectors.search(vector, most, sieve.classes), span.depth + 1
        )
        return self._page(list(map(Ranked, keys, reader.score_all(cosines))), span)

    def compare(self, first: bytes | Url, second: bytes | Url) -> tuple[float, Match | None]:
        """The score that a search by the first picture would give the second, were it stored.

        And the match, where the service verifies matches and there is one.

        Raises:
            TusouError: what is wrong with a picture.
        """
        pipeline = self.view.pipeline
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
        pipeline = self.view.pipeline
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
        for row in self._contents.delete(self._signs(source)):
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
        self._contents.update(sign, brief, classes)

    def reclass(self, signs: Sequence[ContSign], classes: tuple[int | None, int | None]) -> None:
        """Give those of many pictures that are there other classes, where they are given."""
        self._contents.reclass(signs, classes)

    def move(
        self,
        model: Model,
        next_vectors: NextVectors,
        rest: Callable[[float], bool],
        switch: Callable[[], bool],
    ) -> bool:
        """Move to another model pack, whose rows are filled on the way; see `Views.move`."""
        move = Move(model, self.service, self._items, next_vectors, self._tools.blobs)
        return self._views.move(move, rest, switch)

    def rebuild(self, after: int = 0, tell: Tell = lambda *_: True) -> bool:
        """Make the index anew from SQL while searches and changes go on; see `Views.rebuild`."""
        return self._views.rebuild(after, tell)

    def catch_up(self, older: float) -> None:
        """Bring the index after changes that other servers left undone for `older` seconds."""
        self._views.catch_up(older)

    def close(self) -> None:
        """Stop the index's background work."""
        self._views.close()

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

    def _may_be_there(self, sign: ContSign) -> bool:
        """Whether a row may refer to the file; if it does not, the file is swept up later."""
        try:
            return self._items.find(sign) is not None
        except TusouError:
            return True

    def _page(
        self, ranked: Sequence[Ranked], span: Span, subjects: Sequence[Subject] | None = None
    ) -> Page:
        begin, end = span.within(ranked)
        has_more = len(ranked) > end < span.most
        return Page(self._hits(ranked[begin:end]), has_more, subjects, end)

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
            self._tools.blobs.put_all({name: picture.data, name + THUMBNAIL: small})
        return name

    def _discard(self, blob: str) -> None:
        if not blob:
            return
        for name in (blob, blob + THUMBNAIL):
            # What stays behind is swept up at the next start.
            with timed("blob"), suppress(OSError, TusouError):
                self._tools.blobs.delete(name)
