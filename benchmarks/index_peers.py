"""The embedded vector index beside others on the same vectors: speed, memory and recall.

    python benchmarks/index_peers.py --vectors 500000 [--input real.npy] [--peers tusou hnswlib]

Vectors, filters and recall are those of `index_search`. Each index is built in a process of its
own with `--threads` threads, then asked one search at a time with one. Where a search can spend
more or less, it spends the least of a ladder that finds `--recall` of the right rows for other
queries without a filter, for 10 and for 300 results each; with a filter it spends the same.

`scripts/install bench` installs all but two. hnswlib needs a C++ compiler: `.venv/bin/pip install
hnswlib`. A Milvus server comes with `scripts/install cluster`, beside `bench` in the same
environment, and listens on every network: `scripts/loopback scripts/bench index_peers` gives it one
of its own. What is not there is passed over. `scripts/bench embeddings` makes a file for `--input`.

What a server does and takes counts as this process's own does, its memory less what it took empty.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from index_search import (
    BLOCK,
    FILTERS,
    Material,
    Measured,
    ask_for_material,
    exact,
    material,
    measure,
    recall,
)
from memory import Peak
from peer_engines import MilvusGraph, MilvusGroups, MilvusLite, Qdrant
from peers import FaissGraph, FaissGroups, Flat, Hnswlib, Peer, Tusou, Usearch
from processes import busy
from tusou.memory import give_back
from tusou.types import ClassFilter, Keys, Vectors

PEERS: Mapping[str, Callable[[int, int], Peer]] = {
    "tusou": Tusou,
    "flat": Flat,
    "faiss-ivf": FaissGroups,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "faiss-hnsw": FaissGraph,
    "qdrant-edge": Qdrant,
    "milvus-lite": MilvusLite,
    "milvus-ivf": MilvusGroups,
    "milvus-hnsw": MilvusGraph,
}

LIMITS = (10, 300)
TUNING = 100
"""Queries by which a search's effort is chosen."""
NEW = 50
"""Rows that are added, and others that are removed, one by one."""
SAMPLE = 100_000
"""Rows to learn from, at most: nearly 50 for each group."""


class Trial(NamedTuple):
    """Where the vectors lie, and how they are asked for."""

    folder: Path
    rows: int
    threads: int
    recall: float
    seconds: float
    gigabytes: float

    def array(self, name: str, rows: slice = slice(None)) -> Any:
        """Read rows, leaving no file mapped: its pages would count as the index's memory."""
        return np.array(np.load(self.folder / f"{name}.npy", mmap_mode="r")[rows])

    def write(self, made: Material) -> None:
        """Lay down what all processes share; the last rows are not in the index at first."""
        vectors, classes = made.vectors[: self.rows], made.classes[: self.rows]
        np.save(self.folder / "vectors.npy", made.vectors)
        np.save(self.folder / "classes.npy", made.classes)
        np.save(self.folder / "queries.npy", made.queries)
        for number, wanted in enumerate(FILTERS.values()):
            passing = np.ones(self.rows, np.bool_) if wanted is None else wanted.mask(classes)
            np.save(self.folder / f"truth{number}.npy", exact(vectors, passing, made.queries))


def run(name: str, trial: Trial) -> dict[str, Any]:
    """Build one index and measure it, in this process."""
    figures: dict[str, Any] = {"name": name}
    before = _memory("self")
    with closing(PEERS[name](trial.array("queries").shape[1], trial.rows + NEW)) as peer:
        before += _memory(*peer.others)  # what a server takes before it has a row
        with Peak(*peer.others) as peak, threadpool_limits(trial.threads):
            figures |= {"form": peer.form, **_build(peer, trial)}
        # A server's requests have one, too.
        with threadpool_limits(1):
            give_back()
            figures["at most"] = float(peak.bytes - before.sum()) / trial.rows
            figures["efforts"] = [_tune(peer, trial, limit) for limit in LIMITS]
            figures["searches"] = [
                [
                    _search(peer, trial, number, limit, effort)
                    for limit, effort in zip(LIMITS, figures["efforts"], strict=True)
                ]
                for number in range(len(FILTERS))
            ]
            give_back()
            after = _memory("self", *peer.others)
            figures["memory"], figures["mapped"] = ((after - before) / trial.rows).tolist()
            figures |= _write(peer, trial)
    return figures


