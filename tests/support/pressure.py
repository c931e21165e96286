"""Pressure on a real server: calls at a steady rate, connections that stall, and what it holds."""

import http.client
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np

from support.pictures import encoded, picture
from support.server import Caller, b64
from tusou.errors import Problem
from tusou.services import SERVICES

_FORM = {"content-type": "application/x-www-form-urlencoded"}
_LOST = -1  # the code of a call that got no answer
_IDLE_SECONDS = 1
_THERE = Problem.ITEM_EXISTS.code  # its deletion was shed the last time


class Call(NamedTuple):
    """What is sent."""

    name: str
    path: str
    body: bytes


Turn = tuple[Call, ...]
"""Calls that follow one another, each when the one before it is answered."""


class Sent(NamedTuple):
    """A call, and what became of it."""

    name: str
    at: float
    """Seconds from the start to when it was due."""
    ms: float
    """From when it was due to its answer, so that a server that is late is not spared calls."""
    code: int
    """0: a success."""


def call_of(caller: Caller, service: str, operation: str, **fields: object) -> Call:
    """A call with an application's token; bytes are sent as base64."""
    form = {
        name: b64(value) if isinstance(value, bytes) else value for name, value in fields.items()
    }
    path = f"{SERVICES[service].prefix}/{operation}?access_token={caller.token}"
    return Call(f"{service} {operation}", path, urlencode(form).encode())


def come_and_go(caller: Caller, service: str, data: bytes) -> Turn:
    """Add a picture, and delete it again."""
    add = call_of(caller, service, "add", image=data, brief="comes and goes")
    return (add, call_of(caller, service, "delete", image=data))


def stock(caller: Caller, service: str, pictures: int) -> None:
    """Fill a library with pictures of the first seeds."""
    for seed in range(pictures):
        answer = caller.call(service, "add", image=picture(seed), brief=str(seed))
        assert "error_code" not in answer, answer


def noisy_picture(megabytes: float) -> bytes:
    """A picture file of nearly so many megabytes: noise does not shrink."""
    side = int((megabytes * (1 << 20) / 3) ** 0.5) - 8
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return encoded(noise, "PNG")


class _Client:
    """One connection; made again where it was idle, for a server closes such."""

    def __init__(self, address: str) -> None:
        self._http = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self._used = time.monotonic()

    def send(self, call: Call) -> int:
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self._http.close()
        try:
            return self._send(call)
        finally:
            self._used = time.monotonic()

    def _send(self, call: Call) -> int:
        try:
            self._http.request("POST", call.path, call.body, _FORM)
            answer = json.loads(self._http.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            self._http.close()
            return _LOST
        return int(answer.get("error_code", 0))

    def close(self) -> None:
        self._http.close()


def steady(
    address: str, turns: Sequence[Turn], rate: float, seconds: float, connections: int
) -> list[Sent]:
    """Begin so many turns a second, whatever is answered, as far as connections are free.

    Turns are taken in order and again from the first, so one that changes something must come
    round only when it has ended.
    """
    begun, sent = time.perf_counter() + 0.2, list[Sent]()
    count = int(rate * seconds)
    numbers, lock = iter(range(count)), threading.Lock()

    def run() -> None:
        client = _Client(address)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            due = begun + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            for call in turns[number % len(turns)]:
                code = client.send(call)
                ended = time.perf_counter()
                with lock:
                    sent.append(Sent(call.name, due - begun, (ended - due) * 1000, code))
                due = ended
                if code not in (0, _THERE):
                    break  # what follows would only be told that nothing is there
        client.close()

    _at_once(run, connections)
    return sent


def flat_out(address: str, turns: Sequence[Turn], seconds: float, clients: int) -> float:
    """How many turns a second end when so many clients send one after another."""
    ended, numbers = itertools.count(), itertools.count()
    end = time.perf_counter() + seconds

    def run() -> None:
        client = _Client(address)
        while time.perf_counter() < end:
            for call in turns[next(numbers) % len(turns)]:
                client.send(call)
            next(ended)
        client.close()

    begun = time.perf_counter()
    _at_once(run, clients)
    return next(ended) / (time.perf_counter() - begun)


def all_at_once(address: str, calls: Sequence[Call]) -> list[Sent]:
    """Send all calls at the same moment, each over a connection of its own."""
    sent = list[Sent]()
    numbers, start = itertools.count(), threading.Barrier(len(calls))

    def run() -> None:
        call, client = calls[next(numbers)], _Client(address)
        start.wait()
        begun = time.perf_counter()
        code = client.send(call)
        sent.append(Sent(call.name, 0, (time.perf_counter() - begun) * 1000, code))
        client.close()

    _at_once(run, len(calls))
    return sent


def _at_once(run: Callable[[], None], threads: int) -> None:
    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def codes(sent: Sequence[Sent]) -> Counter[int]:
    """How many of each code."""
    return Counter(one.code for one in sent)


def stalls(path: str) -> dict[str, bytes]:
    """What clients send that then say nothing more, by what they are like.

    Args:
        path: Of a call that an application may make.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {_FORM['content-type']}\r\n"
    return {
        "says nothing": b"",
        "stops within the headers": head.encode(),
        "stops before the body": f"{head}Content-Length: 4000000\r\n\r\n".encode(),
        "stops within the body": f"{head}Content-Length: 4000000\r\n\r\nimage=AAAA".encode(),
    }


@contextmanager
def stalled(address: str, said: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that say something and then nothing, while the block runs."""
    host, port = address.removeprefix("http://").split(":")
    with ExitStack() as closing:
        made = []
        for _ in range(count):
            one = closing.enter_context(socket.create_connection((host, int(port)), 60))
            one.sendall(said)
            made.append(one)
        yield made


class Held(NamedTuple):
    """What a process holds."""

    bytes: int
    """Of memory, now."""
    peak: int
    """Of memory, at most since it began."""
    handles: int
    """Files and connections."""
    processor: float
    """Seconds used so far."""


def held(pid: int) -> Held:
    """What a process holds now."""
    process = Path(f"/proc/{pid}")
    lines = (line.split() for line in (process / "status").read_text().splitlines())
    sizes = {words[0]: int(words[1]) << 10 for words in lines if words[-1] == "kB"}
    times = (process / "stat").read_text().rpartition(")")[2].split()
    ticks = int(times[11]) + int(times[12])
    handles = sum(1 for _ in (process / "fd").iterdir())
    return Held(sizes["VmRSS:"], sizes["VmHWM:"], handles, ticks / 100)
