"""Searches through 1, 2 and 4 servers of a cluster against one embedded server, in one run.

After `scripts/install cluster`: `PYTHONPATH=tests scripts/loopback .venv/bin/python
benchmarks/cluster_search.py`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from pymilvus import MilvusClient
from sqlalchemy import func, select

from support.metrics import Scrape
from support.milvus import milvus, milvus_lite
from support.pictures import picture
from support.postgres import postgres
from support.redis import redis
from support.s3 import new_bucket, s3
from support.server import Caller, Server
from tusou.index.base import VectorIndex
from tusou.index.embedded import EmbeddedIndex
from tusou.index.milvus import Milvus, OwnClock
from tusou.stages import STAGES
from tusou.storage import transfer
from tusou.storage.database import Database
from tusou.storage.items import Items
from tusou.storage.stale import SharedClock
from tusou.types import Vectors

DIMENSION = 384
SERVICES = "similar", "same_hq"

Stages = dict[str, float]
"""Milliseconds by stage."""


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
        data = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        embedded = stack.enter_context(_server(data))
        caller = embedded.caller(*SERVICES)
        for number in range(options.pictures):
            for service in SERVICES:
                caller.call(service, "add", image=picture(number), brief=str(number))
        print(f"{'':<58}ms of processor a search")
        print("service   servers              p50 ms  p95 ms  searches/s   servers   engines")
        stages = {}
        for service in SERVICES:
            name = f"{service:<8}  embedded, 1      "
            stages[service, "embedded"] = _load(name, [embedded], caller, service, options)
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
                running.append(stack.enter_context(_server(data, cluster)))
            running[0].wait_for_marks()
            for service in SERVICES:
                name = f"{service:<8}  cluster, {count}       "
                stages[service, f"cluster, {count}"] = _load(
                    name, running, caller, service, options
                )
        _show_stages(stages)
        _steps(running[0], caller)
        for server in running:
            server.stop()
        if options.vectors:
            _index_alone(cluster["TUSOU_MILVUS"], options.vectors)


@contextmanager
def _server(data: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that ends with the block, if it has not before."""
    server = Server(data, environ)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def _load(
    name: str, servers: Sequence[Server], caller: Caller, service: str, options: argparse.Namespace
) -> Stages:
    """Search for a while, print a line; returns the milliseconds that a search spends in stages.

    Raises:
        AssertionError: a search did not find its own picture first.
    """
    pids = {server.process.pid for server in servers}
    queries = [picture(number) for number in range(min(20, options.pictures))]

    def search(client: int, end: float) -> list[float]:
        server = servers[client % len(servers)]
        mine, took = replace(caller, http=server.http), list[float]()
        while time.monotonic() < end:
            turn = (client + len(took)) % len(queries)
            started = time.perf_counter()
            answer = mine.call(service, "search", image=queries[turn], rn=10)
            took.append(time.perf_counter() - started)
            first = answer.get("result", [{}])[0]
            assert (first.get("brief"), first.get("score")) == (str(turn), 1), answer
        return took

    def search_together(seconds: float) -> list[float]:
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(options.clients) as pool:
            done = [pool.submit(search, client, end) for client in range(options.clients)]
            return [seconds for future in done for seconds in future.result()]

    search_together(min(2, options.seconds))  # connections, libraries and caches are there then
    before, told = _processor(pids), [Scrape(server) for server in servers]
    began = time.monotonic()
    took = search_together(options.seconds)
    rate = len(took) / (time.monotonic() - began)
    mine, engines = (
        (after - first) * 1000 / len(took)
        for first, after in zip(before, _processor(pids), strict=True)
    )
    middle, high = np.percentile(took, [50, 95]) * 1000
    print(f"{name} {middle:8.1f}{high:8.1f}{rate:10.1f}{mine:12.1f}{engines:10.1f}", flush=True)
    call = {"service": service, "operation": "search"}
    pairs = [(Scrape(server), first) for server, first in zip(servers, told, strict=True)]
    return {
        stage: sum(
            now.since(first, "tusou_stage_seconds_sum", stage=stage, **call) for now, first in pairs
        )
        * 1000
        / len(took)
        for stage in STAGES
    }


def _show_stages(found: Mapping[tuple[str, str], Stages]) -> None:
    """The mean time of a search in each stage, waiting for cores included."""
    used = [stage for stage in STAGES if any(row[stage] >= 0.05 for row in found.values())]
    print("\nms of a search in each stage")
    print(f"{'':<22}" + "".join(f"{stage:>11}" for stage in used))
    for (service, kind), row in found.items():
        print(f"{service:<8}  {kind:<12}" + "".join(f"{row[stage]:11.1f}" for stage in used))


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


def _steps(server: Server, caller: Caller) -> None:
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
