"""Vector databases, in this process or a server, asked as `peers` are; a part of `index_peers`."""

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Any

import numpy as np

from peers import CANDIDATES, EDGES, TO_EXPLORE, TO_PROBE, Plain
from processes import busy, started
from support.milvus import milvus
from tusou.types import Classes, ClassFilter, Keys, Vector, Vectors


class Qdrant(Plain):
    """Qdrant in this process: a graph over bytes in memory, the floats in a mapped file."""

    form = "int8 graph, half as many again by float32"
    efforts = TO_EXPLORE
    explores = True

    def __init__(self, dimension: int, capacity: int) -> None:
        import qdrant_edge

        self._q: Any = qdrant_edge
        self._folder = tempfile.TemporaryDirectory()
        config = self._q.EdgeConfig(
            vectors=self._q.EdgeVectorParams(size=dimension, distance=self._q.Distance.Dot),
            hnsw_config=self._q.HnswIndexConfig(
                m=EDGES, ef_construct=CANDIDATES, full_scan_threshold=10_000
            ),
            quantization_config=self._q.ScalarQuantizationConfig(
                type=self._q.ScalarType.Int8, quantile=0.99, memory=self._q.Memory.Pinned
            ),
            optimizers=self._q.EdgeOptimizersConfig(
                default_segment_number=1, max_segment_size=10_000_000
            ),
            max_search_threads=1,
        )
        self._shard = self._q.EdgeShard.create(self._folder.name, config)
        for field in ("class1", "class2"):
            kind = self._q.PayloadSchemaType.Integer
            self._shard.update(self._q.UpdateOperation.create_field_index(field, kind))

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        columns = zip(keys.tolist(), vectors.tolist(), classes.tolist(), strict=True)
        points = [
            self._q.Point(key, vector, {"class1": first, "class2": second})
            for key, vector, (first, second) in columns
        ]
        self._shard.update(self._q.UpdateOperation.upsert_points(points))

    def settle(self) -> None:
        self._shard.optimize()

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        request = self._q.SearchRequest(
            query=self._q.Query.Nearest(vector.tolist()),
            limit=limit,
            filter=None if classes is None else self._filter(classes),
            params=self._q.SearchParams(
                hnsw_ef=self.effort,
                quantization=self._q.QuantizationSearchParams(rescore=True, oversampling=1.5),
            ),
        )
        return np.array([point.id for point in self._shard.search(request)], np.int64)

    def remove(self, key: int) -> None:
        self._shard.update(self._q.UpdateOperation.delete_points([key]))

    def close(self) -> None:
        self._shard.close()
        self._folder.cleanup()

    def _filter(self, classes: ClassFilter) -> Any:
        return self._q.Filter(
            should=[
                self._q.FieldCondition(field, match=self._q.MatchValue(value))
                for field, value in _terms(classes)
            ]
        )


class MilvusLite(Plain):
    """Milvus Lite in this process: FAISS's groups in each segment of 100,000 rows at most."""

    form = "int8, IVF_SQ8 in segments"
    efforts = TO_PROBE

    def __init__(self, dimension: int, capacity: int) -> None:
        import milvus_lite

        self._folder = tempfile.TemporaryDirectory()
        self._database: Any = milvus_lite.MilvusLite(self._folder.name)
        kinds = milvus_lite.DataType
        fields = [
            milvus_lite.FieldSchema("key", kinds.INT64, is_primary=True),
            milvus_lite.FieldSchema("class1", kinds.INT32),
            milvus_lite.FieldSchema("class2", kinds.INT32),
            milvus_lite.FieldSchema("vector", kinds.FLOAT_VECTOR, dim=dimension),
        ]
        schema = milvus_lite.CollectionSchema(fields)
        self._rows = self._database.create_collection("rows", schema)
        groups = max(1, round(3 * min(capacity, 100_000) ** 0.5))
        index = {"index_type": "IVF_SQ8", "metric_type": "IP", "params": {"nlist": groups}}
        self._rows.create_index("vector", index)
        self._rows.load()

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        columns = zip(keys.tolist(), vectors.tolist(), classes.tolist(), strict=True)
        self._rows.insert(
            [
                {"key": key, "class1": first, "class2": second, "vector": vector}
                for key, vector, (first, second) in columns
            ]
        )

    def settle(self) -> None:
        self._rows.flush()
        self._rows.release()  # waits for what it does in the background
        self._rows.load()

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        (found,) = self._rows.search(
            [vector.tolist()],
            limit,
            "IP",
            expr=_expression(classes),
            output_fields=[],
            search_params={"nprobe": self.effort},
        )
        return np.array([row["id"] for row in found], np.int64)

    def remove(self, key: int) -> None:
        self._rows.delete([key])

    def close(self) -> None:
        self._database.close()
        self._folder.cleanup()


