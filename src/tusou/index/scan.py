"""Vectors as one byte a component, and how FAISS scans them; the only user of FAISS.

A vector is turned by a fixed random rotation, after which any unit vector's components look like
draws of variance 1/D whatever the encoder, so that one scale serves them all. A turned, scaled
and rounded vector is called a point: [D] whole numbers within ±127.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, Self

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from tusou.index.kmeans import nearest
from tusou.index.rows import Mask, Slots
from tusou.types import Vector, Vectors

# The package's stubs know neither what its Python wrappers add nor the `_c` methods below them.
faiss: Any = _faiss

Points = NDArray[np.float32]
"""[N × D] points; as floats, which is how FAISS takes them."""
Groups = NDArray[np.int64]
"""[N] numbers of the groups of a `Grouped`."""

_LARGEST = 127
_CLIP_SIGMAS = 4.0
_SEED = 20240229
_CODE = faiss.ScalarQuantizer.QT_8bit_direct_signed


class Found(NamedTuple):
    """What a scan found, in no order."""

    scores: Vector
    """[K] inner products of points."""
    slots: Slots
    """[K]"""

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Put finds of different rows together."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def best(self, limit: int) -> Self:
        """Keep the `limit` highest scores, in no order."""
        if len(self.slots) <= limit:
            return self
        kept = np.argpartition(self.scores, -limit)[-limit:]
        return type(self)(self.scores[kept], self.slots[kept])

    def falling(self) -> Self:
        """Sort by falling score."""
        order = np.argsort(-self.scores, kind="stable")
        return type(self)(self.scores[order], self.slots[order])


NOTHING = Found(np.empty(0, np.float32), np.empty(0, np.int64))


class Block(NamedTuple):
    """Rows read back."""

    points: Points
    slots: Slots


class Codec:
    """Turns unit vectors into points."""

    def __init__(self, dimension: int) -> None:
        self._rotation = _rotation(dimension)
        # Below 16 dimensions a component of 1 lies within the clip.
        self._scale = np.float32(_LARGEST * max(1.0, dimension**0.5 / _CLIP_SIGMAS))

    def points(self, vectors: Vectors) -> Points:
        """Turn vectors [N × D] into points [N × D]."""
        points = vectors.astype(np.float32, copy=False) @ self._rotation
        points *= self._scale
        np.rint(points, out=points)
        return np.clip(points, -_LARGEST, _LARGEST, out=points)

    def query(self, vector: Vector) -> tuple[Points, float]:
        """Turn a vector [D] into [1 × D] and the factor from inner products with points to scores.

        FAISS compares whole numbers and would cut off a query's fractions; so the query has a
        scale of its own, which spends all of the byte.
        """
        turned = vector.astype(np.float32, copy=False)[None] @ self._rotation
        scale = _LARGEST / max(float(np.abs(turned).max()), 1e-6)
        return np.rint(turned * scale, dtype=np.float32), 1 / (scale * float(self._scale))


class Chunk:
    """Rows in the order they came, scanned one by one."""

    def __init__(self, points: Points, slots: Slots) -> None:
        self._codes = faiss.IndexScalarQuantizer(points.shape[1], _CODE, faiss.METRIC_INNER_PRODUCT)
        self._codes.is_trained = True  # this code has nothing to learn
        self._codes.add(points)
        self.slots = slots
        """[N]; the owner may set them later, before the first scan."""

    def __len__(self) -> int:
        return int(self._codes.ntotal)

    def append(self, points: Points, slots: Slots) -> None:
        """Add rows [N × D] with their slots [N]; not beside a `scan`."""
        self._codes.add(points)
        self.slots = np.concatenate([self.slots, slots])

    def scan(self, query: Points, limit: int, passing: Mask | None) -> Found:
        """Find the `limit` best rows for `query` [1 × D] among those that pass (None: all)."""
        options, mine = None, None if passing is None else passing[self.slots]
        if mine is not None and not mine.all():
            options = faiss.SearchParameters(sel=_selector(mine))
        if not self or (mine is not None and not mine.any()):
            return NOTHING
        _one_thread()
        scores, places = self._codes.search(query, min(limit, len(self)), params=options)
        kept = places[0] >= 0
        return Found(scores[0, kept], self.slots[places[0, kept]])

    def blocks(self) -> Iterator[Block]:
        """Give the rows back in one block."""
        yield Block(self._codes.reconstruct_n(0, len(self)), self.slots)


class Grouped:
    """Rows grouped by their nearest centroid, so that a search can scan the nearest groups only.

    `assign`, `order`, `scan` and `blocks` may run beside each other; `reserve`, `add` and `drop`
    run alone.
    """

    def __init__(self, centroids: Vectors) -> None:
        count, dimension = centroids.shape
        self._centroids = centroids
        # FAISS need not know the centroids: each call below names the groups.
        self._codes = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension), dimension, count, _CODE, faiss.METRIC_INNER_PRODUCT, False
        )
        self._codes.is_trained = True

    def __len__(self) -> int:
        return int(self._codes.ntotal)

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self._centroids)

    def assign(self, points: Points) -> Groups:
        """Choose the group of each of `points` [N × D]: [N]."""
        return nearest(points, self._centroids)

    def reserve(self, groups: Groups) -> None:
        """Take the memory that rows of these groups [N] need, and no more."""
        for group, size in enumerate(np.bincount(groups).tolist()):
            self._codes.invlists.resize(group, size)
            self._codes.invlists.resize(group, 0)

    def add(self, points: Points, slots: Slots, groups: Groups) -> None:
        """Add rows [N × D] to the groups that `assign` chose."""
        slots, groups = np.ascontiguousarray(slots), np.ascontiguousarray(groups)
        self._codes.add_core(
            len(points), *(faiss.swig_ptr(array) for array in (points, slots, groups))
        )

    def drop(self, slots: Mask) -> None:
        """Take the rows at the slots marked out of their groups."""
        self._codes.remove_ids(_selector(slots))

    def order(self, query: Points) -> Groups:
        """List all groups, the nearest to `query` [1 × D] first."""
        return np.argsort(-(self._centroids @ query[0]))

    def scan(self, query: Points, limit: int, passing: Mask | None, groups: Groups) -> Found:
        """Find the `limit` best rows for `query` [1 × D] among those of `groups` that pass."""
        scores, slots = np.empty(limit, np.float32), np.empty(limit, np.int64)
        options = faiss.SearchParametersIVF(
            nprobe=len(groups), sel=None if passing is None else _selector(passing)
        )
        _one_thread()
        arrays = (query, groups, np.zeros(len(groups), np.float32), scores, slots)
        query_, groups_, nearness_, scores_, slots_ = map(faiss.swig_ptr, arrays)
        self._codes.search_preassigned_c(
            1, query_, limit, groups_, nearness_, scores_, slots_, False, options
        )
        kept = slots >= 0
        return Found(scores[kept], slots[kept])

    def blocks(self) -> Iterator[Block]:
        """Give the rows back, a group in each block."""
        lists, dimension = self._codes.invlists, self._codes.d
        for group in range(self.groups):
            if size := lists.list_size(group):
                codes = faiss.rev_swig_ptr(lists.get_codes(group), size * dimension)
                slots = faiss.rev_swig_ptr(lists.get_ids(group), size)
                points = codes.reshape(size, dimension).astype(np.float32) - (_LARGEST + 1)
                yield Block(points, slots.copy())


@cache
def _rotation(dimension: int) -> NDArray[np.float32]:
    """Draw the rotation [D × D]; kept, because a server has many indexes of few dimensions."""
    noise = np.random.default_rng(_SEED).standard_normal((dimension, dimension))
    return np.linalg.qr(noise).Q.astype(np.float32)


def _selector(passing: Mask) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(passing, bitorder="little"))


def _one_thread() -> None:
    """Let FAISS serve the calling thread's next call without a team of its own.

    One query is too little work to share, and every Python thread that called would keep a team.
    The setting is the calling thread's.
    """
    faiss.omp_set_num_threads(1)
