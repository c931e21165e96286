"""Indexes in Milvus, which several servers share: one collection a model pack, and one of words.

A library is a value of the partition key. Milvus shows what was written a moment later, so each
write gives a time, and a search that names it waits until all up to then is seen; strong
consistency by Milvus's own word would make every search wait for its next tick, 200 ms.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from grpc import RpcError
from pymilvus import DataType, MilvusClient, MilvusException

from tusou.errors import Problem, TusouError
from tusou.index.base import Range, Weights
from tusou.types import Classes, ClassFilter, ClassTerm, Keys, Vector, Vectors, Words

MOST_RESULTS = 16_384
"""What Milvus returns for one search at most."""
_SECONDS = 5.0
_PORTION = 1000  # rows of one message: a megabyte and a half of 384 floats
_GROUPS = 512  # of each segment
_PROBES = 256  # of them that a search looks into, at first (docs/scaling.md)
_FIELDS = ["id", "library", "class1", "class2", "vector"]
_COMPARED = 4000  # rows that are read at a time to compare them: 8 megabytes of 512 floats
_ROUNDING = 1e-3  # of a float16, or less: no two pictures are as near in all dimensions


Same = Callable[[Any, Any], bool]
"""Whether two vectors, as they are given to Milvus and as they come back, are the same."""


class Clock(Protocol):
    """The time of the last write to a library, as all servers know it."""

    def read(self) -> int:
        """The time; 0 where nothing was written."""
        ...

    def advance(self, time: int) -> None:
        """Let it be no earlier than this."""
        ...


class OwnClock:
    """The time of the last write of this process: enough where no other writes."""

    def __init__(self) -> None:
        self._time = 0

    def read(self) -> int:
        """The time."""
        return self._time

    def advance(self, time: int) -> None:
        """Let it be no earlier than this."""
        self._time = max(self._time, time)


class Milvus:
    """A connection to Milvus, and the collections that were looked at through it.

    Args:
        url: Such as http://milvus:19530, and a database behind it where it is not the default.
        token: USER:PASSWORD or a key; empty: none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        with translated():
            self._client: Any = MilvusClient(uri=url, token=token, timeout=_SECONDS)
        self._ready = set[str]()
        with translated():
            version = str(self._client.get_server_version())
        self.has_sparse = re.match(r"v?2\.[0-3]\.", version) is None
        """Milvus 2.4 and newer know sparse vectors."""

    def vectors(self, pack: str, dimension: int, library: int, clock: Clock) -> "MilvusVectors":
        """The vectors of a library by one model pack."""
        name = f"tusou_vectors_{re.sub('[^0-9a-zA-Z]', '_', pack)}_{dimension}"
        vector = {"datatype": DataType.FLOAT_VECTOR, "dim": dimension}
        # One byte a dimension; scores are of the decoded bytes.
        self._prepare(name, vector, {"index_type": "IVF_SQ8", "params": {"nlist": _GROUPS}})
        return MilvusVectors(self, name, dimension, library, clock)

    def words(self, vocabulary: int, library: int, clock: Clock) -> "MilvusWords":
        """The visual words of a library's pictures.

        Raises:
            TusouError: UNAVAILABLE, this Milvus has no sparse vectors.
        """
        name = "tusou_words"
        vector = {"datatype": DataType.SPARSE_FLOAT_VECTOR}
        self._prepare(name, vector, {"index_type": "SPARSE_INVERTED_INDEX", "params": {}})
        return MilvusWords(self, name, vocabulary, library, clock)

    def replace(self, name: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Write rows, in place of those of the same keys; returns the time of it."""
        with translated():
            for start in range(0, len(rows), _PORTION):
                portion = rows[start : start + _PORTION]
                # Not `upsert`: that of Milvus 2.3 deletes what it inserts where keys are
                # partitioned (19 of 20 rows were not found again).
                self._client.delete(name, ids=[row["id"] for row in portion], timeout=_SECONDS)
                self._client.insert(name, list(portion), timeout=_SECONDS)
        return self._time()

    def remove(self, name: str, keys: Sequence[int]) -> int:
        """Take rows out; returns the time of it."""
        with translated():
            for start in range(0, len(keys), _PORTION):
                portion = list(keys[start : start + _PORTION])
                self._client.delete(name, ids=portion, timeout=_SECONDS)
        return self._time()

    def remove_all(self, name: str, library: int) -> int:
        """Take all rows of a library out; returns the time of it."""
        with translated():
            self._client.delete(name, filter=f"library == {library}", timeout=_SECONDS)
        return self._time()

    def search(
        self, name: str, query: Any, limit: int, condition: str, since: int, **params: object
    ) -> list[tuple[int, float]]:
        """Keys and inner products of the best rows, as of a time or later."""
        with translated():
            (found,) = self._client.search(
                name,
                [query],
                limit=limit,
                filter=condition,
                anns_field="vector",
                search_params={"metric_type": "IP", "params": params},
                consistency_level="Customized",
                guarantee_timestamp=max(since, 1),
                timeout=_SECONDS,
            )
            return [(int(hit["id"]), float(hit["distance"])) for hit in found]

    def rows(self, name: str, keys: Sequence[int], since: int) -> list[dict[str, Any]]:
        """Whole rows of those keys that are there."""
        return self._query(name, _FIELDS, since, ids=list(keys))

    def between(self, name: str, library: int, within: Range) -> list[dict[str, Any]]:
        """Up to `_COMPARED` whole rows of a library in a range of keys, as they are now."""
        after, until = within
        condition = f"library == {library} and id > {after} and id <= {until}"
        return self._query(name, _FIELDS, self._time(), filter=condition, limit=_COMPARED)

    def count(self, name: str, library: int, since: int) -> int:
        """How many rows a library has."""
        (row,) = self._query(name, ["count(*)"], since, filter=f"library == {library}")
        return int(row["count(*)"])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _query(
        self, name: str, fields: list[str], since: int, **which: object
    ) -> list[dict[str, Any]]:
        with translated():
            found: list[dict[str, Any]] = self._client.query(
                name,
                output_fields=fields,
                consistency_level="Customized",
                guarantee_timestamp=max(since, 1),
                timeout=_SECONDS,
                **which,
            )
            return found

    def _time(self) -> int:
        """A time by Milvus's clock, after all that was written before; Milvus Lite needs none.

        The answers to writes have one, too, but not those to deletes.
        """
        with translated():
            return int(self._client._get_connection().alloc_timestamp(timeout=_SECONDS))

    def _prepare(self, name: str, vector: Mapping[str, Any], index: Mapping[str, Any]) -> None:
        """Make and load a collection that is not there; two servers may do it at once."""
        if name in self._ready:
            return
        with translated():
            if not self._client.has_collection(name):
                schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
                schema.add_field("id", DataType.INT64, is_primary=True)
                schema.add_field("library", DataType.INT64, is_partition_key=True)
                schema.add_field("class1", DataType.INT32)
                schema.add_field("class2", DataType.INT32)
                schema.add_field("vector", **vector)
                self._client.create_collection(name, schema=schema)
            if not self._client.list_indexes(name):
                indexes = self._client.prepare_index_params()
                indexes.add_index("vector", metric_type="IP", **index)
                self._client.create_index(name, indexes)
            self._client.load_collection(name)
        self._ready.add(name)


class _MilvusIndex:
    """What vectors and words have in common: rows of one library in one collection."""

    def __init__(self, milvus: Milvus, name: str, library: int, clock: Clock) -> None:
        self._milvus = milvus
        self._name = name
        self._library = library
        self._clock = clock

    def __len__(self) -> int:
        return self._milvus.count(self._name, self._library, self._clock.read())

    def remove(self, keys: Keys) -> None:
        """Take rows out; see `VectorIndex.remove`."""
        self._clock.advance(self._milvus.remove(self._name, keys.tolist()))

    def clear(self) -> None:
        """Take all rows of the library out."""
        self._clock.advance(self._milvus.remove_all(self._name, self._library))

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give rows new classes; see `VectorIndex.reclass`."""
        if classes.shape != (len(keys), 2):
            raise ValueError(f"{len(keys)} rows of two classes, not {classes.shape}")
        rows = self._milvus.rows(self._name, keys.tolist(), self._clock.read())
        new = dict(zip(keys.tolist(), classes.tolist(), strict=True))
        for row in rows:
            row["class1"], row["class2"] = new[row["id"]]
        self._replace(rows)

    def close(self) -> None:
        """Nothing runs here."""

    def _add(self, keys: Keys, vectors: Sequence[object], classes: Classes) -> None:
        self._replace(self._rows(keys, vectors, classes))

    def _rows(
        self, keys: Keys, vectors: Sequence[object], classes: Classes
    ) -> list[dict[str, Any]]:
        if classes.shape != (len(keys), 2):
            raise ValueError(f"{len(keys)} rows of two classes, not {classes.shape}")
        columns = zip(keys.tolist(), vectors, classes.tolist(), strict=True)
        return [
            {
                "id": key,
                "library": self._library,
                "class1": first,
                "class2": second,
                "vector": vector,
            }
            for key, vector, (first, second) in columns
        ]

    def _differing(self, rows: Sequence[dict[str, Any]], within: Range, same: Same) -> list[int]:
        wanted = {row["id"]: row for row in rows}
        found = self._milvus.between(self._name, self._library, within)
        there = {row["id"]: row for row in found}
        return [
            key
            for key in sorted(wanted.keys() | there.keys())
            if key not in wanted
            or key not in there
            or any(wanted[key][name] != there[key][name] for name in ("class1", "class2"))
            or not same(wanted[key]["vector"], there[key]["vector"])
        ]

    def _replace(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._clock.advance(self._milvus.replace(self._name, rows))

    def _find(
        self, query: object, limit: int, classes: ClassFilter | None, **params: object
    ) -> list[tuple[int, float]]:
        limit = min(limit, MOST_RESULTS)
        if limit <= 0:
            return []
        condition = f"library == {self._library}"
        if classes is not None:
            condition += f" and ({_condition(classes)})"
        since = self._clock.read()
        return self._milvus.search(self._name, query, limit, condition, since, **params)


class MilvusVectors(_MilvusIndex):
    """The `VectorIndex` of a cluster; a key that is added again replaces its row."""

    def __init__(
        self, milvus: Milvus, name: str, dimension: int, library: int, clock: Clock
    ) -> None:
        super().__init__(milvus, name, library, clock)
        self._dimension = dimension

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        """Add rows; see `VectorIndex.add`."""
        self._add(keys, self._dense(keys, vectors), classes)

    def differing(self, keys: Keys, vectors: Vectors, classes: Classes, within: Range) -> list[int]:
        """Keys whose rows are not these; see `SharedVectorIndex.differing`."""
        rows = self._rows(keys, self._dense(keys, vectors), classes)
        return self._differing(rows, within, _same_dense)

    def search(
        self, vector: Vector, limit: int, classes: ClassFilter | None = None
    ) -> tuple[Keys, Vector]:
        """Find the nearest rows; see `VectorIndex.search`."""
        if vector.shape != (self._dimension,):
            raise ValueError(f"a vector of {self._dimension}, not {vector.shape}")
        query = vector.astype(np.float32)
        found = self._find(query, limit, classes, nprobe=_PROBES)
        if len(found) < min(limit, MOST_RESULTS):
            # The groups looked into had too few that pass; look into all.
            found = self._find(query, limit, classes, nprobe=_GROUPS)
        keys, scores = _columns(found)
        return keys, np.clip(scores, -1.0, 1.0)

    def _dense(self, keys: Keys, vectors: Vectors) -> list[Vector]:
        if vectors.shape != (len(keys), self._dimension):
            raise ValueError(f"{len(keys)} vectors of {self._dimension}, not {vectors.shape}")
        return list(vectors.astype(np.float32))


class MilvusWords(_MilvusIndex):
    """The `WordIndex` of a cluster: a picture is a sparse vector, a word a dimension of it.

    Signatures are left out, for an inner product cannot compare them, and so are the weights of
    rare words, for no server knows how often each word is there; docs/scaling.md has what that
    costs. A key that is added again replaces its row.
    """

    def __init__(
        self, milvus: Milvus, name: str, vocabulary: int, library: int, clock: Clock
    ) -> None:
        super().__init__(milvus, name, library, clock)
        self._vocabulary = vocabulary

    def add(self, keys: Keys, words: Sequence[Words], classes: Classes) -> None:
        """Add pictures; see `WordIndex.add`."""
        self._add(keys, self._bags(keys, words), classes)

    def differing(
        self, keys: Keys, words: Sequence[Words], classes: Classes, within: Range
    ) -> list[int]:
        """Keys whose pictures are not these; see `SharedWordIndex.differing`."""
        rows = self._rows(keys, self._bags(keys, words), classes)
        return self._differing(rows, within, _same_sparse)

    def search(
        self, words: Words, limit: int, classes: ClassFilter | None = None
    ) -> tuple[Keys, Weights]:
        """Find the pictures most like a query; see `WordIndex.search`."""
        query = self._sparse(words)
        if not words.numbers.size:
            return _columns([])
        found = self._find(query, limit, classes, drop_ratio_search=0.0)
        return _columns([(key, score) for key, score in found if score > 0])

    def _bags(self, keys: Keys, words: Sequence[Words]) -> list[dict[int, float]]:
        if len(words) != len(keys):
            raise ValueError(f"words of {len(keys)} pictures, not of {len(words)}")
        return [self._sparse(bag) for bag in words]

    def _sparse(self, words: Words) -> dict[int, float]:
        """The picture's weights.

        Where it has no word, one that no other picture has: Milvus takes no empty vector.
        """
        numbers, signatures = words
        if numbers.ndim != 1 or numbers.shape != signatures.shape:
            raise ValueError(f"two rows, not {numbers.shape} and {signatures.shape}")
        if numbers.size and numbers.max() >= self._vocabulary:
            raise ValueError(f"words below {self._vocabulary}, not {numbers.max()}")
        if not numbers.size:
            return {self._vocabulary: 1.0}
        return weigh(words)


def weigh(words: Words) -> dict[int, float]:
    """The roots of how often each word is there, to length 1."""
    found, counts = np.unique(words.numbers, return_counts=True)
    weights = np.sqrt(counts / len(words.numbers))
    return dict(zip(found.tolist(), weights.tolist(), strict=True))


def _same_dense(one: Vector, other: Sequence[float]) -> bool:
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=0, atol=_ROUNDING))


def _same_sparse(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    return one.keys() == other.keys() and all(
        abs(weight - other[number]) <= _ROUNDING for number, weight in one.items()
    )


@contextmanager
def translated() -> Iterator[None]:
    """What Milvus says when it does not answer, as clients are told."""
    try:
        yield
    except (MilvusException, RpcError) as error:  # the latter when its time is up
        raise TusouError(Problem.UNAVAILABLE, "the index did not answer") from error


def _condition(classes: ClassFilter) -> str:
    """The filter in Milvus's words."""
    joint = " and " if classes.match == "all" else " or "
    return joint.join(map(_term, classes.terms))


def _term(term: ClassTerm) -> str:
    names = ("class1", "class2") if term.dimension is None else (f"class{term.dimension + 1}",)
    return "(" + " or ".join(f"{name} == {int(term.value)}" for name in names) + ")"


def _columns(found: Sequence[tuple[int, float]]) -> tuple[Keys, Vector]:
    keys = np.array([key for key, _ in found], np.int64)
    return keys, np.array([score for _, score in found], np.float32)
