"""What searches in parallel leave in memory, what of it is free, and what a search costs.

    scripts/bench freed [--opencv 1]
    MALLOC_MMAP_THRESHOLD_=1048576 scripts/bench freed

In process: threads search for drawn pictures in small libraries. MALLOC_MMAP_THRESHOLD_ is glibc's
own: blocks from so many bytes on are no part of its heaps.
"""

import argparse
import itertools
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from memory import resident
from support.pictures import picture
from tusou.memory import give_back
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings

PICTURES = 12


def main() -> None:
    """Search, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", nargs="+", default=["same_hq", "picturebook"])
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--opencv", type=int, help="threads that OpenCV may use for one call")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(Settings.load({}, data=Path(folder)))
        if options.opencv is not None:
            cv2.setNumThreads(options.opencv)  # the runtime has made it one
        try:
            measure(runtime, options.services, options.threads, options.seconds)
        finally:
            runtime.close()


def measure(runtime: Runtime, services: list[str], threads: int, seconds: float) -> None:
    """Fill the libraries, search one by one, then in parallel."""
    app, _ = runtime.apps.create("bench", SERVICES)
    pictures = [picture(seed) for seed in range(PICTURES)]
    for service in services:
        runtime.create_library(app.id, service)
        for data in pictures:
            runtime.catalogue.library(app.id, service).add(data, "x", (0, 0))

    def search(number: int) -> None:
        library = runtime.catalogue.library(app.id, services[number % len(services)])
        library.search(pictures[number % PICTURES], None, 0, 10)

    print(f"filled: {resident() / 1e6:.0f} MB")
    alone = []
    for number in range(PICTURES):
        wall, used = time.perf_counter(), time.process_time()
        search(number)
        alone.append((time.perf_counter() - wall, time.process_time() - used))
    wall, used = np.median(alone, axis=0) * 1000
    print(f"one by one: p50 {wall:.0f} ms a search, {used:.0f} of processor")

    numbers, end = itertools.count(), time.perf_counter() + seconds

    def run(_: int) -> None:
        while time.perf_counter() < end:
            search(next(numbers))

    used = time.process_time()
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(run, range(threads)))
    count = next(numbers)
    print(
        f"{count} searches by {threads} threads: {(time.process_time() - used) / count * 1000:.0f} "
        f"ms of processor each; {resident() / 1e6:.0f} MB afterwards"
    )
    start = time.perf_counter()
    give_back()
    took = (time.perf_counter() - start) * 1000
    print(f"given back in {took:.0f} ms: {resident() / 1e6:.0f} MB left")


if __name__ == "__main__":
    main()
