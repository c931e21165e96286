"""Kills a server under load, starts it again and looks whether all promises were kept."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from sqlalchemy import update

from support.console import Visitor
from support.crash.audit import Audit
from support.crash.history import History, Slot
from support.crash.load import CLASSES, Broken, Client, Sent
from support.crash.stock import Stock
from support.models import make_pack
from support.server import Caller, Server
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.tables import apps

PACKS = ("one@1", "two@1")
_ENVIRON = {"TUSOU_UNDO_SECONDS": "1"}
_AGE = 2 * 3600  # past the grace in which a file may wait for its row


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run goes; the same plan sends the same changes and kills after the same counts.

    Which of the changes a kill meets depends on the machine, so a run is repeated in kind only.
    """

    seed: int
    services: Sequence[str] = tuple(SERVICES)
    pictures: int = 16
    """Of each service."""
    writers: int = 4
    calls: int = 60
    """Calls answered before a kill, at most."""
    stops: float = 0.05
    """Share of rounds in which the server is told to stop, and may finish what it has begun."""
    starting: float = 0.15
    """Share of kills that meet a server while it starts."""
    moves: float = 0.1
    """Share of rounds in which a library begins to move to another model pack."""


class Run:
    """One folder, and the servers that live and die on it."""

    def __init__(self, data: Path, plan: Plan) -> None:
        """Begin with empty libraries and a running server."""
        self.plan = plan
        self.kills = 0
        self.counts: Counter[str] = Counter()
        self.data = data
        self._random = Random(plan.seed)
        self.stock = Stock(plan.services, plan.pictures, plan.writers, plan.seed)
        self.history = History(dict.fromkeys(self.stock), self.counts)
        self._touched: set[Slot] = set()
        for seed, pack in enumerate(PACKS):
            name = pack.partition("@")[0]
            make_pack(data / "packs" / pack, name, dimension=32 * (seed + 1), seed=seed)
        self._office = Office(Settings.load({}, data=data))
        app, secret = self._office.apps.create("crash", plan.services)
        for service in plan.services:
            self._office.create_library(app.id, service, PACKS[0])
        self._backdate(app.id)
        self._audit = Audit(self._office, self.stock)
        self._left: Counter[tuple[str, str]] = Counter()
        self._server = self._start()
        token = self._server.token(app.api_key, secret)
        self._caller = Caller(self._server.http, app.id, app.api_key, secret, token)
        self._visitor = Visitor(self._server, "operator")

    def round(self) -> list[str]:
        """End a server at a random moment, and tell everything that is wrong after it."""
        if self._random.random() < self.plan.moves:
            self._begin_a_move()
        before = dict(self.history.states)
        stop = self._random.random() < self.plan.stops
        wrong = [*self._end_under_load(stop), *self._usage(stop)]
        self._left = self._sent.left
        # Every server from here on finds what is left over old enough to be swept up.
        self._age_files()
        files = len(self._audit.names())
        while self._random.random() < self.plan.starting:
            self._kill_while_starting()
        self._server = self._start()
        self._caller = replace(self._caller, http=self._server.http)
        self._visitor.http.base_url = f"{self._server.address}/console"
        wrong += self._look(files)
        now = self.history.states
        self._touched = {slot for slot in self.stock if now[slot] != before[slot]}
        return [*wrong, *self._search()]

    def end(self) -> list[str]:
        """Stop the server in good order, and look at everything a last time."""
        self._touched = set(self.stock)
        wrong = list(self._search())
        self._audit.wait_for_moves()
        self._audit.wait_for_scans()
        rows = self._audit.rows()
        wrong += [*self._audit.features(rows), *self._search()]
        if self._server.stop() != 0:
            wrong.append("the server did not stop in good order")
        wrong += self._usage(stopped=True)
        self.close()
        return wrong

    def close(self) -> None:
        """Leave nothing running."""
        self._visitor.http.close()
        self._server.kill()
        self._office.close()

    def _start(self) -> Server:
        self._sent, self._counted = Sent(self._left), self._audit.counted()
        return Server(self.data, _ENVIRON)

    def _end_under_load(self, stop: bool) -> Iterator[str]:
        """Kill the server while it is busy, or tell it to stop.

        After so many answers, not after so many seconds: that is much alike on every machine.
        """
        calls, seconds = self._random.randint(0, self.plan.calls), self._random.uniform(0, 0.1)
        clients = [self._client(number) for number in range(self.plan.writers)]
        with ThreadPoolExecutor(len(clients)) as pool:
            running = [pool.submit(client.run) for client in clients]
            self._wait_for_answers(calls, running)
            time.sleep(seconds)
            process = self._server.process
            os.killpg(process.pid, signal.SIGTERM if stop else signal.SIGKILL)
            status = process.wait(60)
            for client in clients:
                client.stopped.set()
        if status != (0 if stop else -signal.SIGKILL):
            yield f"the server ended with status {status}"
        self._server.kill()  # what is left of it here
        self.kills += not stop
        self.counts["told to stop"] += stop
        for future in running:
            try:
                future.result()
            except Broken as error:
                yield f"under load: {error}"

    def _wait_for_answers(self, calls: int, running: Sequence[Future[None]]) -> None:
        """Wait until clients have so many more; or one of them has ended, which it should not."""
        calls += self._sent.answers
        while self._sent.answers < calls and not any(one.done() for one in running):
            time.sleep(0.005)

    def _kill_while_starting(self) -> None:
        command = [sys.executable, "-m", "tusou.cli", "serve", "--port", "0", "--data"]
        process = subprocess.Popen(
            [*command, str(self.data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            env=os.environ | _ENVIRON,
        )
        time.sleep(self._random.uniform(0.3, 4))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.kills += 1
        self.counts["killed while starting"] += 1

    def _look(self, files: int) -> Iterator[str]:
        rows = self._audit.rows()
        yield from self.history.resolve(self._audit.states(rows))
        yield from self._audit.features(rows)
        yield from self._audit.files(rows)
        self.counts["files of no picture"] += max(0, files - 2 * len(rows))

    def _search(self) -> Iterator[str]:
        """Indexes find what SQL has and nothing else: all of a library where all is ranked.

        Libraries that return only what they verified are asked for what changed and some more.
        """
        client, states = self._client(0), self.history.states
        local = {name for name in self.plan.services if SERVICES[name].explains}
        some = set(self._random.sample(list(self.stock), min(4, len(list(self.stock)))))
        asked = [
            slot for slot in self.stock if slot.service in local and slot in some | self._touched
        ]
        asked += [Slot(name, 0) for name in self.plan.services if name not in local]
        for slot in asked:
            try:
                client.look_for(slot, states[slot])
                if slot.service not in local:
                    client.list_all(slot, states, self._random.choice(CLASSES))
            except Broken as error:
                yield f"search: {error}"

    def _usage(self, stopped: bool) -> Iterator[str]:
        """Counts that a server left: no call twice; none missing if it was told to stop."""
        for call, stored in self._audit.counted().items():
            grown, sent = stored - self._counted.get(call, 0), self._sent.calls[call]
            if grown > sent or (stopped and grown < self._sent.answered[call]):
                yield f"usage of {call}: {sent} calls sent, {grown} counted"
            self.counts["calls sent"] += sent
            self.counts["calls counted"] += grown

    def _client(self, number: int) -> Client:
        random = Random(self._random.getrandbits(64))
        return Client(
            number, random, self.history, self.stock, self._caller, self._visitor, self._sent
        )

    def _begin_a_move(self) -> None:
        service = self._random.choice(list(self.plan.services))
        app_id = self._caller.app_id
        own = self._office.registry.get(app_id, service).pack
        (other,) = set(PACKS) - {own}
        self._office.move_library(app_id, service, other)
        self.counts["moves begun"] += 1

    def _backdate(self, app_id: int) -> None:
        """Let the application be older than its files seem: others would not be swept up."""
        with self._office.database.write() as connection:
            connection.execute(
                update(apps).where(apps.c.id == app_id).values(created=int(time.time()) - 2 * _AGE)
            )

    def _age_files(self) -> None:
        old = time.time() - _AGE
        for path in (self.data / "blobs").glob("*/*"):
            os.utime(path, (old, old))
