"""Changes of many pictures: one state follows the other, and only once."""

import pytest

from support.clock import Clock
from tusou.errors import TusouError
from tusou.storage.batches import Batch, Batches
from tusou.storage.database import Database
from tusou.storage.items import LibraryRow, Registry
from tusou.types import Filter


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
    return batches.ask(library.id, "delete", Filter("a"), (None, 1), 7, 3, grace)


def test_what_was_asked_for_is_found_again(batches: Batches, library: LibraryRow) -> None:
    batch = ask(batches, library)
    assert batches.get(library.id, batch.id) == batch
    assert batches.open() == batches.open(library.id) == [batch]
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
    assert batches.open() == []


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
