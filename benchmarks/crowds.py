"""Hundreds of connections that stall, and 200 pictures of 4 MiB at once: what others feel of it.

    scripts/bench crowds

Prints, for each way to stall, what searches of another application take beside so many such
connections and what the server holds and uses for them; then the peak of its memory while all
pictures come. Exits with 1 where the other one is refused, a stalled connection is still there
after a minute, an upload gets another answer than its search or code 4, or memory passes 2 GiB.
"""

import argparse
import select
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from support import pressure
from support.pictures import picture
from support.pressure import Turn
from support.server import Server
from tusou.errors import Problem

LIMIT = 2 << 30
PATIENCE = 75  # seconds after which a server has given up on whoever says nothing
UPLOADERS = 4  # applications, each of which has half of the places
_RATE = 4  # searches a second, few enough that none waits for another
_MEGABYTES = 2.8  # of a picture of which base64 and the form's escapes make nearly 4 MiB


def main() -> int:
    """Stall, send, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=400)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--patience", action="store_true", help="wait for stalled ones to be cut")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        wrong = list(stall(server, options.connections, options.searches, options.patience))
        wrong += upload(server, options.uploads)
        server.stop()
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def stall(server: Server, count: int, searches: int, patience: bool) -> Iterator[str]:
    """Connections that say something and then nothing."""
    slow, other = server.caller("similar"), server.caller("similar")
    pressure.stock(other, "similar", 10)
    turns: list[Turn] = [
        (pressure.call_of(other, "similar", "search", image=picture(seed), rn=5),)
        for seed in range(10)
    ]
    said = pressure.stalls(pressure.call_of(slow, "similar", "search").path)
    ask(server, turns, searches)
    print(f"| beside {count} that | p50 ms | p95 ms | MB more | handles | s of processor, idle |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, words in {"are not there": None, **said}.items():
        before = pressure.held(server.process.pid)
        with pressure.stalled(server.address, words or b"", 0 if words is None else count) as made:
            time.sleep(3)
            quiet = pressure.held(server.process.pid)
            time.sleep(2)
            idle = pressure.held(server.process.pid)
            times, codes = ask(server, turns, searches)
            if codes != {0}:
                yield f"beside those: {name}: codes {codes}"
            p50, p95 = np.quantile(times, [0.5, 0.95])
            print(
                f"| {name} | {p50:.0f} | {p95:.0f} | {(idle.bytes - before.bytes) / 1e6:.1f} | "
                f"{idle.handles} | {idle.processor - quiet.processor:.2f} |",
                flush=True,
            )
            if patience and made:
                left = outlast(made)
                print(f"  {left} of them are there {PATIENCE} s later")
                if left:
                    yield f"{left} that stall are there still: {name}"


def outlast(made: list[socket.socket]) -> int:
    """How many connections the server still keeps when it ought to have given up."""
    end = time.monotonic() + PATIENCE
    left = list(made)
    while left and time.monotonic() < end:
        ready, _, _ = select.select(left, [], [], end - time.monotonic())
        for one in ready:
            if not one.recv(65536):
                left.remove(one)
    return len(left)


def ask(server: Server, turns: list[Turn], searches: int) -> tuple[list[float], set[int]]:
    """Search one after another."""
    sent = pressure.steady(server.address, turns, _RATE, searches / _RATE, 1)
    return [one.ms for one in sent], {one.code for one in sent}


def upload(server: Server, count: int) -> Iterator[str]:
    """Pictures as large as may be, all at the same moment."""
    data = pressure.noisy_picture(_MEGABYTES)
    callers = [server.caller("similar") for _ in range(UPLOADERS)]
    made = [pressure.call_of(caller, "similar", "search", image=data) for caller in callers]
    calls = list(islice(cycle(made), count))
    before = pressure.held(server.process.pid)
    begun = time.perf_counter()
    sent = pressure.all_at_once(server.address, calls)
    seconds = time.perf_counter() - begun
    after = pressure.held(server.process.pid)
    codes = pressure.codes(sent)
    print(
        f"{count} pictures at once, bodies of {len(calls[0].body) / (1 << 20):.2f} MiB: codes "
        f"{dict(codes)} in {seconds:.1f} s; memory {before.bytes / 1e6:.0f} MB before, at the peak "
        f"{after.peak / 1e6:.0f} MB, then {after.bytes / 1e6:.0f} MB"
    )
    if set(codes) - {0, Problem.OVERLOADED.code}:
        yield f"codes answered to uploads: {dict(codes)}"
    if after.peak > LIMIT:
        yield f"memory at the peak was {after.peak / (1 << 20):.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