def _memory(*processes: int | str) -> NDArray[np.int64]:
    """Bytes of the processes' own, and of files that are mapped and resident."""
    memory = np.zeros(2, np.int64)
    for process in processes:
        _, pages, mapped, *_others = Path(f"/proc/{process}/statm").read_text().split()
        memory += np.array([int(pages) - int(mapped), int(mapped)]) * 4096
    return memory


def _build(peer: Peer, trial: Trial) -> dict[str, float]:
    start, used = time.perf_counter(), busy(peer.others)
    peer.train(trial.array("vectors", slice(min(SAMPLE, trial.rows))))
    for first in range(0, trial.rows, BLOCK):
        rows = slice(first, min(first + BLOCK, trial.rows))
        keys = np.arange(rows.start, rows.stop)
        peer.add(keys, trial.array("vectors", rows), trial.array("classes", rows))
    peer.settle()
    return {"build": time.perf_counter() - start, "build busy": busy(peer.others) - used}


def _tune(peer: Peer, trial: Trial, limit: int) -> int:
    """The least effort that finds enough, or the most there is."""
    queries, truth = trial.array("queries", slice(TUNING)), trial.array("truth0", slice(TUNING))
    least = limit if peer.explores else 0
    *lower, most = sorted({max(effort, least) for effort in peer.efforts})
    for effort in lower:
        peer.effort = effort
        found = _measure(peer, trial, queries, limit, None).found
        if _recall(found, truth, limit, trial, queries, None) >= trial.recall:
            return effort
    return most


def _search(
    peer: Peer, trial: Trial, number: int, limit: int, effort: int
) -> tuple[float, float, float, float]:
    """Wall p50 and p95 and processor p50 in milliseconds, and recall."""
    wanted = list(FILTERS.values())[number]
    queries = trial.array("queries", slice(TUNING, None))
    truth = trial.array(f"truth{number}", slice(TUNING, None))
    peer.effort = effort
    measured = _measure(peer, trial, queries, limit, wanted)
    p50, p95 = np.quantile(measured.wall, [0.5, 0.95])
    score = _recall(measured.found, truth, limit, trial, queries, wanted)
    return float(p50), float(p95), float(np.median(measured.processor)), score


def _measure(
    peer: Peer, trial: Trial, queries: Vectors, limit: int, wanted: ClassFilter | None
) -> Measured:
    clock = partial(busy, peer.others)
    return measure(peer.search, queries, limit, wanted, trial.seconds, clock)


def _recall(
    found: list[Keys],
    truth: Vectors,
    limit: int,
    trial: Trial,
    queries: Vectors,
    wanted: ClassFilter | None,
) -> float:
    classes = np.load(trial.folder / "classes.npy", mmap_mode="r")
    for keys in found:
        if len(np.unique(keys)) < len(keys):
            raise SystemExit("a row was found twice")
        if wanted is not None and not wanted.mask(classes[keys]).all():
            raise SystemExit("a row was found that does not pass")
    vectors = np.load(trial.folder / "vectors.npy", mmap_mode="r")
    return recall(found, truth, limit, vectors, queries)


def _write(peer: Peer, trial: Trial) -> dict[str, Any]:
    """Add and remove rows one by one; which of them searches then find first, or no more."""
    new = slice(trial.rows, trial.rows + NEW)
    vectors, classes = trial.array("vectors", new), trial.array("classes", new)
    peer.effort = max(peer.efforts)

    def nearest(row: int) -> int:
        found = peer.search(vectors[row], 1, None)
        return int(found[0]) if len(found) else -1

    def add(row: int) -> None:
        peer.add(np.array([trial.rows + row]), vectors[row : row + 1], classes[row : row + 1])

    added = _each(add, NEW, peer, trial)
    found = sum(nearest(row) == trial.rows + row for row in range(len(added)))
    figures = {"add": float(np.median(added)), "found": f"{found} of {len(added)}"}
    try:
        removed = _each(lambda row: peer.remove(trial.rows + row), len(added), peer, trial)
    except NotImplementedError:
        return {**figures, "remove": None, "gone": "–"}
    gone = sum(nearest(row) != trial.rows + row for row in range(len(removed)))
    return {
        **figures,
        "remove": float(np.median(removed)),
        "gone": f"{gone} of {len(removed)}",
    }


