"""Accuracy of the services on real pictures, added and searched over HTTP.

Takes the protocols of `shared/datasets` (see its README): pictures are added to a fresh server and
searched through the same calls that clients make. Prints a table for docs/accuracy.md.
"""

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from support.pictures import SHARED
from support.server import Caller, Server
from tusou.services import SERVICES, Service

T = TypeVar("T")
R = TypeVar("R")

PROTOCOLS = {
    "same_wallpapers": "same_hq",
    "picturebook": "picturebook",
    "similar_corel": "similar",
    "product_grocery": "product",
    "materiel_batik": "materiel",
    "materiel_dtd10": "materiel",
}


@dataclass(frozen=True)
class Query:
    """One search: the picture, what it should find, and the row of the table it counts in."""

    path: str
    hits: frozenset[str]
    group: str


@dataclass(frozen=True)
class Outcome:
    """How one search went."""

    group: str
    first: float
    tenth: float
    precision: float
    average: float
    milliseconds: float


def main() -> None:
    """Run the protocols asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocols", nargs="*", help=f"of {', '.join(PROTOCOLS)} (default: all)")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    parser.add_argument("--distractors", type=int, default=0, help="pool pictures to add first")
    parser.add_argument("--threads", type=int, default=2, help="clients at the same time")
    options = parser.parse_args()
    print(
        "| protocol | service | queries | recall@1 | recall@10 | P@10 | mAP "
        "| add ms | search ms |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name in options.protocols or PROTOCOLS:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder) / "data")
            try:
                for line in measure(server.caller(), name, options):
                    print(line, flush=True)
            finally:
                server.stop()


def measure(caller: Caller, name: str, options: argparse.Namespace) -> Iterable[str]:
    """Add the gallery, search with every query, give the table's rows."""
    service = SERVICES[PROTOCOLS[name]]
    protocol = json.loads((options.datasets / "protocols" / f"{name}.json").read_text())
    gallery, queries = load(protocol)
    pool = json.loads((options.datasets / "protocols" / "pool.json").read_text())
    distractors = pool[: options.distractors]

    def add(path: str) -> float:
        data = picture(options.datasets / path, service)
        started = time.perf_counter()
        answer = caller.call(service.name, "add", image=data, brief=path)
        # Protocols hold a few pictures twice; those that nothing can be seen in are misses.
        if answer.get("error_code") not in (None, 216681, 216203):
            raise RuntimeError(f"{path}: {answer}")
        return (time.perf_counter() - started) * 1000

    def search(query: Query) -> Outcome:
        data = picture(options.datasets / query.path, service)
        started = time.perf_counter()
        answer = caller.call(service.name, "search", image=data, rn=service.most_results)
        milliseconds = (time.perf_counter() - started) * 1000
        found = [hit["brief"] for hit in answer.get("result", []) if hit["brief"] != query.path]
        return judge(query, found, milliseconds)

    add_times = parallel(add, [*distractors, *gallery], options.threads)
    outcomes = parallel(search, queries, options.threads)
    for group in dict.fromkeys(["all", *sorted({outcome.group for outcome in outcomes})]):
        rows = [row for row in outcomes if group in ("all", row.group)]
        means = np.mean([[r.first, r.tenth, r.precision, r.average] for r in rows], axis=0)
        label = name if group in ("all", "") else f"{name}: {group}"
        if group != "":
            yield (
                f"| {label} | {service.name} | {len(rows)} | "
                + " | ".join(f"{mean:.3f}" for mean in means)
                + f" | {np.median(add_times):.0f} "
                + f"| {np.median([row.milliseconds for row in rows]):.0f} |"
            )


def load(protocol: dict[str, Any]) -> tuple[list[str], list[Query]]:
    """The pictures to add and the searches to make."""
    if "labels" not in protocol:
        queries = [
            Query(row["q"], frozenset(row["pos"]), row.get("level") or row.get("kind") or "")
            for row in protocol["queries"]
        ]
        return protocol["gallery"], queries
    labels: dict[str, str] = protocol["labels"]
    members: dict[str, set[str]] = {}
    for path, label in labels.items():
        members.setdefault(label, set()).add(path)
    return list(labels), [
        Query(path, frozenset(members[label] - {path}), "") for path, label in labels.items()
    ]


def judge(query: Query, found: Sequence[str], milliseconds: float) -> Outcome:
    """Compare what came with what should have come; what did not come counts as missed."""
    right = np.array([path in query.hits for path in found], dtype=bool)
    ranks = np.flatnonzero(right) + 1
    precisions = np.arange(1, len(ranks) + 1) / ranks if len(ranks) else np.zeros(1)
    return Outcome(
        query.group,
        first=float(right[:1].any()),
        tenth=float(right[:10].any()),
        precision=float(right[:10].sum()) / 10,
        average=float(precisions.sum()) / len(query.hits),
        milliseconds=milliseconds,
    )


def picture(path: Path, service: Service) -> bytes:
    """The file; enlarged where it is smaller than the service takes."""
    with Image.open(path) as image:
        shortest = min(image.size)
        if shortest >= service.shortest_side:
            return path.read_bytes()
        factor = service.shortest_side / shortest
        size = [max(service.shortest_side, round(side * factor)) for side in image.size]
        buffer = io.BytesIO()
        image.convert("RGB").resize((size[0], size[1]), Image.Resampling.BICUBIC).save(
            buffer, "JPEG", quality=95
        )
        return buffer.getvalue()


def parallel(function: Callable[[T], R], rows: Sequence[T], threads: int) -> list[R]:
    """Run `function` over `rows` as several clients would."""
    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(function, rows))


if __name__ == "__main__":
    main()
