"""From a picture to features, and from features to ranked pictures: one pipeline a kind."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import NamedTuple, Protocol

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.library.indexes import Indexes
from tusou.library.sieve import Sieve
from tusou.stages import timed
from tusou.storage.items import LocalFeatures
from tusou.types import Features, Keypoints, Match, Picture, Rgb, Subject, Vector, Words
from tusou.vision import geometry, keypoints, sketch, words
from tusou.vision.embed import Embedder
from tusou.vision.subject import Finder

_WHOLE = 0.8
"""Share of a picture beyond which its subject's box is the picture itself."""
_CERTAIN = 0.9
"""A search for the best match goes on beside one of a lower score: a better one may come."""


class Ranked(NamedTuple):
    """A stored picture and how well it fits, 0–1."""

    key: int
    score: float


Load = Callable[[Sequence[int]], Mapping[int, LocalFeatures]]


class Pipeline(Protocol):
    """How a service sees pictures and ranks them."""

    by_words: bool
    """Its libraries have an index of visual words."""

    def features(self, picture: Picture) -> Features:
        """See a picture that is to be stored.

        Raises:
            TusouError: IMAGE_UNUSABLE, there is nothing to see.
        """
        ...

    def embed(self, picture: Picture) -> Vector:
        """See only what depends on the model pack: the vector that `features` has.

        Raises:
            TusouError: IMAGE_UNUSABLE, there is nothing to see.
        """
        ...

    def query(self, picture: Picture) -> Features:
        """See a picture that is asked about; likewise.

        Raises:
            TusouError: IMAGE_UNUSABLE, there is nothing to see.
        """
        ...

    def rank(
        self,
        query: Features,
        indexes: Indexes,
        limit: int,
        sieve: Sieve,
        load: Load,
    ) -> list[Ranked]:
        """The best `limit` stored pictures and one more, where there are so many, or some more.

        By falling score.
        """
        ...

    def candidates(self, query: Features, indexes: Indexes, most: int) -> list[int]:
        """Up to `most` stored pictures that may show the same, the likeliest first."""
        ...

    def compare(self, query: Features, other: Features) -> tuple[float, Match | None]:
        """The score that a search by `query` would give a stored picture with other features.

        And the match, where the pipeline verifies matches and there is one.
        """
        ...

    def explain(self, query: Features, stored: LocalFeatures | None) -> Match | None:
        """What the query has in common with a stored picture.

        Raises:
            TusouError: INVALID_PARAM, this pipeline sees pictures as a whole; ITEM_MISSING, the
                picture was deleted meanwhile.
        """
        ...


class EmbeddingPipeline:
    """Ranks every picture by the likeness of its embedding."""

    by_words = False

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def features(self, picture: Picture) -> Features:
        """Embed the whole picture."""
        return Features(self.embed(picture))

    def embed(self, picture: Picture) -> Vector:
        """Embed the whole picture."""
        return _embed(self._embedder, picture)

    def query(self, picture: Picture) -> Features:
        """Embed the whole picture."""
        return self.features(picture)

    def rank(
        self,
        query: Features,
        indexes: Indexes,
        limit: int,
        sieve: Sieve,
        load: Load,
    ) -> list[Ranked]:
        """Nearest vectors, their cosines calibrated to scores."""
        with timed("candidates"):
            keys, cosines = _nearest(query, indexes, limit + 1, sieve)
        scores = self._embedder.score_all(cosines)
        return list(map(Ranked, keys, scores))

    def compare(self, query: Features, other: Features) -> tuple[float, Match | None]:
        """The cosine of both vectors, calibrated."""
        return self._embedder.score(float(query.vector @ other.vector)), None

    def candidates(self, query: Features, indexes: Indexes, most: int) -> list[int]:
        """Nearest vectors."""
        return list(map(int, indexes.vectors.search(query.vector, most)[0]))

    def explain(self, query: Features, stored: LocalFeatures | None) -> Match | None:
        """Refuse: there is nothing to point at."""
        raise TusouError(
            Problem.INVALID_PARAM, "this service compares pictures as a whole, not point by point"
        )


