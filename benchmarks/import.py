"""Pictures a second that `tusou import` brings in, beside what the encoder itself can do.

    scripts/bench import --pictures 1000 --services similar same_hq

The encoder's own limit: the same pictures, decoded before, seen by the service's models and
detectors in as many threads as the import has. Both are measured in turns, in processes of their
own, and the best of the rounds is printed: the machine may be busy with other things.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from copies import choose
from support.pictures import SHARED
from throughput import SIDE, at_side
from tusou.errors import TusouError
from tusou.images.decode import decode
from tusou.office import Office
from tusou.runtime import Runtime
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
    parser.add_argument("--see", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.see:
        print(limit(options.see, options.folder, options.threads, options.pictures))
        return
    paths, _ = choose(options.datasets, 2 * options.pictures, 0)
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as work:
        pictures = Path(work) / "pictures"
        pictures.mkdir()
        files = (data for data in (at_side(path, SIDE) for path in paths) if taken(data, options))
        for number, data in enumerate(islice(files, options.pictures)):
            (pictures / f"{number:06}.jpg").write_bytes(data)
        for turn in range(options.rounds):
            for service in options.services:
                rate = brought(pictures, Path(work) / f"{service}{turn}", service, options)
                rates.setdefault((service, "import"), []).append(rate)
                rates.setdefault((service, "alone"), []).append(alone(service, pictures, options))
    best = {name: max(found) for name, found in rates.items()}
    print("| service | imported a second | encoder alone | share |\n|---|---:|---:|---:|")
    for service in options.services:
        rate, most = best[service, "import"], best[service, "alone"]
        print(f"| {service} | {rate:.1f} | {most:.1f} | {rate / most:.0%} |")


def taken(data: bytes, options: argparse.Namespace) -> bool:
    """Whether all services take a picture; `product` wants 300 pixels."""
    try:
        for service in options.services:
            decode(data, SERVICES[service])
    except TusouError:
        return False
    return True


def alone(service: str, pictures: Path, options: argparse.Namespace) -> float:
    """What a service's encoder does by itself, in a process of its own."""
    words = ["--see", service, "--folder", pictures, "--threads", options.threads]
    words += ["--pictures", options.pictures]
    run = [sys.executable, __file__, *map(str, words)]
    return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def limit(service: str, folder: Path, threads: int, count: int) -> float:
    """Have a service's models and detectors see decoded pictures; pictures a second."""
    paths = sorted(folder.iterdir())[:HELD]
    held = [decode(path.read_bytes(), SERVICES[service]) for path in paths]
    with (
        tempfile.TemporaryDirectory() as data,
        Runtime(Settings.load({}, data=Path(data))) as runtime,
        ThreadPoolExecutor(threads) as executor,
    ):
        app, _ = runtime.apps.create("bench", [service])
        runtime.create_library(app.id, service)
        see = runtime.catalogue.library(app.id, service).view.pipeline.features
        list(executor.map(see, held[:threads]))
        started = time.perf_counter()
        list(executor.map(see, (held[place % len(held)] for place in range(count))))
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
