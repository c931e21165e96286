"""From a picture to features, and from features to ranked pictures: one pipeline a kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from tusou.errors import Problem, TusouError
from tusou.index.base import VectorIndex
from tusou.types import ClassFilter, Features, Keypoints, Picture, Vector
from tusou.vision import geometry, keypoints
from tusou.vision.embed import Embedder


class Ranked(NamedTuple):
    """A stored picture and how well it fits, 0–1."""

    key: int
    score: float


LoadKeypoints = Callable[[Sequence[int]], Mapping[int, bytes]]


class Pipeline(Protocol):
    """How a service sees pictures and ranks them."""

    def features(self, picture: Picture) -> Features:
        """See a picture.

        Raises:
            TusouError: IMAGE_UNUSABLE, there is nothing to see.
        """
        ...

    def rank(
        self,
        query: Features,
        index: VectorIndex,
        limit: int,
        classes: ClassFilter | None,
        load: LoadKeypoints,
    ) -> list[Ranked]:
        """The best `limit` stored pictures, by falling score."""
        ...


class EmbeddingPipeline:
    """Ranks every picture by the likeness of its embedding."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def features(self, picture: Picture) -> Features:
        """Embed the whole picture."""
        return Features(_embed(self._embedder, picture))

    def rank(
        self,
        query: Features,
        index: VectorIndex,
        limit: int,
        classes: ClassFilter | None,
        load: LoadKeypoints,
    ) -> list[Ranked]:
        """Nearest vectors, their cosines calibrated to scores."""
        keys, cosines = index.search(query.vector, limit, classes)
        scores = map(self._embedder.score, cosines.tolist())
        return [Ranked(key, score) for key, score in zip(keys.tolist(), scores, strict=True)]


class LocalPipeline:
    """Returns only pictures that share verified geometry with the query."""

    def __init__(self, embedder: Embedder, candidates: int) -> None:
        self._embedder = embedder
        self._candidates = candidates

    def features(self, picture: Picture) -> Features:
        """Embed the picture, and take its keypoints."""
        return Features(_embed(self._embedder, picture), keypoints.extract(picture.rgb))

    def rank(
        self,
        query: Features,
        index: VectorIndex,
        limit: int,
        classes: ClassFilter | None,
        load: LoadKeypoints,
    ) -> list[Ranked]:
        """Verify the nearest pictures by embedding; those that fail are not returned."""
        keys, _ = index.search(query.vector, self._candidates, classes)
        stored = load(keys.tolist())
        order = [key for key in keys.tolist() if key in stored]
        points = [keypoints.unpack(stored[key]) for key in order]
        matches = geometry.verify_many(_points(query), points)
        ranked = [
            Ranked(key, match.score)
            for key, match in zip(order, matches, strict=True)
            if match is not None
        ]
        return sorted(ranked, key=lambda row: (-row.score, row.key))[:limit]


def _points(features: Features) -> Keypoints:
    if features.keypoints is None:
        raise TypeError("features of another pipeline")
    return features.keypoints


def _embed(embedder: Embedder, picture: Picture) -> Vector:
    if not (picture.rgb != picture.rgb[0, 0]).any():
        raise TusouError(Problem.IMAGE_UNUSABLE, "the picture is of one flat colour")
    return embedder.embed(picture.rgb)
