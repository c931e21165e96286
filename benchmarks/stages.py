"""Milliseconds of processor that a request takes over HTTP, stage by stage, service by service.

    scripts/bench stages --against PATH           # the same with another checkout's server
    scripts/bench stages --services similar --library 500000 --warm 100

A server whose clock is the processor time of its whole process answers one client, which asks for
one thing at a time: so what its stages (see `tusou.stages`) take is what they cost, in all threads,
and a busy machine hardly matters. Pictures of the pool, brought to `--side` pixels, are added to a
library of each service and searched for at that size. `rest` is all that is in no stage: HTTP, the
form, sizes that models want, who calls. With `--library`, `similar` holds so many vectors besides,
that lie among those of the pool's first pictures as in `index_search`; rows that nobody has asked
for since the start are read from the file, for which `--warm` searches for other pictures first.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from copies import choose, read
from index_search import multiply
from processes import spent
from restart import fill
from support.metrics import Scrape
from support.pictures import SHARED
from support.server import Caller, Server
from throughput import at_side, request
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.stages import STAGES
from tusou.types import Vectors
from tusou.vision import packs
from tusou.vision.embed import Embedder

COLUMNS = [stage for stage in STAGES if stage not in ("queue", "fetch")]
CLOCK = str(Path(__file__).with_name("processor_clock.py"))
SEEDS = 400
"""Pictures whose vectors those of a large library lie among."""


def main() -> None:
    """Run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=60, help="added, and searched for")
    parser.add_argument(
        "--warm", type=int, default=3, help="first requests of a kind, not counted: models load"
    )
    parser.add_argument("--services", nargs="+", default=list(SERVICES))
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--library", type=int, default=0, help="vectors in `similar` besides")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    paths, seeds = choose(options.datasets, options.warm + options.pictures, SEEDS)
    pictures = [at_side(path, options.side) for path in paths]
    print(f"| checkout | service | call | {' | '.join(COLUMNS)} | rest | whole | ÷ encode |")
    print("|---|---|---|" + "---:|" * (len(COLUMNS) + 3))
    vectors = _vectors(seeds, options.library)
    for name, environ in _checkouts(options.against):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            with _serving(data, environ, options.services, vectors) as (server, caller):
                for service in options.services:
                    for call in ("add", "search"):
                        for picture in pictures[: options.warm]:
                            request(caller, service, call, picture)
                        measured = pictures[options.warm :]
                        figures = _measure(server, caller, service, call, measured)
                        cells = " | ".join(f"{figure:.1f}" for figure in figures)
                        print(f"| {name} | {service} | {call} | {cells} |", flush=True)


def _checkouts(other: Path | None) -> Iterator[tuple[str, dict[str, str]]]:
    yield "this one", {}
    if other is not None:
        yield "the other", {"PYTHONPATH": str(other.resolve() / "src")}


@contextmanager
def _serving(
    data: Path, environ: dict[str, str], services: Sequence[str], vectors: Vectors
) -> Iterator[tuple[Server, Caller]]:
    with Office(Settings.load({}, data=data)) as office:
        app, secret = office.apps.create("bench", services)
        for service in services:
            library = office.create_library(app.id, service)
            if service == "similar" and len(vectors):
                fill(office, library.id, vectors)
                office.registry.resize(library, 2 * len(vectors))
    server = Server(data, environ, within=[sys.executable, CLOCK])
    try:
        _wait_until_idle(server)
        token = server.token(app.api_key, secret)
        yield server, Caller(server.http, app.id, app.api_key, secret, token)
    finally:
        server.stop()


def _vectors(seeds: Sequence[Path], count: int) -> Vectors:
    """So many vectors among those of pictures."""
    pack = packs.bundled()[SERVICES["similar"].pack]
    if not count:
        return np.empty((0, pack.dimension), np.float32)
    with Embedder(pack) as embedder:
        real = np.stack([embedder.embed(read(path)) for path in seeds])
    return multiply(real, count, np.random.default_rng(0))


def _measure(
    server: Server, caller: Caller, service: str, call: str, pictures: Sequence[bytes]
) -> list[float]:
    """Mean milliseconds of processor by stage, of the rest, of the whole; and whole by encode."""
    before, begun = Scrape(server), spent(server.process.pid)
    for picture in pictures:
        request(caller, service, call, picture)
    whole, after = spent(server.process.pid) - begun, Scrape(server)
    labels = {"service": service, "operation": call}
    count = after.since(before, "tusou_call_seconds_count", **labels)
    name = "tusou_stage_seconds_sum"
    stages = [after.since(before, name, stage=stage, **labels) for stage in COLUMNS]
    times = [seconds * 1000 / count for seconds in (*stages, whole - sum(stages), whole)]
    return [*times, whole / stages[COLUMNS.index("encode")]]


def _wait_until_idle(server: Server) -> None:
    """Wait until no index is being grouped."""
    quiet = 0
    while quiet < 3:
        begun = spent(server.process.pid)
        time.sleep(1)
        quiet = quiet + 1 if spent(server.process.pid) - begun < 0.05 else 0


if __name__ == "__main__":
    main()
