"""Clients that change and search libraries over HTTP, and write down what they are told."""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx

from support.console import Visitor
from support.crash.history import Change, History, Row, Slot, State
from support.crash.stock import Stock
from support.server import Answer, Caller
from tusou.errors import Problem
from tusou.services import SERVICES

CLASSES = ((1, 11), (2, 11), (2, 12), (3, 13))


class Sent:
    """Calls that were sent to a server since it started, and those answered."""

    def __init__(self, left: Counter[tuple[str, str]]) -> None:
        """Begin with the pictures that imports of the server before have left to this one."""
        self._lock = threading.Lock()
        self.calls = Counter(left)
        """By service and operation."""
        self.left: Counter[tuple[str, str]] = Counter()
        """Pictures of imports that are not known to be done; they count as calls."""
        self.answered: Counter[tuple[str, str]] = Counter()

    @property
    def answers(self) -> int:
        """Calls answered, of all kinds."""
        with self._lock:
            return self.answered.total()

    @contextmanager
    def call(self, service: str, operation: str) -> Iterator[None]:
        """Send a call while the block runs; one that does not raise was answered."""
        with self._lock:
            self.calls[service, operation] += 1
        yield
        with self._lock:
            self.answered[service, operation] += 1

    def import_(self, service: str, pictures: int) -> None:
        """An import is sent, whose pictures are added now or by the next server."""
        with self._lock:
            self.calls[service, "add"] += pictures
            self.left[service, "add"] += pictures

    def imported(self, service: str, pictures: int) -> None:
        """It is done."""
        with self._lock:
            self.answered[service, "add"] += pictures
            self.left[service, "add"] -= pictures


class Broken(AssertionError):
    """An answer that must not be."""


