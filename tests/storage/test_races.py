"""What is looked for and then written, by several at once: it is written once, and nobody fails."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import numpy as np
import pytest

from tusou.accounts.apps import Apps
from tusou.accounts.audit import Audit
from tusou.accounts.secrets import Vault
from tusou.errors import Problem, TusouError
from tusou.storage.batches import JOBS, Batches, Wish
from tusou.storage.capacity import CapacityRequests
from tusou.storage.database import Database
from tusou.storage.duplicates import Pairs, Scans
from tusou.storage.items import Items, NewItem
from tusou.storage.registry import LibraryRow, Registry
from tusou.types import ContSign

AT_ONCE = 4
ROUNDS = 6
SIGNS = count()
UNIT = np.eye(8, dtype=np.float32)[0]


@pytest.fixture
def library(database: Database) -> LibraryRow:
    return Registry(database).create(1, "similar", "base@1", 100)


def together(*acts: Callable[[], object]) -> list[object]:
    """What came of acts that were begun at the same moment; errors too."""
    barrier = threading.Barrier(len(acts))

    def one(act: Callable[[], object]) -> object:
        barrier.wait(60)
        try:
            return act()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def add(database: Database, library: LibraryRow, number: int) -> list[int]:
    """Rows of pictures; their numbers."""
    items = Items(database, library.id)
    size = ("", "image/png", 10, 50, 60)
    return [
        items.insert(
            NewItem(ContSign(1, next(SIGNS)), "", (0, 0), *size, {"base@1": UNIT}, None, None, None)
        )
        for _ in range(number)
    ]


def _nothing(_: object) -> None: ...


def errors(found: list[object]) -> list[object]:
    return [one for one in found if isinstance(one, Exception)]


def test_a_scan_that_several_ask_for_is_asked_for_once(database: Database) -> None:
    scans, registry = Scans(database), Registry(database)
    for service in ("similar", "product", "same_hq", "picturebook", "materiel"):
        row = registry.create(1, service, "base@1", 9)
        noted = list[object]()
        found = together(*[partial(scans.ask, row.id, noted.append)] * AT_ONCE)
        assert errors(found) == []
        assert found == [scans.get(row.id)] * AT_ONCE
        assert len(noted) == 1


def test_a_pair_that_two_find_is_written_once(database: Database, library: LibraryRow) -> None:
    pairs = Pairs(database, library.id)
    Scans(database).ask(library.id)
    for _ in range(ROUNDS):
        one, other = add(database, library, 2)
        found = together(*[partial(pairs.found, {(one, other): 0.9}, other)] * AT_ONCE)
        assert errors(found) == []
        assert pairs.same([one]) == {(one, other): 0.9}


def test_what_several_say_of_pictures_is_written_once(
    database: Database, library: LibraryRow
) -> None:
    pairs = Pairs(database, library.id)
    Scans(database).ask(library.id)
    for _ in range(ROUNDS):
        one, other = add(database, library, 2)
        keep, part = partial(pairs.keep, one, [other]), partial(pairs.part, [(one, other)])
        assert errors(together(keep, part, keep, part, partial(pairs.keep, other, [one]))) == []
        kept = [row.kept for row in pairs.contenders([one, other]).values()]
        assert sum(kept) == 1


def test_no_more_tasks_wait_than_may(database: Database, library: LibraryRow) -> None:
    batches = Batches(database)
    found = together(
        *[partial(batches.ask, library.id, Wish("rebuild"), 0, 0, 0, most=3)] * 2 * AT_ONCE
    )
    assert len(batches.open(JOBS)) == 3
    refused = [one.problem for one in found if isinstance(one, TusouError)]
    assert refused == [Problem.BATCH_LIMIT] * (2 * AT_ONCE - 3)


def test_what_is_asked_of_a_library_that_goes_is_refused(
    database: Database, library: LibraryRow
) -> None:
    batches, registry = Batches(database), Registry(database)
    for _ in range(ROUNDS):
        row = registry.create(1, "product", "base@1", 9)
        ask = partial(batches.ask, row.id, Wish("rebuild"), 0, 0, 0)
        scan = partial(Scans(database).ask, row.id)
        gone, *found = together(partial(batches.release, row.id), ask, ask, scan)
        assert gone is True
        for error in errors(found):
            assert isinstance(error, TusouError), error
            assert error.problem is Problem.NO_LIBRARY
        assert registry.list(1) == [library]


def test_capacity_that_is_granted_while_a_library_is_made_is_not_lost(database: Database) -> None:
    requests, registry = CapacityRequests(database), Registry(database)
    for service in ("similar", "product", "same_hq", "picturebook", "materiel"):
        number = requests.ask(1, service, 50, "who", _nothing)
        grant = partial(requests.decide, number, True, lambda _: "base@1", lambda _: _nothing)
        granted, made = together(grant, partial(registry.create, 1, service, "base@1", 7))
        assert not isinstance(granted, Exception), granted
        lost = isinstance(made, TusouError) and made.problem is Problem.LIBRARY_EXISTS
        assert registry.get(1, service).capacity == (50 if lost else 57)


def test_services_that_several_tick_and_a_new_name_are_all_there(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    apps = Apps(database, Vault(tmp_path_factory.mktemp("key") / "secret.key"), Audit(database))
    for _ in range(ROUNDS):
        app, _ = apps.create("a", ["similar"])
        found = together(
            partial(apps.tick, app.id, "product"),
            partial(apps.edit, app.id, "b", ["materiel"]),
        )
        assert errors(found) == []
        # Whichever came first; never as if the edit had not been.
        assert set(apps.get(app.id).services) in ({"materiel"}, {"materiel", "product"})
