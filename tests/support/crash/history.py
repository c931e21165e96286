"""What a server has promised: the state of each picture, and changes nobody answered for."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Slot(NamedTuple):
    """A picture of the stock in the library of a service, there or not."""

    service: str
    number: int


class Row(NamedTuple):
    """What was said of a picture that is there."""

    brief: str
    classes: tuple[int, int]


State = Row | None
"""None: the picture is not there."""


@dataclass(eq=False)
class Change:
    """One change of one picture or of several, which is made as a whole."""

    after: Mapping[Slot, State]
    answered: bool = False


@dataclass
class History:
    """Acknowledged states, and the changes on their way.

    Each picture has one writer, so its changes follow each other; a writer that gets no answer
    leaves its change in doubt, and `resolve` is told what became of it.
    """

    states: dict[Slot, State]
    counts: Counter[str] = field(default_factory=Counter)
    """Changes answered, in doubt, and of those made or not."""
    _open: list[Change] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def change(self, after: Mapping[Slot, State]) -> Iterator[Change]:
        """Send a change while the block runs, and say in it whether it was answered.

        A block that raises or says nothing leaves the change in doubt.
        """
        change = Change(after)
        with self._lock:
            self._open.append(change)
        yield change
        with self._lock:
            if change.answered:
                self._open.remove(change)
                self.states.update(after)
                self.counts["acknowledged"] += 1

    def resolve(self, found: Mapping[Slot, State]) -> list[str]:
        """Learn what became of what was in doubt; tell everything that is not as promised."""
        wrong = []
        with self._lock:
            for change in self._open:
                before = {slot: self.states[slot] for slot in change.after}
                now = {slot: found[slot] for slot in change.after}
                if now == change.after:
                    self.counts["unanswered and made"] += 1
                elif now == before:
                    self.counts["unanswered and not made"] += 1
                else:
                    wrong.append(f"half done: {before} was to be {change.after} and is {now}")
                self.states.update(now)
            self._open.clear()
            wrong += [
                f"{slot} was left as {state} and is {found[slot]}"
                for slot, state in self.states.items()
                if found[slot] != state
            ]
            self.states.update(found)
        return wrong
