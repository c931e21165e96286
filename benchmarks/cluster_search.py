"""Searches through 1, 2 and 4 servers of a cluster against one embedded server, in one run.

After `scripts/install cluster`: `PYTHONPATH=tests scripts/loopback .venv/bin/python
benchmarks/cluster_search.py`.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
from pymilvus import MilvusClient
from sqlalchemy import func, select

from support.milvus import milvus, milvus_lite
from support.pictures import picture
from support.postgres import postgres
from support.redis import redis
from support.s3 import new_bucket, s3
from support.server import Caller, Server
from tusou.index.base import VectorIndex
from tusou.index.embedded import EmbeddedIndex
from tusou.index.milvus import Milvus, OwnClock
from tusou.storage import transfer
from tusou.storage.database import Database
from tusou.storage.items import Items
from tusou.storage.stale import SharedClock
from tusou.types import Vectors

DIMENSION = 384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300, help="searched; 0: only the index")
    parser.add_argument("--seconds", type=float, default=12, help="of searches, for each line")
    parser.add_argument("--clients", type=int, default=4, help="that search at a time")
    parser.add_argument("--vectors", type=int, default=100_000, help="for the index alone; 0: none")
    options = parser.parse_args()
    with ExitStack() as stack:
        if not options.pictures:
            _index_alone(stack.enter_context(milvus()), options.vectors)
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = folder / "data"
        embedded = Server(data)
        caller = embedded.caller("similar", "same_hq")
        for number in range(options.pictures):
            for service in ("similar", "same_hq"):
                caller.call(service, "add", image=picture(number), brief=str(number))
        print(f"{'':<58}ms of processor a search")
        print("service   servers              p50 ms  p95 ms  searches/s   servers   engines")
        for service in ("similar", "same_hq"):
            _load(f"{service:<8}  embedded, 1      ", [embedded], caller, service, options)
        embedded.stop()
        cluster = {
            "TUSOU_DATABASE": stack.enter_context(postgres()).new(),
            "TUSOU_MILVUS": stack.enter_context(milvus()),
            "TUSOU_MILVUS_WORDS": stack.enter_context(milvus_lite()),
            "TUSOU_REDIS": stack.enter_context(redis()),
            **new_bucket(stack.enter_context(s3())),
        }
        with (
            closing(Database(f"sqlite:///{data / 'tusou.db'}")) as source,
            closing(Database(cluster["TUSOU_DATABASE"])) as target,
        ):
            list(transfer.equalize(source, target))
        running: list[Server] = []
        for count in (1, 2, 4):
            while len(running) < count:
                running.append(Server(data, cluster))
            running[0].wait_for_marks()
            for service in ("similar", "same_hq"):
                name = f"{service:<8}  cluster, {count}       "
                _load(name, running, caller, service, options)
        _stages(running[0], caller)
        for server in running:
            server.stop()
        if options.vectors:
            _index_alone(cluster["TUSOU_MILVUS"], options.vectors)


def _load(
    name: str, servers: Sequence[Server], caller: Caller, service: str, options: argparse.Namespace
) -> None:
    took: list[float] = []
    pids = {server.process.pid for server in servers}
    before = _processor(pids)
    end = time.monotonic() + options.seconds
    queries = [picture(number) for number in range(20)]

    def search(client: int) -> None:
        server = servers[client % len(servers)]
        mine = Caller(server.http, caller.app_id, caller.api_key, caller.secret_key, caller.token)
        turn = client
        while time.monotonic() < end:
            started = time.perf_counter()
            answer = mine.call(service, "search", image=queries[turn % 20], rn=10)
            took.append(time.perf_counter() - started)
            assert answer["result"][0]["score"] == 1, answer
            turn += 1

    threads = [threading.Thread(target=search, args=(n,)) for n in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    middle, high = np.percentile(took, [50, 95]) * 1000
    mine, engines = (
        (after - first) * 1000 / len(took)
        for first, after in zip(before, _processor(pids), strict=True)
    )
    rate = len(took) / options.seconds
    print(f"{name} {middle:8.1f}{high:8.1f}{rate:10.1f}{mine:12.1f}{engines:10.1f}", flush=True)


def _processor(servers: set[int]) -> tuple[float, float]:
    """Seconds of processor so far: of these processes, and of the engines in this network."""
    network, own = Path("/proc/self/ns/net").readlink(), Path("/proc/self").resolve().name
    mine = engines = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            if folder.name == own or (folder / "ns/net").readlink() != network:
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            if int(folder.name) in servers:
                mine += ticks
            else:
                engines += ticks
    second = os.sysconf("SC_CLK_TCK")
    return mine / second, engines / second


def _stages(server: Server, caller: Caller) -> None:
    """What a search in a cluster does beside seeing the picture, each alone."""
    with server.office() as office, closing(Milvus(server.environ["TUSOU_MILVUS"])) as engine:
        row = office.registry.get(caller.app_id, "similar")
        items = Items(office.database, row.id)
        ((keys, vectors, _), *_rest) = items.scan(row.pack)
        clock = SharedClock(office.database, row.id, "vectors")
        index = engine.vectors(row.pack, vectors.shape[1], row.id, clock)
        some = keys[:10].tolist()
        steps: dict[str, Callable[[], object]] = {
            "token and application (SQL)": lambda: office.tokens.holder(caller.token),
            "library (SQL)": lambda: office.registry.get(caller.app_id, "similar"),
            "time of the last write (SQL)": clock.read,
            "vectors (Milvus, and the time)": lambda: index.search(vectors[0], 11),
            "signs and briefs of ten (SQL)": lambda: items.found(some),
            "local features of 60 (SQL)": lambda: items.local_features(keys[:60].tolist()),
        }
        with office.database.read() as connection:
            size = connection.scalar(select(func.pg_database_size(func.current_database())))
        print(f"\n{size:,} bytes in PostgreSQL, 8 MB of them before the first picture")
        print("\nstep                              p50 ms")
        for name, step in steps.items():
            print(f"{name:<32} {_median(step):7.2f}", flush=True)


def _median(step: Callable[[], object], turns: int = 60) -> float:
    took = []
    for _ in range(turns):
        started = time.perf_counter()
        step()
        took.append(time.perf_counter() - started)
    return float(np.median(took)) * 1000


def _index_alone(address: str, count: int) -> None:
    """Fill both indexes with the same vectors, in clusters as embeddings are, and compare."""
    draw = np.random.default_rng(1)
    centres = draw.standard_normal((500, DIMENSION), dtype=np.float32)
    rows = centres[draw.integers(0, 500, count)]
    rows += 0.7 * draw.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = rows[:100] + 0.02 * draw.standard_normal((100, DIMENSION), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    print(f"\n{count:,} vectors          rows/s   p50 ms  p95 ms  recall@300")
    with closing(EmbeddedIndex(DIMENSION)) as embedded:
        rate = _fill(embedded, rows)
        embedded.settle()
        _try("embedded", rate, embedded, rows, queries)
    with closing(Milvus(address)) as engine:
        index = engine.vectors("bench@1", DIMENSION, 1, OwnClock())
        rate = _fill(index, rows)
        _try("Milvus, growing", rate, index, rows, queries)
        client = MilvusClient(address)
        for name in client.list_collections():
            client.flush(name)
        time.sleep(30)  # until the sealed segments have their index
        _try("Milvus, sealed", rate, index, rows, queries)


def _fill(index: VectorIndex, rows: Vectors) -> float:
    """Add all rows; returns how many a second."""
    started = time.perf_counter()
    for start in range(0, len(rows), 1000):
        keys = np.arange(start, min(start + 1000, len(rows)))
        index.add(keys, rows[keys], np.zeros((len(keys), 2), np.uint16))
    return len(rows) / (time.perf_counter() - started)


def _try(name: str, rate: float, index: VectorIndex, rows: Vectors, queries: Vectors) -> None:
    took, found = [], 0
    for query in queries:
        started = time.perf_counter()
        keys, _ = index.search(query, 300)
        took.append(time.perf_counter() - started)
        truth = np.argpartition(-(rows @ query), 300)[:300]
        found += len(np.intersect1d(keys, truth))
    middle, high = np.percentile(took, [50, 95]) * 1000
    recall = found / 300 / len(queries)
    print(f"{name:<20} {rate:10,.0f} {middle:8.1f}{high:8.1f}{recall:10.3f}", flush=True)


if __name__ == "__main__":
    main()
