"""What the tests of accounts share: a clock to be set, a database, two applications."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clock import Clock
from tusou.accounts.apps import Apps
from tusou.accounts.billing import Billing
from tusou.accounts.prices import Prices
from tusou.accounts.secrets import Vault
from tusou.accounts.usage import Usage
from tusou.services import SERVICES
from tusou.storage.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def apps(database: Database, tmp_path: Path) -> Apps:
    return Apps(database, Vault(tmp_path / "secret.key"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def usage(database: Database, clock: Clock) -> Usage:
    return Usage(database, clock)


@pytest.fixture
def billing(database: Database, usage: Usage, clock: Clock) -> Billing:
    return Billing(database, Prices.load(), usage, clock)


@pytest.fixture
def app_id(apps: Apps) -> int:
    return apps.create("shop", SERVICES)[0].id
