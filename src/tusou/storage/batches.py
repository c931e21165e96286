"""Work on many pictures, as SQL keeps it: asked for, called off, under way, over, told."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from tusou.errors import Problem, TusouError
from tusou.storage.conditions import from_json, to_json
from tusou.storage.database import Also, Database
from tusou.storage.registry import require_library
from tusou.storage.tables import (
    batches,
    capacity_requests,
    index_times,
    items,
    libraries,
    moves,
    scans,
    stale_items,
)
from tusou.types import Filter

Act = Literal["delete", "reclass", "release", "import", "export", "rebuild", "move"]
State = Literal["waiting", "running", "done", "undone", "failed"]

CHANGES: tuple[Act, ...] = ("delete", "reclass", "release")
"""Changes of the pictures that are there; the others take longer, or only look."""
JOBS: tuple[Act, ...] = ("import", "export", "rebuild", "move")
_OPEN = ("waiting", "running")
_KEPT = 50  # those that are over, of a library; more are of no use to anybody


@dataclass(frozen=True, slots=True)
class Batch:
    """One piece of work on many pictures."""

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
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the act needs to know besides."""
    failed: int = 0
    """Of those that are done."""
    asked: int = 0
    began: int | None = None
    ended: int | None = None
    webhook: str = ""
    """Whom to tell of its end; empty: nobody."""

    @property
    def is_open(self) -> bool:
        """Whether it waits or is under way."""
        return self.state in _OPEN


class Wish(NamedTuple):
    """What somebody asks for."""

    act: Act
    wanted: Filter = Filter()
    classes: tuple[int | None, int | None] = (None, None)
    options: Mapping[str, Any] = {}
    webhook: str = ""


class News(NamedTuple):
    """The end of a batch that somebody is to be told of."""

    batch: Batch
    app_id: int
    service: str
    tries: int
    """So far."""