class SubjectPipeline(EmbeddingPipeline):
    """Ranks by the likeness of the whole picture and of its main subject together.

    Args:
        embedder: Makes embeddings.
        finder: Finds subjects.
        most: More subjects than that are too many to tell which is meant; none is too few.
            None: every picture is taken, as a whole if need be.
    """

    def __init__(self, embedder: Embedder, finder: Finder, most: int | None = None) -> None:
        super().__init__(embedder)
        self._finder = finder
        self._most = most

    def embed(self, picture: Picture) -> Vector:
        """Embed the picture and its main subject: the mean of both directions."""
        return self.features(picture).vector

    def features(self, picture: Picture) -> Features:
        """Likewise, and say what subjects there are.

        Raises:
            TusouError: IMAGE_UNUSABLE, no subject, or too many.
        """
        whole = _embed(self._embedder, picture)
        subjects = self._finder.find(picture.rgb)
        if self._most is not None and not 0 < len(subjects) <= self._most:
            found = f"{len(subjects)} subjects" if subjects else "no subject"
            raise TusouError(
                Problem.IMAGE_UNUSABLE, f"there is {found} in the picture to search by"
            )
        return Features(self._with_subject(whole, picture.rgb, subjects), subjects=subjects)

    def _with_subject(self, whole: Vector, rgb: Rgb, subjects: Sequence[Subject]) -> Vector:
        height, width = rgb.shape[:2]
        if not subjects or _covers(subjects[0], width, height) > _WHOLE:
            return whole
        box = subjects[0]
        part = rgb[box.top : box.bottom, box.left : box.right]
        if _is_flat(part):
            return whole
        both = whole + self._embedder.embed(part)
        return np.asarray(both / np.linalg.norm(both), np.float32)


class LocalPipeline:
    """Returns only pictures that share verified geometry with the query.

    Candidates come by visual words and by embedding: each finds what the other misses
    (docs/same-image.md). They are verified best first, in all cores' threads, a portion at a time.

    Args:
        embedder: Makes embeddings.
        candidates: How many to verify for a search.
        seconds: How long.
        points: How many keypoints of a query to look at.
        even: What makes a match as likely as not, see `geometry.score`.
        side: Pixels of a query's longer side at which they are looked for.
    """

    by_words = True

    def __init__(
        self,
        embedder: Embedder,
        candidates: int,
        seconds: float,
        points: int,
        even: float,
        side: int = keypoints.SIDE,
    ) -> None:
        self._embedder = embedder
        self._points = points
        self._side = side
        self._even = even
        self._candidates = candidates
        self._seconds = seconds
        self._threads = os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(self._threads, "tusou-verify")

    def features(self, picture: Picture) -> Features:
        """Embed the picture, and take its keypoints, their words and a sketch."""
        return self._see(picture, keypoints.LIMIT, keypoints.SIDE)

    def embed(self, picture: Picture) -> Vector:
        """Embed the picture; keypoints are the same for every pack."""
        return _embed(self._embedder, picture)

    def query(self, picture: Picture) -> Features:
        """See it the same way, with as many keypoints, as fine, as a query may have."""
        return self._see(picture, self._points, self._side)

    def _see(self, picture: Picture, limit: int, side: int) -> Features:
        vector = self.embed(picture)
        with timed("keypoints"):
            points, drawn = keypoints.extract(picture.rgb, limit, side), sketch.draw(picture.rgb)
            if len(points) < geometry.LEAST and sketch.is_blank(drawn):
                raise TusouError(Problem.IMAGE_UNUSABLE, "the picture shows hardly anything")
            return Features(vector, points, words.assign(points.descriptors), drawn)

    def rank(
        self,
        query: Features,
        indexes: Indexes,
        limit: int,
        sieve: Sieve,
        load: Load,
    ) -> list[Ranked]:
        """Verify candidates; those that fail are not returned.

        It ends with a portion that brings nothing, once `limit` are found for certain or so many
        candidates were looked at as the settings say; or when the time for one search is used up.
        Many copies of one picture come in a row: as long as they keep coming, so does the search.
        """
        ranked, looked_at = list[Ranked](), 0
        with timed("candidates"):
            candidates = self._find(query, indexes, sieve, max(self._candidates, limit + 1))
        end = time.monotonic() + self._seconds
        for portion in _portions(candidates, 4 * self._threads):
            found = self._verified(query, load(portion))
            ranked += found
            looked_at += len(portion)
            certain = sum(row.score > _CERTAIN for row in ranked)
            enough = certain >= limit or looked_at >= self._candidates
            if (enough and not found) or time.monotonic() > end:
                break
        return sorted(ranked, key=lambda row: (-row.score, row.key))

    def candidates(self, query: Features, indexes: Indexes, most: int) -> list[int]:
        """By words and by embedding."""
        return self._find(query, indexes, Sieve(), most)

    def explain(self, query: Features, stored: LocalFeatures | None) -> Match | None:
        """The verified match; None where there is none."""
        if stored is None:
            raise TusouError(Problem.ITEM_MISSING, "it was deleted meanwhile")
        return self._match(query, [stored])[0]

    def close(self) -> None:
        """Stop the threads that verify."""
        self._executor.shutdown()

    def compare(self, query: Features, other: Features) -> tuple[float, Match | None]:
        """The verified match and its score; 0 where there is none."""
        drawn = None if other.sketch is None else sketch.pack(other.sketch)
        stored = LocalFeatures(keypoints.pack(_points(other)), drawn)
        match = self._match(query, [stored])[0]
        return (0.0 if match is None else match.score), match

    def _find(self, query: Features, indexes: Indexes, sieve: Sieve, most: int) -> list[int]:
        """Candidates, the likeliest first: by words, the mirror image's too, and by embedding."""
        by_word = indexes.words
        if by_word is None or query.words is None:
            raise TypeError("indexes or features of another pipeline")
        flipped = keypoints.mirrored(_points(query))

        def search(seen: Words) -> tuple[list[int], list[float]]:
            return sieve.best(lambda count: by_word.search(seen, count, sieve.classes), most)

        found = [
            pair
            for seen in (query.words, words.assign(flipped.descriptors))
            for pair in zip(*search(seen), strict=True)
        ]
        by_words = dict.fromkeys(key for key, _ in sorted(found, key=lambda pair: -pair[1]))
        near, _ = _nearest(query, indexes, most, sieve)
        return _in_turns(list(by_words), near)[:most]

    def _verified(self, query: Features, stored: Mapping[int, LocalFeatures]) -> list[Ranked]:
        with timed("verify"):
            matches = self._match(query, list(stored.values()))
        pairs = zip(stored, matches, strict=True)
        return [Ranked(key, match.score) for key, match in pairs if match is not None]

    def _match(self, query: Features, stored: Sequence[LocalFeatures]) -> list[Match | None]:
        """Compare by keypoints, and as a whole where keypoints fail."""
        points = [keypoints.unpack(each.keypoints) for each in stored]
        matches = geometry.verify_many(_points(query), points, self._executor, self._even)
        return [
            match or _match_whole(query, other, each.sketch)
            for match, other, each in zip(matches, points, stored, strict=True)
        ]