def _each(work: Callable[[int], None], count: int, peer: Peer, trial: Trial) -> list[float]:
    """Milliseconds of processor for each."""
    took, end = [], time.perf_counter() + trial.seconds
    for row in range(count):
        start = busy(peer.others)
        work(row)
        took.append((busy(peer.others) - start) * 1e3)
        if time.perf_counter() > end:
            break
    return took


def report(rows: Sequence[dict[str, Any]]) -> None:
    """Print the tables."""
    _table(
        "index | what | effort for 10 / 300 | build s | s of processor | memory a picture, B | "
        "and mapped | at most | add ms | found then | remove ms | gone then",
        (
            [
                row["name"],
                row["form"],
                " / ".join(str(effort) if effort else "–" for effort in row["efforts"]),
                *(f"{row[part]:.0f}" for part in ("build", "build busy", "memory", "mapped")),
                f"{row['at most']:.0f}",
                f"{row['add']:.2f}",
                row["found"],
                "–" if row["remove"] is None else f"{row['remove']:.2f}",
                row["gone"],
            ]
            for row in rows
        ),
    )
    columns = " | ".join(f"{limit}: p50 ms | p95 | processor | recall" for limit in LIMITS)
    for number, name in enumerate(FILTERS):
        _table(
            f"filter: {name} | {columns}",
            (
                [
                    row["name"],
                    *(
                        f"{figure:.{digits}f}"
                        for cell in row["searches"][number]
                        for figure, digits in zip(cell, (1, 1, 1, 3), strict=True)
                    ),
                ]
                for row in rows
            ),
        )


def _table(head: str, rows: Iterable[Sequence[str]]) -> None:
    print(f"\n| {head} |\n|---" + "|---:" * head.count(" | ") + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def _apart(name: str, trial: Trial, minutes: float) -> list[dict[str, Any]]:
    """Run one index in a process of its own; nothing: it is not installed, or failed."""
    command = [sys.executable, __file__, "--one", name, *map(str, trial)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            output, errors = process.communicate(timeout=minutes * 60)
        except subprocess.TimeoutExpired:
            print(f"{name}: not done after {minutes:g} minutes", file=sys.stderr, flush=True)
            return []
        finally:
            process.terminate()  # not killed: it stops the server that it may have started
    if process.returncode:
        last = (errors.strip().splitlines() or ["?"])[-1]
        print(f"{name}: {last}", file=sys.stderr, flush=True)
        return []
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    print(f"{name}: built in {figures['build']:.0f} s", file=sys.stderr, flush=True)
    return [figures]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS, metavar="NAME")
    ask_for_material(parser)
    parser.add_argument("--recall", type=float, default=0.95, help="at which searches are tuned")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="to build with")
    parser.add_argument("--seconds", type=float, default=8, help="for each kind of search at most")
    parser.add_argument("--minutes", type=float, default=15, help="for each index at most")
    parser.add_argument("--gigabytes", type=float, default=10, help="of memory for each at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(
            Path(folder),
            options.vectors,
            options.threads,
            options.recall,
            options.seconds,
            options.gigabytes,
        )
        made = material(
            options.vectors + NEW, options.queries + TUNING, options.dimension, options.input
        )
        trial.write(made)
        print(f"{options.vectors} vectors of {made.vectors.shape[1]}", flush=True)
        del made
        rows = []
        with suppress(KeyboardInterrupt):  # what is done is worth a table
            for name in options.peers:
                rows += _apart(name, trial, options.minutes)
    report(rows)


def _one(name: str, folder: str, rows: str, threads: str, *others: str) -> None:
    trial = Trial(Path(folder), int(rows), int(threads), *map(float, others))
    # Not by what each library calls its threads; some do not ask.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: trial.threads])
    most = int(trial.gigabytes * (1 << 30))
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    print(json.dumps(run(name, trial)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no gigabyte stays behind
    if sys.argv[1:2] == ["--one"]:
        _one(*sys.argv[2:])
    else:
        main()