class Batches:
    """All there are."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def ask(
        self,
        library_id: int,
        wish: Wish,
        until: int,
        total: int,
        grace: int,
        also: Also = lambda _: None,
        most: int | None = None,
    ) -> Batch:
        """Ask for work that begins after `grace` seconds.

        Raises:
            TusouError: BATCH_LIMIT, `most` such tasks of the library are not over; NO_LIBRARY, it
                was released.
        """
        now = int(self._clock())
        values = {
            "library_id": library_id,
            "act": wish.act,
            "wanted": to_json(wish.wanted),
            "class1": wish.classes[0],
            "class2": wish.classes[1],
            "last": 0,
            "until": until,
            "state": "waiting",
            "total": total,
            "done": 0,
            "starts": now + grace,
            "problem": "",
            "options": json.dumps(dict(wish.options), ensure_ascii=False),
            "asked": now,
            "webhook": wish.webhook,
        }
        with self._database.write(f"batches {library_id}") as connection:
            require_library(connection, library_id)
            mine = batches.c.library_id == library_id, batches.c.state.in_(_OPEN)
            kind = CHANGES if wish.act in CHANGES else JOBS
            others = select(func.count()).select_from(batches).where(*mine, batches.c.act.in_(kind))
            if most is not None and (connection.scalar(others) or 0) >= most:
                raise TusouError(Problem.BATCH_LIMIT, f"{most} tasks of the library are not over")
            row = connection.execute(insert(batches).values(**values).returning(batches)).one()
            old = row.id - _KEPT
            connection.execute(
                delete(batches).where(
                    batches.c.library_id == library_id,
                    batches.c.id < old,
                    batches.c.state.not_in(_OPEN),
                    batches.c.tell_at.is_(None),
                )
            )
            also(connection)
        return _batch(row)

    def get(self, library_id: int, number: int) -> Batch:
        """One batch of a library.

        Raises:
            TusouError: REQUEST_MISSING.
        """
        query = select(batches).where(batches.c.library_id == library_id, batches.c.id == number)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise TusouError(Problem.REQUEST_MISSING, str(number))
        return _batch(row)

    def list(self, library_id: int, count: int, before: int | None = None) -> list[Batch]:
        """Up to `count` of a library, the newest first, asked for before the one of a number."""
        query = select(batches).where(batches.c.library_id == library_id)
        if before is not None:
            query = query.where(batches.c.id < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(batches.c.id.desc()).limit(count))
            return [_batch(row) for row in rows]

    def open(self, acts: Sequence[Act], library_id: int | None = None) -> Sequence[Batch]:
        """Those that wait or are under way, oldest first; of one library or of all."""
        query = (
            select(batches)
            .where(batches.c.state.in_(_OPEN), batches.c.act.in_(acts))
            .order_by(batches.c.id)
        )
        if library_id is not None:
            query = query.where(batches.c.library_id == library_id)
        with self._database.read() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def with_files(self) -> Sequence[Batch]:
        """The imports and exports of all libraries that are not forgotten."""
        query = select(batches).where(batches.c.act.in_(["import", "export"]))
        with self._database.read() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def numbers(self) -> set[int]:
        """The numbers of all."""
        with self._database.read() as connection:
            return set(connection.scalars(select(batches.c.id)))

    def undo(self, library_id: int, number: int, also: Also = lambda _: None) -> bool:
        """Call one off that has not begun; False where it has."""
        return self._call_off(library_id, number, batches.c.state == "waiting", also)

    def cancel(self, library_id: int, number: int, also: Also = lambda _: None) -> bool:
        """Call one off, also one under way; False where it is over, or a release has begun."""
        begun = (batches.c.state == "running") & (batches.c.act != "release")
        return self._call_off(library_id, number, (batches.c.state == "waiting") | begun, also)

    def begin(self, batch: Batch) -> bool:
        """Let one begin, or go on, whose grace is over; False where it was called off."""
        now = int(self._clock())
        due = (batches.c.state == "running") | (
            (batches.c.state == "waiting") & (batches.c.starts <= now)
        )
        with self._database.write() as connection:
            began = connection.execute(
                update(batches)
                .where(batches.c.id == batch.id, due)
                .values(state="running", began=now if batch.began is None else batches.c.began)
            )
        return bool(began.rowcount)

    def advance(self, batch: Batch, last: int, changed: int) -> bool:
        """Write down how far it has come; False where it was called off meanwhile."""
        return self._note(batch, last=last, done=batches.c.done + changed)

    def report(self, batch: Batch, done: int, failed: int = 0, total: int = 0) -> bool:
        """Write down how far it has come in all; False where it was called off meanwhile."""
        return self._note(batch, done=done, failed=failed, total=total)

    def end(self, batch: Batch, problem: str = "") -> None:
        """It is done, or has failed; one that was called off stays so."""
        state: State = "failed" if problem else "done"
        with self._database.write() as connection:
            connection.execute(
                update(batches)
                .where(batches.c.id == batch.id, batches.c.state.in_(_OPEN))
                .values(problem=problem[:500], **self._over(state, batch.webhook))
            )

    def news(self) -> Sequence[News]:
        """The ends that somebody is to be told of now, oldest first."""
        query = (
            select(batches, libraries.c.app_id, libraries.c.service)
            .join(libraries, libraries.c.id == batches.c.library_id)
            .where(batches.c.tell_at <= int(self._clock()))
            .order_by(batches.c.tell_at)
            .limit(_KEPT)
        )
        with self._database.read() as connection:
            return [
                News(_batch(row), row.app_id, row.service, row.tries)
                for row in connection.execute(query)
            ]

    def told(self, news: News, again: int | None) -> None:
        """Somebody was told, or is to be tried again after so many seconds."""
        tell_at = None if again is None else int(self._clock()) + again
        with self._database.write() as connection:
            connection.execute(
                update(batches)
                .where(batches.c.id == news.batch.id)
                .values(tries=news.tries + 1, tell_at=tell_at)
            )

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
            for table in (moves, batches, scans, stale_items, index_times):
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

    def _call_off(
        self, library_id: int, number: int, where: ColumnElement[bool], also: Also
    ) -> bool:
        mine = batches.c.library_id == library_id, batches.c.id == number
        with self._database.write() as connection:
            webhook = _webhook(connection, number)
            undone = connection.execute(
                update(batches).where(*mine, where).values(**self._over("undone", webhook))
            )
            if undone.rowcount:
                also(connection)
        return bool(undone.rowcount)

    def _over(self, state: State, webhook: str) -> dict[str, Any]:
        now = int(self._clock())
        return {"state": state, "ended": now, "tell_at": now if webhook else None}

    def _note(self, batch: Batch, **values: Any) -> bool:
        with self._database.write() as connection:
            noted = connection.execute(
                update(batches)
                .where(batches.c.id == batch.id, batches.c.state == "running")
                .values(**values)
            )
        return bool(noted.rowcount)


def _webhook(connection: Connection, number: int) -> str:
    return connection.scalar(select(batches.c.webhook).where(batches.c.id == number)) or ""


def _batch(row: Row[Any]) -> Batch:
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
        options=json.loads(row.options),
        failed=row.failed,
        asked=row.asked,
        began=row.began,
        ended=row.ended,
        webhook=row.webhook,
    )