class Client:
    """One writer: changes pictures of its own, so that it knows what each answer must be."""

    def __init__(
        self,
        number: int,
        random: Random,
        history: History,
        stock: Stock,
        caller: Caller,
        visitor: Visitor,
        sent: Sent,
    ) -> None:
        self._name = f"w{number}."
        self._random = random
        self._history = history
        self._stock = stock
        self._caller = caller
        self._visitor = visitor
        self._sent = sent
        self._mine: dict[str, list[Slot]] = {}
        for slot in stock.slots_of(number):
            self._mine.setdefault(slot.service, []).append(slot)
        self.stopped = threading.Event()

    def run(self) -> None:
        """Do one thing after the other until the server is gone."""
        acts, weights = zip(*ACTS, strict=True)
        while not self.stopped.is_set():
            (act,) = self._random.choices(acts, weights)
            slots = self._mine[self._random.choice(list(self._mine))]
            try:
                act(self, slots)
            except httpx.TransportError:
                return

    def add_or_touch(self, slots: Sequence[Slot]) -> None:
        """Add a picture; one that is there must be refused as such."""
        slot = self._random.choice(slots)
        row = self._new_row()
        fields = {"brief": row.brief, "tags": _tags(row)}
        if self._history.states[slot] is not None:
            answer = self._call(slot, "add", image=self._stock.file(slot), **fields)
            _expect(answer, Problem.ITEM_EXISTS)
            return
        with self._history.change({slot: row}) as change:
            if self._random.random() < 0.5:
                self._settle(change, self._add_natively(slot, row))
            else:
                self._settle(
                    change, self._call(slot, "add", image=self._stock.file(slot), **fields)
                )

    def update(self, slots: Sequence[Slot]) -> None:
        """Change brief and classes."""
        slot, row = self._random.choice(slots), self._new_row()
        fields = {
            "cont_sign": self._stock.sign(slot),
            "brief": row.brief,
            "tags": _tags(row),
        }
        if self._history.states[slot] is None:
            _expect(self._call(slot, "update", **fields), Problem.ITEM_MISSING)
            return
        with self._history.change({slot: row}) as change:
            self._settle(change, self._call(slot, "update", **fields))

    def delete(self, slots: Sequence[Slot]) -> None:
        """Delete one picture, or several by one call."""
        count = self._random.choice((1, 1, 1, 3))
        chosen = self._random.sample(slots, min(count, len(slots)))
        signs = ";".join(self._stock.sign(slot) for slot in chosen)
        there = [slot for slot in chosen if self._history.states[slot] is not None]
        if not there:
            _expect(self._call(chosen[0], "delete", cont_sign=signs), Problem.ITEM_MISSING)
            return
        with self._history.change(dict.fromkeys(there)) as change:
            self._settle(change, self._call(chosen[0], "delete", cont_sign=signs))

    def search(self, slots: Sequence[Slot]) -> None:
        """Search with a copy: found if it is there, by what was last said of it."""
        slot = self._random.choice(slots)
        self.look_for(slot, self._history.states[slot])

    def look_for(self, slot: Slot, state: State) -> None:
        """Search for a picture by a copy, which no look at SQL alone can find.

        Raises:
            Broken: it is found and should not be, or the other way round.
        """
        limit = SERVICES[slot.service].most_results
        answer = self._call(slot, "search", image=self._stock.copy(slot), rn=limit)
        _expect(answer, None)
        sign = self._stock.sign(slot)
        briefs = [hit["brief"] for hit in answer["result"] if hit["cont_sign"] == sign]
        if briefs != ([] if state is None else [state.brief]):
            raise Broken(f"{slot} is {state} and is found as {briefs}")

    def list_all(self, slot: Slot, states: Mapping[Slot, State], classes: tuple[int, int]) -> None:
        """Search a library that ranks all it has: what SQL has and nothing else, by class too.

        Raises:
            Broken: something is found too much or too little.
        """
        mine = {one: row for one, row in states.items() if one.service == slot.service and row}
        limit = SERVICES[slot.service].most_results
        for row in (None, Row("", classes)):
            chosen = {} if row is None else {"tags": _tags(row)}
            answer = self._call(slot, "search", image=self._stock.copy(slot), rn=limit, **chosen)
            _expect(answer, None)
            found = sorted(hit["cont_sign"] for hit in answer["result"])
            wanted = {one for one, has in mine.items() if not row or has.classes == row.classes}
            if found != sorted(self._stock.sign(one) for one in wanted):
                raise Broken(f"{slot.service}, filter {chosen}: {found} found, {wanted} there")

    def change_many(self, slots: Sequence[Slot]) -> None:
        """Delete or reclass all of one's own in a library, through the console."""
        there = {slot: self._history.states[slot] for slot in slots}
        rows = {slot: row for slot, row in there.items() if row is not None}
        if not rows:
            return
        service, classes = slots[0].service, self._random.choice(CLASSES)
        fields: dict[str, str] = {"all": "1", "q": self._name, "act": "delete"}
        after: dict[Slot, State] = dict.fromkeys(rows)
        if self._random.random() < 0.6:
            fields |= {"act": "reclass", "new_tags": "{},{}".format(*classes)}
            after = {slot: row._replace(classes=classes) for slot, row in rows.items()}
        path = f"/libraries/{self._caller.app_id}/{service}/changes"
        with self._history.change(after) as change:
            asked = self._visitor.post(path, data=fields)
            if asked.status_code != 200:
                raise Broken(asked.text)
            change.answered = True  # and so it must be made, by the next server if not by this one
        self._history.counts["of many pictures"] += 1
        while not self.stopped.wait(0.1):
            if self._visitor.get(f"{path}/{asked.json()['id']}").json()["state"] == "done":
                return

    def bring_in(self, slots: Sequence[Slot]) -> None:
        """Import all of one's own that a library lacks, in the background."""
        rows = {slot: self._new_row() for slot in slots if self._history.states[slot] is None}
        if not rows:
            return
        service = slots[0].service
        with self._history.change(rows) as change:
            self._sent.import_(service, len(rows))
            asked = self._native(
                "POST",
                f"{service}/import",
                content=b"".join(map(self._line, rows.items())),
                headers={"content-type": "application/x-ndjson"},
            )
            if asked.status_code != 202:
                raise Broken(asked.text)
            change.answered = True  # likewise
        self._history.counts["imports"] += 1
        while not self.stopped.wait(0.1):
            task = self._native("GET", f"{service}/tasks/{asked.json()['id']}").json()
            if task["state"] == "done":
                self._sent.imported(service, len(rows))
                return

    def compare(self, slots: Sequence[Slot]) -> None:
        """Have a library looked through for duplicates; it goes on whoever is killed."""
        asked = self._native("POST", f"{slots[0].service}/duplicates/scan")
        if asked.status_code != 202:
            raise Broken(asked.text)
        self._history.counts["scans asked for"] += 1

    def _native(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self._caller.token}", **options.pop("headers", {})}
        return self._caller.http.request(
            method, f"/v1/libraries/{path}", headers=headers, **options
        )

    def _line(self, item: tuple[Slot, Row]) -> bytes:
        slot, row = item
        image = base64.b64encode(self._stock.file(slot)).decode()
        facts = {"image": image, "brief": row.brief, "tags": list(row.classes)}
        return json.dumps(facts).encode() + b"\n"

    def _add_natively(self, slot: Slot, row: Row) -> Answer:
        with self._sent.call(slot.service, "add"):
            response = self._native(
                "POST",
                f"{slot.service}/pictures",
                files={"image": self._stock.file(slot)},
                data={"brief": row.brief, "tags": _tags(row)},
            )
        return dict(response.json())

    def _call(self, slot: Slot, operation: str, **fields: Any) -> Answer:
        with self._sent.call(slot.service, operation):
            return self._caller.call(slot.service, operation, **fields)

    def _settle(self, change: Change, answer: Mapping[str, Any]) -> None:
        if answer.get("error_code") == Problem.UNAVAILABLE.code:
            return  # nobody knows
        if "error_code" in answer or "error" in answer:
            raise Broken(f"{change.after}: {answer}")
        change.answered = True

    def _new_row(self) -> Row:
        word = f"{self._name}{self._random.getrandbits(40):x}"
        return Row(f"{word} 图 {time.monotonic_ns()}", self._random.choice(CLASSES))


def _tags(row: Row) -> str:
    return "{},{}".format(*row.classes)


def _expect(answer: Mapping[str, Any], problem: Problem | None) -> None:
    if answer.get("error_code") != (None if problem is None else problem.code):
        raise Broken(f"{answer} where {problem} was due")


Act = Callable[[Client, Sequence[Slot]], None]
ACTS: tuple[tuple[Act, int], ...] = (
    (Client.add_or_touch, 12),
    (Client.update, 5),
    (Client.delete, 5),
    (Client.search, 4),
    (Client.change_many, 1),
    (Client.bring_in, 1),
    (Client.compare, 1),
)
"""What a client does, and how often; a new kind of change is a row here."""
