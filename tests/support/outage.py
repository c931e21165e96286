"""A database that fails as a lost connection does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import Connection, event

from tusou.errors import Problem, TusouError
from tusou.storage.database import Database


@contextmanager
def outage(database: Database, moment: Literal["before", "after"] = "before") -> Iterator[None]:
    """Let every commit fail: before it is made, or when it has been made unseen."""

    def fail(connection: Connection) -> None:
        if moment == "after":
            connection.connection.commit()
        raise TusouError(Problem.UNAVAILABLE, "the line is dead")

    event.listen(database.engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(database.engine, "commit", fail)
