"""Accuracy of the services on real pictures, added and searched over HTTP.

Takes the protocols of `shared/datasets` (see its README): pictures are added to a fresh server and
searched through the same calls that clients make. Prints a table for docs/accuracy.md.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from support.pictures import SHARED
from support.server import Caller, Server
from tusou.images.decode import enlarge
from tusou.library import judging
from tusou.library.judging import Outcome, Query, judge
from tusou.services import SERVICES

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
    protocol = judging.read(options.datasets / "protocols" / f"{name}.json")
    pool = json.loads((options.datasets / "protocols" / "pool.json").read_text())
    distractors = pool[: options.distractors]

    def add(path: str) -> float:
        data = enlarge((options.datasets / path).read_bytes(), service)
        started = time.perf_counter()
        answer = caller.call(service.name, "add", image=data, brief=path)
        # Protocols hold a few pictures twice; those that nothing can be seen in are misses.
        if answer.get("error_code") not in (None, 216681, 216203):
            raise RuntimeError(f"{path}: {answer}")
        return (time.perf_counter() - started) * 1000

    def search(query: Query) -> Outcome:
        data = enlarge((options.datasets / query.path).read_bytes(), service)
        started = time.perf_counter()
        answer = caller.call(service.name, "search", image=data, rn=service.most_results)
        milliseconds = (time.perf_counter() - started) * 1000
        found = [hit["brief"] for hit in answer.get("result", []) if hit["brief"] != query.path]
        return judge(query, found, milliseconds)

    add_times = parallel(add, [*distractors, *protocol.gallery], options.threads)
    outcomes = parallel(search, protocol.queries, options.threads)
    for row in judging.figures(outcomes):
        label = f"{name}: {row.group}" if row.group else name
        shares = (row.first, row.tenth, row.precision, row.average)
        yield (
            f"| {label} | {service.name} | {row.queries} | "
            + " | ".join(f"{share:.3f}" for share in shares)
            + f" | {np.median(add_times):.0f} | {row.milliseconds:.0f} |"
        )


def parallel(function: Callable[[T], R], rows: Sequence[T], threads: int) -> list[R]:
    """Run `function` over `rows` as several clients would."""
    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(function, rows))


if __name__ == "__main__":
    main()
