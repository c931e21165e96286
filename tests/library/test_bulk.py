"""Many pictures deleted and changed: those that were meant, in index and SQL, across a restart."""

import threading

import pytest

from support.pictures import picture
from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.library import bulk
from tusou.runtime import Runtime
from tusou.storage.registry import LibraryRow
from tusou.types import ClassFilter, ClassTerm, Filter

PICTURES = 7


@pytest.fixture(autouse=True)
def _by_hand(runtime: Runtime) -> None:
    """Changes are made when a test says so, not when the server looks for them."""
    (ticker,) = (each for each in runtime._tickers if each.work.name == "tusou-bulk")
    ticker.close()


@pytest.fixture
def library(runtime: Runtime, app: App) -> LibraryRow:
    """Pictures of class 1 or 2 in turn."""
    own = runtime.catalogue.library(app.id, "similar")
    for seed in range(PICTURES):
        own.add(picture(seed, 80, 60), f"picture {seed}", (1 + seed % 2, 0))
    return runtime.registry.get(app.id, "similar")


ODD = Filter(classes=ClassFilter((ClassTerm(2, None),)))


def briefs(runtime: Runtime, library: LibraryRow, wanted: Filter | None = None) -> set[str]:
    page = runtime.catalogue.pictures(library.app_id, library.service).page(wanted or Filter(), 99)
    return {item.brief.split()[1] for item in page.items}


def found(runtime: Runtime, library: LibraryRow, tag: int | None = None) -> set[str]:
    own = runtime.catalogue.library(library.app_id, library.service)
    classes = None if tag is None else ClassFilter((ClassTerm(tag, None),))
    return {hit.brief.split()[1] for hit in own.search(picture(0), classes, 0, 99).hits}


def finish(runtime: Runtime, library: LibraryRow, number: int) -> str:
    runtime.bulk.run()
    return runtime.bulk.get(library, number).state


def test_those_of_a_filter_are_deleted_everywhere(
    runtime: Runtime, library: LibraryRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_PORTION", 2)  # several portions
    kept = {"0", "2", "4", "6"}
    number = runtime.bulk.ask(library, "delete", ODD).id
    assert finish(runtime, library, number) == "done"
    assert briefs(runtime, library) == found(runtime, library) == kept
    assert runtime.registry.get(library.app_id, library.service).size == len(kept)
    assert len(list(runtime.blobs.names())) == 2 * len(kept)
    assert runtime.bulk.get(library, number).done == 3


def test_pictures_added_after_the_wish_stay(runtime: Runtime, library: LibraryRow) -> None:
    number = runtime.bulk.ask(library, "delete", Filter()).id
    own = runtime.catalogue.library(library.app_id, library.service)
    own.add(picture(99), "picture 99", (0, 0))
    finish(runtime, library, number)
    assert briefs(runtime, library) == found(runtime, library) == {"99"}


def test_classes_are_changed_in_index_and_sql_where_they_are_given(
    runtime: Runtime, library: LibraryRow
) -> None:
    number = runtime.bulk.ask(library, "reclass", ODD, (None, 77)).id
    assert finish(runtime, library, number) == "done"
    assert found(runtime, library, 77) == found(runtime, library, 2) == {"1", "3", "5"}
    both = Filter(classes=ClassFilter((ClassTerm(2, 0), ClassTerm(77, 1))))
    assert briefs(runtime, library, both) == {"1", "3", "5"}


def test_nothing_is_changed_that_was_called_off(runtime: Runtime, library: LibraryRow) -> None:
    batch = runtime.bulk.ask(library, "delete", Filter(), grace=60)
    runtime.bulk.run()
    assert runtime.bulk.undo(library, batch.id)
    assert finish(runtime, library, batch.id) == "undone"
    assert len(briefs(runtime, library)) == PICTURES


def test_a_stop_in_between_goes_on_afterwards(
    runtime: Runtime, library: LibraryRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_PORTION", 1)
    first = bulk.Bulk(runtime.database, runtime.catalogue)
    number = first.ask(library, "delete", ODD, grace=60).id
    stopped = threading.Event()

    class Once:
        """Stops after the first portion."""

        def wait(self, _: float) -> bool:
            stopped.set()
            return True

        def is_set(self) -> bool:
            return False

    monkeypatch.setattr(first, "_stopping", Once())
    monkeypatch.setattr(first._batches, "_clock", lambda: 2e9)
    first.run()
    assert stopped.is_set()
    assert runtime.bulk.get(library, number).state == "running"
    assert len(briefs(runtime, library)) == PICTURES - 1
    assert finish(runtime, library, number) == "done"
    assert briefs(runtime, library) == {"0", "2", "4", "6"}


def test_adds_and_deletes_beside_it_disturb_nothing(
    runtime: Runtime, library: LibraryRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_PORTION", 1)
    own = runtime.catalogue.library(library.app_id, library.service)
    listed = runtime.catalogue.pictures(library.app_id, library.service).page(Filter(), 99).items
    number = runtime.bulk.ask(library, "delete", Filter()).id

    def busy() -> None:
        for item in listed[:3]:
            own.delete_found((item.sign,))
        for seed in range(200, 205):
            own.add(picture(seed, 80, 60), f"picture {seed}", (0, 0))

    beside = threading.Thread(target=busy)
    beside.start()
    state = finish(runtime, library, number)
    beside.join()
    assert state == "done"
    assert briefs(runtime, library) == found(runtime, library) == set(map(str, range(200, 205)))
    assert runtime.registry.get(library.app_id, library.service).size == 5


def test_no_picture_meant_is_told(runtime: Runtime, library: LibraryRow) -> None:
    with pytest.raises(TusouError) as caught:
        runtime.bulk.ask(library, "delete", Filter("no such brief"))
    assert caught.value.problem is Problem.ITEM_MISSING


def test_a_library_that_is_being_released_takes_no_other_wish(
    runtime: Runtime, library: LibraryRow
) -> None:
    runtime.bulk.ask(library, "release", Filter(), grace=60)
    with pytest.raises(TusouError) as caught:
        runtime.bulk.ask(library, "delete", Filter())
    assert caught.value.problem is Problem.ITEM_EXISTS


def test_a_release_leaves_no_library_and_no_file(runtime: Runtime, library: LibraryRow) -> None:
    runtime.bulk.ask(library, "release", Filter())
    runtime.bulk.run()
    with pytest.raises(TusouError) as caught:
        runtime.catalogue.library(library.app_id, library.service)
    assert caught.value.problem is Problem.NO_LIBRARY
    assert list(runtime.blobs.names()) == []
    again = runtime.create_library(library.app_id, library.service)
    assert (again.size, again.id > library.id) == (0, True)
    assert found(runtime, again) == set()