class _MilvusServer(Plain):
    """Milvus in processes of its own, asked over loopback.

    Rows are written first, then indexed, then loaded. Each search sees all that was written before:
    it names the time of the last write (see `tusou.index.milvus`).
    """

    def __init__(self, dimension: int, index: Mapping[str, Any], effort: str) -> None:
        self._stack = ExitStack()
        address = self._stack.enter_context(milvus())
        from pymilvus import DataType, MilvusClient

        self._client: Any = self._stack.enter_context(closing(MilvusClient(address)))
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("class1", DataType.INT32)
        schema.add_field("class2", DataType.INT32)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        self._client.create_collection("rows", schema=schema)
        self._index = self._client.prepare_index_params("vector", metric_type="IP", **index)
        self._effort = effort
        self._written = 0
        self.others = started()

    def add(self, keys: Keys, vectors: Vectors, classes: Classes) -> None:
        columns = zip(keys.tolist(), vectors, classes.tolist(), strict=True)
        rows = [
            {"id": key, "class1": first, "class2": second, "vector": vector}
            for key, vector, (first, second) in columns
        ]
        self._client.insert("rows", rows)
        self._note_time()

    def settle(self) -> None:
        self._client.flush("rows")
        self._client.create_index("rows", self._index)
        self._client.compact("rows")  # as it does by itself later, in the midst of searches
        self._wait_until_idle()
        self._client.load_collection("rows")
        self._wait_until_idle()

    def search(self, vector: Vector, limit: int, classes: ClassFilter | None) -> Keys:
        (found,) = self._client.search(
            "rows",
            [vector],
            limit=limit,
            filter=_expression(classes) or "",
            search_params={"metric_type": "IP", "params": {self._effort: self.effort}},
            consistency_level="Customized",
            guarantee_timestamp=self._written,
        )
        return np.array([row["id"] for row in found], np.int64)

    def remove(self, key: int) -> None:
        self._client.delete("rows", ids=[key])
        self._note_time()

    def close(self) -> None:
        self._stack.close()

    def _wait_until_idle(self) -> None:
        """Wait until small segments are merged, and what became of them is indexed."""
        quiet = 0
        while quiet < 10:
            begun = busy(self.others)
            time.sleep(1)
            quiet = quiet + 1 if busy(self.others) - begun < 0.2 else 0

    def _note_time(self) -> None:
        self._written = self._client._get_connection().alloc_timestamp()


class MilvusGroups(_MilvusServer):
    """Its groups over bytes, as a cluster of ours has them."""

    form = "server: int8, IVF_SQ8 in segments"
    efforts = TO_PROBE

    def __init__(self, dimension: int, capacity: int) -> None:
        super().__init__(dimension, {"index_type": "IVF_SQ8", "params": {"nlist": 512}}, "nprobe")


class MilvusGraph(_MilvusServer):
    """Its graphs, which are of floats."""

    form = "server: float32, HNSW in segments"
    efforts = TO_EXPLORE
    explores = True

    def __init__(self, dimension: int, capacity: int) -> None:
        index = {"index_type": "HNSW", "params": {"M": EDGES, "efConstruction": CANDIDATES}}
        super().__init__(dimension, index, "ef")


def _expression(classes: ClassFilter | None) -> str | None:
    """The filter in Milvus's words."""
    if classes is None:
        return None
    return " or ".join(f"{field} == {value}" for field, value in _terms(classes))


def _terms(classes: ClassFilter) -> list[tuple[str, int]]:
    """Fields and values of which one must be there; the filters under test have one term each."""
    (term,) = classes.terms
    fields = ("class1", "class2") if term.dimension is None else (f"class{term.dimension + 1}",)
    return [(field, int(term.value)) for field in fields]
