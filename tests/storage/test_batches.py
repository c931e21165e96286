"""Changes of many pictures: one state follows the other, and only once."""

import pytest

from support.clock import Clock
from tusou.errors import TusouError
from tusou.storage.batches import CHANGES, JOBS, Batch, Batches, Wish
from tusou.storage.database import Database
from tusou.storage.registry import LibraryRow, Registry
from tusou.types import Filter

WISH = Wish("delete", Filter("a"), (None, 1), {"x": 1})


@pytest.fixture
def library(database: Database) -> LibraryRow:
    return Registry(database).create(1, "similar", "base@1", 9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def batches(database: Database, clock: Clock) -> Batches:
    return Batches(database, clock)


def ask(batches: Batches, library: LibraryRow, grace: int = 10) -> Batch:
    return batches.ask(library.id, WISH, 7, 3, grace)


def test_what_was_asked_for_is_found_again(batches: Batches, library: LibraryRow) -> None:
    batch = ask(batches, library)
    assert batches.get(library.id, batch.id) == batch
    assert batches.open(CHANGES) == batches.open(CHANGES, library.id) == [batch]
    assert batches.open(JOBS) == []
    assert batches.list(library.id, 9) == [batch]
    assert (batch.wanted, batch.classes, batch.until) == (Filter("a"), (None, 1), 7)
    with pytest.raises(TusouError):
        batches.get(library.id + 1, batch.id)


def test_it_begins_when_its_grace_is_over_and_not_before(
    batches: Batches, library: LibraryRow, clock: Clock
) -> None:
    batch = ask(batches, library)
    assert not batches.begin(batch)
    clock.now += 10
    assert batches.begin(batch)
    assert batches.begin(batch)  # after a restart it goes on
    batches.advance(batch, 5, 2)
    now = batches.get(library.id, batch.id)
    assert (now.state, now.last, now.done) == ("running", 5, 2)
    batches.end(batch)
    assert not batches.begin(batch)
    assert batches.open(CHANGES) == []


def test_undoing_and_beginning_exclude_each_other(
    batches: Batches, library: LibraryRow, clock: Clock
) -> None:
    first, second = ask(batches, library), ask(batches, library)
    assert batches.undo(library.id, first.id)
    assert not batches.undo(library.id, first.id)
    assert not batches.undo(library.id + 1, second.id)
    clock.now += 10
    assert not batches.begin(first)
    assert batches.begin(second)
    assert not batches.undo(library.id, second.id)


def test_only_so_many_that_are_over_are_kept(
    database: Database, batches: Batches, library: LibraryRow
) -> None:
    waiting = ask(batches, library)
    for _ in range(60):
        batches.end(ask(batches, library))
    ask(batches, library)
    assert batches.get(library.id, waiting.id) == waiting
    with pytest.raises(TusouError):
        batches.get(library.id, waiting.id + 1)


def test_one_under_way_can_be_called_off_and_stays_so(
    batches: Batches, library: LibraryRow, clock: Clock
) -> None:
    batch = ask(batches, library, 0)
    assert batches.begin(batch)
    assert batches.report(batch, 2, 1, 9)
    assert not batches.undo(library.id, batch.id)
    assert batches.cancel(library.id, batch.id)
    assert not batches.cancel(library.id, batch.id)
    assert not batches.report(batch, 3)
    batches.end(batch)
    now = batches.get(library.id, batch.id)
    assert (now.state, now.done, now.failed, now.total) == ("undone", 2, 1, 9)
    assert (now.began, now.ended) == (clock.now, clock.now)


def test_a_release_that_has_begun_is_not_called_off(batches: Batches, library: LibraryRow) -> None:
    batch = batches.ask(library.id, Wish("release"), 7, 3, 0)
    assert batches.begin(batch)
    assert not batches.cancel(library.id, batch.id)


def test_an_end_is_told_until_it_is_received(
    batches: Batches, library: LibraryRow, clock: Clock
) -> None:
    for end in (batches.end, lambda batch: batches.cancel(library.id, batch.id)):
        batch = batches.ask(library.id, Wish("export", webhook="http://example.com"), 7, 3, 0)
        assert batches.begin(batch)
        assert batches.news() == []
        end(batch)
        (news,) = batches.news()
        assert (news.batch.id, news.app_id, news.service, news.tries) == (batch.id, 1, "similar", 0)
        batches.told(news, 10)
        assert batches.news() == []
        clock.now += 10
        (again,) = batches.news()
        assert again.tries == 1
        batches.told(again, None)
        clock.now += 100
        assert batches.news() == []
