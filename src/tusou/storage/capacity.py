"""What users ask for: a library, or more room in one; and what became of it."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tusou.errors import Problem, TusouError
from tusou.storage.database import Also, Database
from tusou.storage.tables import capacity_requests, libraries


class Request(NamedTuple):
    """Somebody asks for so many pictures more, in a library that may not be there yet."""

    id: int
    app_id: int
    service: str
    pictures: int
    asked: int
    who: str


class CapacityRequests:
    """Requests for libraries and for capacity; one at a time for each library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self, app_id: int, service: str, pictures: int, who: str, also: Also, pack: str = ""
    ) -> int:
        """Write a request down; returns its number. `pack` is for a new library; empty: any.

        Raises:
            TusouError: ITEM_EXISTS, one for this library is not decided yet.
        """
        with self._database.write("capacity") as connection:
            mine = capacity_requests.c.app_id == app_id, capacity_requests.c.service == service
            if connection.scalar(
                select(capacity_requests.c.id).where(*mine, capacity_requests.c.decided.is_(None))
            ):
                raise TusouError(Problem.ITEM_EXISTS, "a request for it waits to be decided")
            number: int = connection.scalars(
                insert(capacity_requests)
                .values(
                    app_id=app_id,
                    service=service,
                    pictures=pictures,
                    asked=int(time.time()),
                    who=who,
                    pack=pack,
                )
                .returning(capacity_requests.c.id)
            ).one()
            also(connection)
        return number

    def waiting(self, app_ids: Iterable[int] | None = None) -> list[Request]:
        """Requests that are not decided, oldest first; of some applications or of all."""
        query = (
            select(capacity_requests)
            .where(capacity_requests.c.decided.is_(None))
            .order_by(capacity_requests.c.id)
        )
        if app_ids is not None:
            query = query.where(capacity_requests.c.app_id.in_(list(app_ids)))
        with self._database.read() as connection:
            return [
                Request(row.id, row.app_id, row.service, row.pictures, row.asked, row.who)
                for row in connection.execute(query)
            ]

    def decide(
        self,
        number: int,
        granted: bool,
        find_pack: Callable[[str], str],
        also: Callable[[Request], Also],
    ) -> Request:
        """Grant or refuse a request; a library that is not there is made.

        `find_pack` gives the id of the model pack for a service; `also` is told the request, and
        gives what must be written in the same transaction.

        Raises:
            TusouError: REQUEST_MISSING, there is none or it was decided before.
        """
        now = int(time.time())
        with self._database.write("capacity") as connection:
            row = connection.execute(
                update(capacity_requests)
                .where(capacity_requests.c.id == number, capacity_requests.c.decided.is_(None))
                .values(decided=now, granted=granted)
                .returning(capacity_requests)
            ).one_or_none()
            if row is None:
                raise TusouError(Problem.REQUEST_MISSING, str(number))
            if granted:
                pack = row.pack or find_pack(row.service)
                _give(connection, row.app_id, row.service, row.pictures, pack, now)
            request = Request(row.id, row.app_id, row.service, row.pictures, row.asked, row.who)
            also(request)(connection)
        return request


def _give(
    connection: Connection, app_id: int, service: str, pictures: int, pack: str, now: int
) -> None:
    """Make a library, or let the one that is there grow, which may just have been made."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    made = dialect.insert(libraries).values(
        app_id=app_id, service=service, pack=pack, capacity=pictures, size=0, created=now
    )
    connection.execute(
        made.on_conflict_do_update(
            index_elements=[libraries.c.app_id, libraries.c.service],
            set_={"capacity": libraries.c.capacity + pictures},
        )
    )
