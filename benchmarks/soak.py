"""Memory, file handles and answer times of a server under a steady load of 80 % of what it can do.

    scripts/bench soak --minutes 30

What it can do is measured first, by clients that send without a pause. Then searches, adds and
deletions come at a steady rate on all services; times count from when a call was due. Warm-up is
the first fifth. Exits with 1 where memory afterwards leaves ±5 % of its median, handles grow, or a
call is answered with an unknown error or not at all. Memory is that of stretches, by their medians:
what the requests of a moment need comes and goes with them.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from support import pressure
from support.pictures import picture
from support.pressure import Held, Sent, Turn
from support.server import Caller, Server
from tusou.errors import Problem
from tusou.services import SERVICES

CLIENTS = 8
CONNECTIONS = 48
MEMORY = 0.05
STRETCHES = 4
HANDLES = 8  # two a connection to the database, whose two pools open some as they need them
SHED = {Problem.OVERLOADED.code, Problem.QPS_LIMIT.code}


class Look(NamedTuple):
    """What the server held at a moment."""

    at: float
    held: Held


class Soaked(NamedTuple):
    """A run."""

    before: Held
    """Before it, when nobody is connected."""
    looks: list[Look]
    after: Held
    """After it, likewise."""
    sent: list[Sent]


def main() -> int:
    """Measure, load, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.8, help="of what the server can do")
    parser.add_argument("--rate", type=float, help="turns a second, in place of that share")
    parser.add_argument("--pictures", type=int, default=40, help="in each library")
    parser.add_argument("--services", nargs="+", default=list(SERVICES), choices=list(SERVICES))
    parser.add_argument("--measure", type=float, default=30, help="seconds for the capacity")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        caller = server.caller(*options.services)
        for service in options.services:
            pressure.stock(caller, service, options.pictures)
        turns = mixed(caller, options.services, options.pictures)
        rate = options.rate
        if rate is None:
            capacity = pressure.flat_out(server.address, turns, options.measure, CLIENTS)
            rate = options.share * capacity
            print(f"capacity: {capacity:.1f} turns a second", flush=True)
        print(f"sent: {rate:.1f} turns a second", flush=True)
        soaked = soak(server, turns, rate, options.minutes * 60)
        status = server.stop()
    report(soaked)
    wrong = list(faults(soaked))
    wrong += [f"the server ended with {status}"] if status else []
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def mixed(caller: Caller, services: list[str], pictures: int) -> list[Turn]:
    """Five searches to an add with its deletion, on each service; added ones are nobody else's."""
    turns: list[Turn] = []
    for number in range(20):
        for place, service in enumerate(services):
            searches = (picture((5 * number + one) % pictures) for one in range(5))
            turns += [
                (pressure.call_of(caller, service, "search", image=data, rn=10),)
                for data in searches
            ]
            own = picture(100_000 + 1000 * place + number)
            turns.append(pressure.come_and_go(caller, service, own))
    order = np.random.default_rng(0).permutation(len(turns))
    return [turns[place] for place in order]


def soak(server: Server, turns: list[Turn], rate: float, seconds: float) -> Soaked:
    """Send from another process, and look at the server once a second."""
    looks: list[Look] = []
    before = quiet(server)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        load: AsyncResult[list[Sent]] = pool.apply_async(
            pressure.steady, (server.address, turns, rate, seconds, CONNECTIONS)
        )
        begun = time.monotonic()
        while not load.ready():
            at = time.monotonic() - begun
            looks.append(Look(at, pressure.held(server.process.pid)))
            if len(looks) % 60 == 0:
                say(looks[-1])
            load.wait(1)
        return Soaked(before, looks, quiet(server), load.get())


def quiet(server: Server) -> Held:
    """What the server holds when idle connections have been closed."""
    time.sleep(7)
    return pressure.held(server.process.pid)


def say(look: Look) -> None:
    """How it goes, once a minute."""
    megabytes, load = look.held.bytes / 1e6, os.getloadavg()[0]
    print(
        f"{look.at / 60:.0f} min: {megabytes:.0f} MB, {look.held.handles} handles, load {load:.0f}",
        flush=True,
    )


def warm(looks: list[Look]) -> list[Look]:
    """Those after the warm-up, without the last seconds, in which connections close."""
    whole = looks[-1].at
    return [look for look in looks if whole / 5 <= look.at <= whole - 3]


def sizes(looks: list[Look]) -> NDArray[np.float64]:
    """Bytes of memory in each stretch after the warm-up."""
    memory = np.array([look.held.bytes for look in warm(looks)])
    return np.array([np.median(stretch) for stretch in np.array_split(memory, STRETCHES)])


def report(soaked: Soaked) -> None:
    """Print times by call, and what was held."""
    sent = soaked.sent
    print("| call | calls | shed | p50 ms | p95 ms | p99 ms | longest ms |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in [*sorted({one.name for one in sent}), ""]:
        some = [one for one in sent if name in ("", one.name)]
        times = np.quantile([one.ms for one in some], [0.5, 0.95, 0.99, 1])
        shed = sum(one.code in SHED for one in some)
        row = " | ".join(f"{ms:.0f}" for ms in times)
        print(f"| {name or 'all'} | {len(some)} | {shed} | {row} |")
    memory = np.array([look.held.bytes for look in warm(soaked.looks)]) / 1e6
    stretches = ", ".join(f"{size / 1e6:.0f}" for size in sizes(soaked.looks))
    print(
        f"memory after the warm-up: median {np.median(memory):.0f} MB, "
        f"{memory.min():.0f} to {memory.max():.0f}; medians of stretches {stretches}"
    )
    print(f"handles with nobody connected: {soaked.before.handles}, then {soaked.after.handles}")


def faults(soaked: Soaked) -> Iterator[str]:
    """What must not be."""
    found = pressure.codes(soaked.sent)
    fine = SHED | {0, Problem.ITEM_EXISTS.code} if set(found) & SHED else {0}
    bad = {code: count for code, count in found.items() if code not in fine}
    if bad:
        yield f"codes answered: {bad}"
    stretches = sizes(soaked.looks)
    away = np.abs(stretches / np.median(stretches) - 1).max()
    if away > MEMORY:
        yield f"memory was {away:.1%} from its median"
    if soaked.after.handles > soaked.before.handles + HANDLES:
        yield f"handles grew from {soaked.before.handles} to {soaked.after.handles}"


if __name__ == "__main__":
    sys.exit(main())
