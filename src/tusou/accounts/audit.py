"""The record of administrative acts: who did what to which application, and when."""

import json
import os
import pwd
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from tusou.storage.database import Database
from tusou.storage.tables import audit

_actor: ContextVar[str | None] = ContextVar("actor", default=None)


@contextmanager
def acting(who: str) -> Iterator[None]:
    """Acts of the block are those of `who`: of a person whom the server works for."""
    before = _actor.set(who)
    try:
        yield
    finally:
        _actor.reset(before)


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: int
    at: int
    """UTC seconds."""
    who: str
    act: str
    app_id: int | None
    facts: Mapping[str, object]


class Audit:
    """Writes acts down in the transaction that does them, so that there is none without the other.

    Facts are shown to whoever may read the record: keys and tokens are none of them.
    """

    def __init__(
        self, database: Database, who: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Write in the name of `who`, or of whom `acting` says; None: who runs this process."""
        self._database = database
        self._who = who or _system_user()
        self._clock = clock

    def note(
        self, connection: Connection, act: str, app_id: int | None = None, **facts: object
    ) -> None:
        """Add an act to the transaction that does it."""
        connection.execute(
            insert(audit).values(
                at=int(self._clock()),
                who=_actor.get() or self._who,
                act=act,
                app_id=app_id,
                facts=json.dumps(facts, ensure_ascii=False),
            )
        )

    def noting(
        self, act: str, app_id: int | None = None, **facts: object
    ) -> Callable[[Connection], None]:
        """`note` for a transaction that is somebody else's."""
        return lambda connection: self.note(connection, act, app_id, **facts)

    def list(self, app_id: int | None = None, most: int = 100) -> list[Entry]:
        """The latest acts, oldest first; of one application or of all."""
        query = select(audit).order_by(audit.c.id.desc()).limit(most)
        if app_id is not None:
            query = query.where(audit.c.app_id == app_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Entry(row.id, row.at, row.who, row.act, row.app_id, json.loads(row.facts))
            for row in reversed(rows)
        ]


def _system_user() -> str:
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run under a number that has no name
        return f"uid {number}"