def _nearest(
    query: Features, indexes: Indexes, count: int, sieve: Sieve
) -> tuple[list[int], list[float]]:
    vectors = indexes.vectors
    return sieve.best(lambda most: vectors.search(query.vector, most, sieve.classes), count)


def _match_whole(query: Features, other: Keypoints, data: bytes | None) -> Match | None:
    points = _points(query)
    if query.sketch is None or data is None or not sketch.are_needed(points, other):
        return None
    return sketch.match(query.sketch, sketch.unpack(data), points.size, other.size)


def _in_turns(*lists: list[int]) -> list[int]:
    """Take one from each list in turn; none comes twice."""
    rounds = zip_longest(*lists)
    return list(dict.fromkeys(key for round_ in rounds for key in round_ if key is not None))


def _portions(keys: list[int], size: int) -> Iterator[list[int]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _points(features: Features) -> Keypoints:
    if features.keypoints is None:
        raise TypeError("features of another pipeline")
    return features.keypoints


def _covers(box: Subject, width: int, height: int) -> float:
    return (box.right - box.left) * (box.bottom - box.top) / (width * height)


def _embed(embedder: Embedder, picture: Picture) -> Vector:
    if _is_flat(picture.rgb):
        raise TusouError(Problem.IMAGE_UNUSABLE, "the picture is of one flat colour")
    return embedder.embed(picture.rgb)


def _is_flat(rgb: Rgb) -> bool:
    """One colour all over; the few first looks spare nearly every picture the whole one."""
    return not (rgb[::64, ::64] != rgb[0, 0]).any() and not (rgb != rgb[0, 0]).any()
