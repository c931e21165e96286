"""Ends of tasks are told until they are received, and not for ever."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import insert

from support.clock import Clock
from support.host import PictureHost
from tusou.images.fetch import Fetcher
from tusou.storage.batches import Batch, Batches, Wish
from tusou.storage.database import Database
from tusou.storage.registry import Registry
from tusou.storage.tables import apps
from tusou.tasks.webhooks import AGAIN, Webhooks, sign


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'tusou.db'}")
    database.migrate()
    app = {"id": 1, "name": "a", "api_key": "k", "secret": b"", "services": "", "enabled": True}
    with database.write() as connection:
        connection.execute(insert(apps).values(**app, deleted=False, created=0))
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def batches(database: Database, clock: Clock) -> Batches:
    return Batches(database, clock)


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher(allowed_networks=[ip_network("127.0.0.0/8")], seconds=2)
    yield fetcher
    fetcher.close()


def over(database: Database, batches: Batches, url: str) -> Batch:
    row = Registry(database).create(1, "similar", "base@1", 9)
    batch = batches.ask(row.id, Wish("rebuild", webhook=url), 0, 0, 0)
    batches.begin(batch)
    batches.end(batch)
    return batch


def test_an_end_is_told_again_until_it_is_received(
    database: Database, batches: Batches, clock: Clock, fetcher: Fetcher
) -> None:
    with PictureHost({}, refused=2) as host:
        over(database, batches, host.url("hook"))
        webhooks = Webhooks(batches, fetcher, lambda _: "secret")
        for wait in (*AGAIN[:2], 10_000):
            webhooks.run()
            webhooks.run()  # not before its time
            clock.now += wait
        webhooks.run()
        posted = [host.posted.get_nowait() for _ in range(3)]
        assert host.posted.empty()
        for headers, body in posted:
            moment = headers["X-Tusou-Timestamp"]
            assert headers["X-Tusou-Signature"] == sign("secret", moment, body)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://10.0.0.1/", "http://\x00/", "x"])
def test_an_address_that_takes_nothing_is_given_up(
    database: Database, batches: Batches, clock: Clock, fetcher: Fetcher, url: str
) -> None:
    over(database, batches, url)
    webhooks = Webhooks(batches, fetcher, lambda _: "secret")
    for wait in (*AGAIN, 0):
        assert len(batches.news()) == 1
        webhooks.run()
        clock.now += wait
    assert list(batches.news()) == []


def test_a_redirect_is_an_answer_and_not_followed(fetcher: Fetcher) -> None:
    with PictureHost({}) as elsewhere, PictureHost({}, location=elsewhere.url("hook")) as host:
        assert fetcher.post(host.url("hook"), b"{}", {"X-A": "b"}) == 307
        (headers, body) = host.posted.get_nowait()
        assert (headers["X-A"], body) == ("b", b"{}")
        assert elsewhere.posted.empty()
