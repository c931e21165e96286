"""Adds and searches a second over HTTP, service by service.

    scripts/bench throughput --against PATH     # the same with another checkout's server, in turns

Pictures of the pool, brought to 640 px, are added to one library a service and searched for as
smaller copies, by two clients at a time. With --against, the server of another checkout (a git
worktree, say) does the same work in turns, so that both meet the same machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from copies import choose, encode, read
from support.pictures import SHARED
from support.server import Caller, Server
from tusou.services import SERVICES

SIDE = 640


def main() -> None:
    """Run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100, help="in each library")
    parser.add_argument("--searches", type=int, default=60)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--services", nargs="+", default=list(SERVICES))
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    paths, _ = choose(options.datasets, options.pictures, 0)
    adds = [at_side(path, SIDE) for path in paths]
    searches = [at_side(path, SIDE // 2) for path in paths[: options.searches]]
    print("| checkout | service | call | a second | p50 ms | p95 ms |")
    print("|---|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        servers = {"this one": Server(Path(folder) / "this")}
        if options.against:
            environ = {"PYTHONPATH": str(options.against.resolve() / "src")}
            servers["the other"] = Server(Path(folder) / "other", environ)
        try:
            callers = {name: server.caller() for name, server in servers.items()}
            for service in options.services:
                for call, pictures in (("add", adds), ("search", searches)):
                    for name, caller in callers.items():
                        ask = partial(request, caller, service, call)
                        rate, times = clock(ask, pictures, options.clients)
                        p50, p95 = np.quantile(times, [0.5, 0.95])
                        row = f"{service} | {call} | {rate:.1f} | {p50:.0f} | {p95:.0f}"
                        print(f"| {name} | {row} |", flush=True)
        finally:
            for server in servers.values():
                server.stop()


def request(caller: Caller, service: str, call: str, data: bytes) -> None:
    """Add a picture or search for it; a few are there already, or refused."""
    fields = {"brief": "b"} if call == "add" else {}
    answer = caller.call(service, call, image=data, **fields)
    if answer.get("error_code") not in (None, 216681, 216202, 216203):
        raise RuntimeError(answer)


def at_side(path: Path, side: int) -> bytes:
    """The picture with its longer side at so many pixels, as a JPEG file."""
    rgb = read(path)
    factor = side / max(rgb.shape[:2])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return encode(np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=method)))


def clock(
    ask: Callable[[bytes], None], pictures: Sequence[bytes], clients: int
) -> tuple[float, list[float]]:
    """Ask for each picture; returns how many a second, and the milliseconds of each."""

    def timed(data: bytes) -> float:
        started = time.perf_counter()
        ask(data)
        return (time.perf_counter() - started) * 1000

    timed(pictures[0])
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as executor:
        times = list(executor.map(timed, pictures[1:]))
    return len(times) / (time.perf_counter() - started), times


if __name__ == "__main__":
    main()
