"""What metrics and traces cost a call.

    scripts/bench watching

The same searches and adds of pictures drawn by code, in one process, in turns with and without
somebody who watches: stages timed, the request counted. Beside it, the cost of the parts by
themselves, and of one look of Prometheus.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.pictures import picture
from tusou.library.library import Library
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.stages import Lap, timed, watching
from tusou.web.metrics import Metrics
from tusou.web.queue import Queue
from tusou.web.watch import Seen

SERVICES_TRIED = ("similar", "same_hq")


def main() -> None:
    """Run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=30, help="in each library")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(Settings.load({}, data=Path(folder)))
        metrics = Metrics(runtime, Queue(runtime.settings))
        try:
            _calls(runtime, metrics, options.pictures, options.rounds)
            _parts(metrics)
        finally:
            runtime.close()


def _calls(runtime: Runtime, metrics: Metrics, pictures: int, rounds: int) -> None:
    app, _ = runtime.apps.create("bench", SERVICES)
    files = [picture(seed, 640, 480) for seed in range(pictures)]
    print("| service | call | ms alone | ms watched | ratio of medians |")
    print("|---|---|---:|---:|---:|")
    for service in SERVICES_TRIED:
        runtime.create_library(app.id, service)
        library = runtime.catalogue.library(app.id, service)
        for each in files:
            library.add(each, "a", (0, 0))
        for operation, call in (("add", _add), ("search", _search)):
            alone, watched = _in_turns(metrics, (service, operation), call(library, files), rounds)
            ratio = f"{watched / alone:.3f}"
            print(
                f"| {service} | {operation} | {alone:.2f} | {watched:.2f} | {ratio} |", flush=True
            )


def _search(library: Library, files: list[bytes]) -> Callable[[int], object]:
    return lambda number: library.search(files[number % len(files)], None, 0, 20)


def _add(library: Library, files: list[bytes]) -> Callable[[int], object]:
    def call(number: int) -> None:
        data = files[number % len(files)]
        library.delete(data)
        library.add(data, "a", (0, 0))

    return call


def _in_turns(
    metrics: Metrics, call: tuple[str, str], work: Callable[[int], object], rounds: int
) -> tuple[float, float]:
    """Medians in milliseconds without and with somebody who watches."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * rounds):
        watched = number % 2
        started = time.perf_counter()
        if watched:
            with watching() as laps:
                work(number // 2)
            metrics.count(_seen(call, started, laps))
        else:
            work(number // 2)
        times[watched].append((time.perf_counter() - started) * 1e3)
    return statistics.median(times[0]), statistics.median(times[1])


def _parts(metrics: Metrics) -> None:
    def stage() -> None:
        with timed("decode"):
            pass

    print("\n| part | µs |\n|---|---:|")
    print(f"| a stage that nobody watches | {_microseconds(stage):.2f} |")
    with watching() as laps:
        cost = _microseconds(stage, 20_000)
    print(f"| a stage that is watched | {cost:.2f} |")
    seen = _seen(("similar", "search"), time.perf_counter(), laps[:10])
    print(f"| counting a call of 10 laps | {_microseconds(lambda: metrics.count(seen)):.1f} |")
    print(f"| one look of Prometheus | {_microseconds(metrics.text, 20):.0f} |")


def _microseconds(work: Callable[[], object], times: int = 50_000) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times * 1e6


def _seen(call: tuple[str, str], started: float, laps: list[Lap]) -> Seen:
    scope = {"path": "/rest/", "state": {"note": {}, "call": call}}
    return Seen(scope, started, time.perf_counter(), 200, laps)


if __name__ == "__main__":
    main()
