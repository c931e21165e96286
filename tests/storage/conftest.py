"""What the tests of stored rows share: a database with one application."""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from tusou.storage.database import Database
from tusou.storage.tables import apps


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    with database.write() as connection:
        connection.execute(
            insert(apps).values(
                id=1,
                name="a",
                api_key="k",
                secret=b"\0",
                services="",
                enabled=True,
                deleted=False,
                created=0,
            )
        )
    yield database
    database.close()
