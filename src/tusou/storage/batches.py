"""Changes of many pictures, as SQL keeps them: asked for, called off, under way, done."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Row, delete, insert, select, update

from tusou.errors import Problem, TusouError
from tusou.storage.database import Also, Database
from tusou.storage.listing import from_json, to_json
from tusou.storage.tables import (
    batches,
    capacity_requests,
    index_times,
    items,
    libraries,
    moves,
    stale_items,
)
from tusou.types import Filter

Act = Literal["delete", "reclass", "release"]
State = Literal["waiting", "running", "done", "undone", "failed"]

_OPEN = ("waiting", "running")
_KEPT = 50  # decided ones of a library; more are of no use to anybody


@dataclass(frozen=True, slots=True)
class Batch:
    """One change of many pictures."""

    id: int
    library_id: int
    act: Act
    wanted: Filter
    classes: tuple[int | None, int | None]
    """What `reclass` sets; None: left as it is."""
    last: int
    """The number of the last picture that was dealt with."""
    until: int
    """Pictures of greater numbers came later and are not meant."""
    state: State
    total: int
    done: int
    starts: int
    problem: str


class Batches:
    """The changes there are."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def ask(
        self,
        library_id: int,
        act: Act,
        wanted: Filter,
        classes: tuple[int | None, int | None],
        until: int,
        total: int,
        grace: int,
        also: Also = lambda _: None,
    ) -> Batch:
        """Ask for a change that begins after `grace` seconds."""
        values = {
            "library_id": library_id,
            "act": act,
            "wanted": to_json(wanted),
            "class1": classes[0],
            "class2": classes[1],
            "last": 0,
            "until": until,
            "state": "waiting",
            "total": total,
            "done": 0,
            "starts": int(self._clock()) + grace,
            "problem": "",
        }
        with self._database.write() as connection:
            row = connection.execute(insert(batches).values(**values).returning(batches)).one()
            old = row.id - _KEPT
            connection.execute(
                delete(batches).where(
                    batches.c.library_id == library_id,
                    batches.c.id < old,
                    batches.c.state.not_in(_OPEN),
                )
            )
            also(connection)
        return _batch(row)

    def get(self, library_id: int, number: int) -> Batch:
        """One change of a library.

        Raises:
            TusouError: REQUEST_MISSING.
        """
        query = select(batches).where(batches.c.library_id == library_id, batches.c.id == number)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise TusouError(Problem.REQUEST_MISSING, str(number))
        return _batch(row)

    def open(self, library_id: int | None = None) -> list[Batch]:
        """Changes that wait or are under way, oldest first; of one library or of all."""
        query = select(batches).where(batches.c.state.in_(_OPEN)).order_by(batches.c.id)
        if library_id is not None:
            query = query.where(batches.c.library_id == library_id)
        with self._database.read() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def undo(self, library_id: int, number: int, also: Also = lambda _: None) -> bool:
        """Call a change off; False where it has begun."""
        with self._database.write() as connection:
            undone = connection.execute(
                update(batches)
                .where(
                    batches.c.library_id == library_id,
                    batches.c.id == number,
                    batches.c.state == "waiting",
                )
                .values(state="undone")
            )
            if undone.rowcount:
                also(connection)
        return bool(undone.rowcount)

    def begin(self, batch: Batch) -> bool:
        """Let a change begin, or go on, whose grace is over; False where it was called off."""
        due = (batches.c.state == "running") | (
            (batches.c.state == "waiting") & (batches.c.starts <= int(self._clock()))
        )
        with self._database.write() as connection:
            began = connection.execute(
                update(batches).where(batches.c.id == batch.id, due).values(state="running")
            )
        return bool(began.rowcount)

    def advance(self, batch: Batch, last: int, changed: int) -> None:
        """Write down how far it has come."""
        with self._database.write() as connection:
            connection.execute(
                update(batches)
                .where(batches.c.id == batch.id)
                .values(last=last, done=batches.c.done + changed)
            )

    def end(self, batch: Batch, problem: str = "") -> None:
        """It is done, or has failed."""
        values = {"state": "failed" if problem else "done", "problem": problem[:500]}
        with self._database.write() as connection:
            connection.execute(update(batches).where(batches.c.id == batch.id).values(**values))

    def release(self, library_id: int) -> bool:
        """Delete the row of an empty library and all that is said of it; False: it has pictures."""
        with self._database.write() as connection:
            # Held first: a picture that is being added is there when this goes on.
            row = connection.execute(
                select(libraries).where(libraries.c.id == library_id).with_for_update()
            ).one_or_none()
            if row is None:
                return True
            if connection.scalar(
                select(items.c.id).where(items.c.library_id == library_id).limit(1)
            ):
                return False
            for table in (moves, batches, stale_items, index_times):
                connection.execute(delete(table).where(table.c.library_id == library_id))
            connection.execute(
                delete(capacity_requests).where(
                    capacity_requests.c.app_id == row.app_id,
                    capacity_requests.c.service == row.service,
                    capacity_requests.c.decided.is_(None),
                )
            )
            connection.execute(delete(libraries).where(libraries.c.id == library_id))
        return True


def _batch(row: Row[tuple[object, ...]]) -> Batch:
    return Batch(
        id=row.id,
        library_id=row.library_id,
        act=row.act,
        wanted=from_json(row.wanted),
        classes=(row.class1, row.class2),
        last=row.last,
        until=row.until,
        state=row.state,
        total=row.total,
        done=row.done,
        starts=row.starts,
        problem=row.problem,
    )
