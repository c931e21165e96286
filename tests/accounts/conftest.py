"""Fixtures that the tests of accounts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clock import Clock
from tusou.accounts.apps import Apps
from tusou.accounts.secrets import Vault
from tusou.storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'tusou.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def apps(database: Database, tmp_path: Path) -> Apps:
    return Apps(database, Vault(tmp_path / "secret.key"))


@pytest.fixture
def clock() -> Clock:
    return Clock()
