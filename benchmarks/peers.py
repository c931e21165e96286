"""Libraries of vector indexes, one way to ask them all; a part of `index_peers`.

Graphs have 16 edges a node and were built among 128 candidates; lists of groups are as many as
ours, three times the root of the rows. Of two forms of an index the one of a byte a component is
taken where that is accurate enough, for so is ours.

A library that knows no classes gets the mask that ours makes of them, made anew for each search.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import faiss as _faiss
import numpy as np

from tusou.index.embedded import EmbeddedIndex
from tusou.types import Classes, ClassFilter, Keys, Vector, Vectors

faiss: Any = _faiss

EDGES = 16
CANDIDATES = 128
ONLY: tuple[int, ...] = (0,)
"""There is nothing to choose."""
TO_EXPLORE: tuple[int, ...] = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Candidates that a search of a graph keeps."""
TO_PROBE: tuple[int, ...] = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Groups that a search scans."""


class Peer(Protocol):
    """An index under test; keys are the rows' numbers from 0."""

    form: str
    """What it is, for the table."""
    efforts: tuple[int, ...]
    """What a search may spend, rising; the unit is the index's own."""
    explores: bool
    """The effort is the candidates that it keeps: no fewer than the results."""
    effort: int
    """What the next search spends."""
    others: Sequence[int]
    """Processes besides this one that work for it."""

    def train(self, sample: Vectors) -> None:
        """Learn from rows [N × D] that come later."""
        ...

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        """Add rows, as `VectorIndex.add`."""
        ...

    def settle(self) -> None:
        """Wait until searches are as fast as they will be."""
        ...

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        """Find the nearest rows that pass."""
        ...

    def remove(self, key: int) -> None:
        """Take a row out."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class Plain:
    """A peer that has nothing to learn, to wait for or to leave behind."""

    form: str = ""
    efforts: tuple[int, ...] = ONLY
    explores: bool = False
    effort: int = 0
    others: Sequence[int] = ()

    def train(self, sample: Vectors) -> None:
        """Nothing to learn."""

    def settle(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is left."""


class Tusou(Plain):
    """Ours, as the server has it."""

    form = "int8, scanned by groups until nothing new comes"

    def __init__(self, dimension: int, capacity: int) -> None:
        self._index = EmbeddedIndex(dimension)

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        self._index.add(keys, vectors, classes)

    def settle(self) -> None:
        self._index.settle()

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        return self._index.search(vector, limit, classes)[0]

    def remove(self, key: int) -> None:
        self._index.remove(np.array([key]))

    def close(self) -> None:
        self._index.close()


class _Unclassed(Plain):
    """One that knows no classes: they are kept beside it."""

    def __init__(self, capacity: int) -> None:
        # By columns, as ours has them: masks are made several times faster.
        self._classes = np.zeros((2, capacity), np.uint16)

    def _keep(self, keys: Keys, classes: Classes) -> None:
        self._classes[:, keys] = classes.T

    def _passing(self, classes: ClassFilter) -> Any:
        return classes.mask(self._classes.T)


