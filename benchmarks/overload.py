"""Five times as many calls as the server can answer, and how soon it is itself again.

    scripts/bench overload --seconds 20

One application searches at five times the rate that clients reach who send without a pause; beside
it another searches once a second, before, meanwhile and after. Exits with 1 where the greedy one
gets another refusal than code 4 or 18, the other one is refused, or its calls a second after the
end take more than twice what they took before.
"""

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import NamedTuple

import numpy as np

from support import pressure
from support.pictures import picture
from support.pressure import Sent, Turn
from support.server import Caller, Server
from tusou.errors import Problem
from tusou.services import SERVICES

PICTURES = 20
CLIENTS = 8
SHED = {Problem.OVERLOADED.code, Problem.QPS_LIMIT.code}
AROUND = 10  # seconds before the storm, and after it
CALM = 2.0
# More than an application has places, so that the calls do come at the rate they should.
CONNECTIONS = 300


class Stormed(NamedTuple):
    """A run."""

    greedy: list[Sent]
    other: list[Sent]
    """From ten seconds before the storm to ten after."""
    again: list[Sent]
    """The greedy application's own calls after the storm, once a second."""


def main() -> int:
    """Measure, storm, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--times", type=float, default=5)
    parser.add_argument("--service", default="similar", choices=list(SERVICES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        greedy, other = (searches(server, options.service) for _ in range(2))
        capacity = pressure.flat_out(server.address, greedy, 10, CLIENTS)
        rate = options.times * capacity
        print(f"capacity: {capacity:.1f} searches a second; sent: {rate:.0f}", flush=True)
        stormed = storm(server.address, (greedy, other), rate, options.seconds)
        peak = pressure.held(server.process.pid).peak
        status = server.stop()
    print(f"memory at the peak: {peak / 1e6:.0f} MB")
    wrong = list(judge(stormed, options.seconds))
    wrong += [f"the server ended with {status}"] if status else []
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def searches(server: Server, service: str) -> list[Turn]:
    """Searches of a new application with a few pictures."""
    caller: Caller = server.caller(service)
    pressure.stock(caller, service, PICTURES)
    return [
        (pressure.call_of(caller, service, "search", image=picture(seed), rn=5),)
        for seed in range(PICTURES)
    ]


def storm(address: str, turns: tuple[list[Turn], list[Turn]], rate: float, seconds: int) -> Stormed:
    """The greedy one sends from another process while the other goes on."""
    greedy, other = turns
    ease: list[Sent] = []
    whole = seconds + 2 * AROUND

    def go_on() -> None:
        ease.extend(pressure.steady(address, other, 1, whole, 10))

    beside = threading.Thread(target=go_on)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(len, ([],))  # it has started when this is answered
        beside.start()
        beside.join(AROUND)
        sent: AsyncResult[list[Sent]] = pool.apply_async(
            pressure.steady, (address, greedy, rate, seconds, CONNECTIONS)
        )
        beside.join(seconds)
        time.sleep(0.5)  # not at the very moments of the other's calls
        again = pressure.steady(address, greedy, 1, AROUND, 10)
        beside.join()
        return Stormed(sent.get(), ease, again)


def judge(stormed: Stormed, seconds: int) -> Iterator[str]:
    """Print what happened, and tell what must not."""
    greedy = pressure.codes(stormed.greedy)
    refused = [one.ms for one in stormed.greedy if one.code in SHED]
    if refused:
        p50, p95, longest = np.quantile(refused, [0.5, 0.95, 1])
        print(
            f"greedy: {greedy.total()} calls, {greedy[0] / seconds:.1f} a second answered, by code "
            f"{dict(greedy)}; refused after p50 {p50:.0f}, p95 {p95:.0f}, {longest:.0f} ms at most"
        )
    else:
        yield "nothing was refused"
    others = sorted(set(greedy) - SHED - {0})
    if others:
        yield f"codes answered to the greedy one: {others}"
    if any(one.code for one in stormed.other):
        yield f"codes answered to the other one: {dict(pressure.codes(stormed.other))}"
    end = AROUND + seconds
    spans = {
        "before": (0, AROUND),
        "meanwhile": (AROUND, end),
        "a second after": (end + 1, end + AROUND),
    }
    p95 = {}
    for name, (low, high) in spans.items():
        times = [one.ms for one in stormed.other if low <= one.at < high]
        p50, p95[name] = np.quantile(times, [0.5, 0.95])
        print(f"the other {name}: p50 {p50:.0f}, p95 {p95[name]:.0f}, {max(times):.0f} ms at most")
    line = ", ".join(f"{one.ms:.0f}" for one in sorted(stormed.again, key=lambda one: one.at))
    print(f"the greedy one's own calls after it, one a second: {line} ms")
    if p95["a second after"] > CALM * p95["before"]:
        yield "the other's calls a second after the storm are slower than before it"


if __name__ == "__main__":
    sys.exit(main())
