"""Pictures a second that `tusou import` brings in, beside what the encoder itself can do.

    scripts/bench import --pictures 1000 --services similar same_hq

The encoder's own limit: the same pictures, decoded before, embedded by as many threads as the
import has. Both are measured in turns, in processes of their own, and the best of the rounds is
printed: the machine may be busy with other things.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from copies import choose
from support.pictures import SHARED
from throughput import SIDE, at_side
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings

HELD = 200
"""Decoded pictures in memory, embedded again and again."""


def main() -> None:
    """Run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--services", nargs="+", default=["similar", "same_hq"])
    parser.add_argument("--threads", type=int, default=min(32, 4 * (os.cpu_count() or 1)))
    parser.add_argument("--datasets", type=Path, default=SHARED)
    parser.add_argument("--encode", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.encode:
        print(encoder_limit(options.encode, options.threads, options.pictures))
        return
    paths, _ = choose(options.datasets, options.pictures, 0)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as work:
        pictures = Path(work) / "pictures"
        pictures.mkdir()
        for number, path in enumerate(paths):
            (pictures / f"{number:06}.jpg").write_bytes(at_side(path, SIDE))
        for turn in range(options.rounds):
            rates.setdefault("encoder", []).append(alone(pictures, options))
            for service in options.services:
                data = Path(work) / f"{service}{turn}"
                rates.setdefault(service, []).append(brought(pictures, data, service, options))
    best = {name: max(found) for name, found in rates.items()}
    print("| | pictures a second | of the encoder's own limit |\n|---|---:|---:|")
    for name, rate in best.items():
        print(f"| {name} | {rate:.1f} | {rate / best['encoder']:.0%} |")


def alone(pictures: Path, options: argparse.Namespace) -> float:
    """What the encoder does by itself, in a process of its own."""
    words = ["--encode", pictures, "--threads", options.threads, "--pictures", options.pictures]
    run = [sys.executable, __file__, *map(str, words)]
    return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def encoder_limit(pictures: Path, threads: int, count: int) -> float:
    """Embed decoded pictures by the pack of the settings; pictures a second."""
    from threadpoolctl import threadpool_limits

    from tusou.images.decode import decode
    from tusou.vision.embed import Embedder
    from tusou.vision.shelf import Shelf

    settings = Settings.load()
    service = SERVICES["similar"]
    held = [decode(path.read_bytes(), service).rgb for path in sorted(pictures.iterdir())[:HELD]]
    with (
        threadpool_limits(1, "blas"),
        Embedder(Shelf(settings.packs_folder).find(settings.pack)) as embedder,
        ThreadPoolExecutor(threads) as executor,
    ):
        list(executor.map(embedder.embed, held[:threads]))
        started = time.perf_counter()
        list(executor.map(embedder.embed, (held[place % len(held)] for place in range(count))))
        return count / (time.perf_counter() - started)


def brought(pictures: Path, data: Path, service: str, options: argparse.Namespace) -> float:
    """Pictures a second of an import, as it tells them itself."""
    with Office(Settings.load({}, data=data)) as office:
        app, _ = office.apps.create("bench", [service])
        office.create_library(app.id, service)
    words = ["--app", app.id, "--service", service, "--threads", options.threads, "--json"]
    run = subprocess.run(
        [sys.executable, "-m", "tusou.cli", "import", pictures, *map(str, words)],
        env={**os.environ, "TUSOU_DATA": str(data)},
        capture_output=True,
        text=True,
    )
    if run.returncode not in (0, 3):  # a few pictures may be refused
        raise RuntimeError(run.stderr)
    return float(json.loads(run.stdout)["rate"])


if __name__ == "__main__":
    main()