class _Faiss(_Unclassed):
    """An index of FAISS, which takes a mask as bits."""

    def __init__(self, index: Any, capacity: int) -> None:
        super().__init__(capacity)
        self._index = index

    def train(self, sample: Vectors) -> None:
        self._index.train(sample)

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        self._index.add_with_ids(vectors, keys)
        self._keep(keys, classes)

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        selector = None
        if classes is not None:
            bits = np.packbits(self._passing(classes), bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        options = self._options(selector)
        _, (keys,) = self._index.search(vector[None], limit, params=options)
        return np.asarray(keys[keys >= 0], np.int64)

    def remove(self, key: int) -> None:
        self._index.remove_ids(np.array([key]))

    def _options(self, selector: Any) -> Any:
        return faiss.SearchParameters(sel=selector)


class Flat(_Faiss):
    """All rows, scanned whole in float32: nothing is simpler, or more exact."""

    form = "float32, scanned whole"

    def __init__(self, dimension: int, capacity: int) -> None:
        super().__init__(faiss.IndexIDMap(faiss.IndexFlatIP(dimension)), capacity)


class FaissGroups(_Faiss):
    """Groups of FAISS, a fixed number scanned."""

    form = "int8, IndexIVFScalarQuantizer"
    efforts = TO_PROBE

    def __init__(self, dimension: int, capacity: int) -> None:
        self._coarse = faiss.IndexFlatIP(dimension)
        groups = max(1, round(3 * capacity**0.5))
        code, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexIVFScalarQuantizer(self._coarse, dimension, groups, code, metric)
        super().__init__(index, capacity)

    def _options(self, selector: Any) -> Any:
        return faiss.SearchParametersIVF(nprobe=self.effort, sel=selector)


class FaissGraph(_Faiss):
    """A graph of FAISS over bytes; it cannot forget a row."""

    form = "int8, IndexHNSWSQ"
    efforts = TO_EXPLORE
    explores = True

    def __init__(self, dimension: int, capacity: int) -> None:
        code, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexHNSWSQ(dimension, code, EDGES, metric)
        index.hnsw.efConstruction = CANDIDATES
        super().__init__(index, capacity)

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        self._index.add(vectors)  # the keys are the numbers that it gives by itself
        self._keep(keys, classes)

    def remove(self, key: int) -> None:
        raise NotImplementedError

    def _options(self, selector: Any) -> Any:
        return faiss.SearchParametersHNSW(efSearch=self.effort, sel=selector)


class Hnswlib(_Unclassed):
    """The graph by its authors; a filter is a function of Python, called for each row met."""

    form = "float32, graph"
    efforts = TO_EXPLORE
    explores = True

    def __init__(self, dimension: int, capacity: int) -> None:
        import hnswlib

        super().__init__(capacity)
        self._index: Any = hnswlib.Index("ip", dimension)
        self._index.init_index(capacity, M=EDGES, ef_construction=CANDIDATES)

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        self._index.add_items(vectors, keys)
        self._keep(keys, classes)

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        passes = None
        if classes is not None:
            passing = self._passing(classes)
            limit = min(limit, int(np.count_nonzero(passing)))
            passes = passing.tobytes().__getitem__
        effort = self.effort
        while True:
            self._index.set_ef(effort)
            try:
                (keys,), _ = self._index.knn_query(vector, limit, num_threads=1, filter=passes)
            except RuntimeError:  # it came upon fewer than asked for
                effort *= 2
            else:
                return np.asarray(keys, np.int64)

    def remove(self, key: int) -> None:
        self._index.mark_deleted(key)


class Usearch(_Unclassed):
    """A graph that from Python takes no filter: more is asked for until enough of it passes."""

    form = "bfloat16, graph"
    efforts = TO_EXPLORE
    explores = True

    def __init__(self, dimension: int, capacity: int) -> None:
        from usearch.index import Index

        super().__init__(capacity)
        self._index: Any = Index(
            ndim=dimension,
            metric="ip",
            dtype="bf16",
            connectivity=EDGES,
            expansion_add=CANDIDATES,
        )

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        self._index.add(keys, vectors)
        self._keep(keys, classes)

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        if classes is None:
            return self._nearest(vector, limit)
        passing = self._passing(classes)
        count = len(self._index)
        asked = min(count, round(1.2 * limit / max(passing.mean(), 1e-6)))
        while True:
            keys = self._nearest(vector, asked)
            keys = keys[passing[keys]][:limit]
            if len(keys) == limit or asked >= count:
                return np.asarray(keys)
            asked = min(count, 2 * asked)

    def remove(self, key: int) -> None:
        self._index.remove(key)

    def _nearest(self, vector: Vector, limit: int) -> Keys:
        self._index.expansion_search = max(self.effort, limit)
        return np.asarray(self._index.search(vector, limit, threads=1).keys, np.int64)
