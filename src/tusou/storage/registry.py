"""Rows of libraries: made, looked up, resized."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from tusou.errors import Problem, TusouError
from tusou.storage.database import Also, Database
from tusou.storage.tables import libraries

# Made once: every call asks it.
_LIBRARY = select(libraries).where(
    libraries.c.app_id == bindparam("app_id"), libraries.c.service == bindparam("service")
)


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """One library: an application's pictures of one service."""

    id: int
    app_id: int
    service: str
    pack: str
    capacity: int
    size: int
    created: int


class Registry:
    """The libraries there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        app_id: int,
        service: str,
        pack: str,
        capacity: int,
        also: Also = lambda _: None,
    ) -> LibraryRow:
        """Make an empty library; `also` writes what must be written in the same transaction.

        Raises:
            TusouError: LIBRARY_EXISTS, the application has one for this service.
        """
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(libraries).values(
                        app_id=app_id,
                        service=service,
                        pack=pack,
                        capacity=capacity,
                        size=0,
                        created=int(time.time()),
                    )
                )
                also(connection)
        except IntegrityError as error:
            raise TusouError(
                Problem.LIBRARY_EXISTS, f"application {app_id} has a library for {service}"
            ) from error
        return self.get(app_id, service)

    def get(self, app_id: int, service: str) -> LibraryRow:
        """Look up an application's library.

        Raises:
            TusouError: NO_LIBRARY.
        """
        with self._database.read() as connection:
            row = connection.execute(_LIBRARY, {"app_id": app_id, "service": service}).one_or_none()
        if row is None:
            raise TusouError(
                Problem.NO_LIBRARY,
                f"application {app_id} has no library for {service}; "
                f"make one with: tusou library create {app_id} {service}",
            )
        return _library(row)

    def list(self, app_id: int | None = None) -> list[LibraryRow]:
        """All libraries, or those of one application."""
        query = select(libraries).order_by(libraries.c.id)
        if app_id is not None:
            query = query.where(libraries.c.app_id == app_id)
        with self._database.read() as connection:
            return [_library(row) for row in connection.execute(query)]

    def resize(self, row: LibraryRow, capacity: int, also: Also = lambda _: None) -> LibraryRow:
        """Give a library another capacity.

        Raises:
            TusouError: INVALID_PARAM, it holds more pictures.
        """
        with self._database.write() as connection:
            resized = connection.execute(
                update(libraries)
                .where(libraries.c.id == row.id, libraries.c.size <= capacity)
                .values(capacity=capacity)
            )
            if not resized.rowcount:
                raise TusouError(
                    Problem.INVALID_PARAM, f"the library holds more than {capacity} pictures"
                )
            also(connection)
        return self.get(row.app_id, row.service)


def require_library(connection: Connection, library_id: int) -> None:
    """Keep a library from being released until the transaction ends.

    Raises:
        TusouError: NO_LIBRARY, it was.
    """
    row = select(libraries.c.id).where(libraries.c.id == library_id)
    # As a foreign key holds it: adds, which change the row, need not wait.
    if connection.scalar(row.with_for_update(read=True, key_share=True)) is None:
        raise TusouError(Problem.NO_LIBRARY, "the library has just been released")


def _library(row: Row[tuple[object, ...]]) -> LibraryRow:
    return LibraryRow(
        row.id, row.app_id, row.service, row.pack, row.capacity, row.size, row.created
    )
