"""Two databases made equal, and two stores: between engines, and in runs that were broken off."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from tusou.storage import blobs, transfer
from tusou.storage.blobs import FolderBlobs, new_name
from tusou.storage.database import Database
from tusou.storage.items import Items
from tusou.storage.registry import LibraryRow, Registry
from tusou.storage.tables import apps, items, libraries, signups, usage, vectors
from tusou.types import ContSign

ROWS = 520


def _fill(database: Database) -> LibraryRow:
    """A library, with more rows than a portion, and texts whose order is not the same anywhere."""
    row = Registry(database).create(1, "similar", "base@1", 10_000)
    with database.write() as connection:
        picture = {"library_id": row.id, "class1": 0, "class2": 3, "blob": "", "bytes": 1}
        picture |= {"media_type": "image/png", "width": 60, "height": 60}
        times = {"created": 5, "updated": 6}
        connection.execute(
            insert(items).values(
                [{**picture, **times, "sign": n - 2**62, "brief": f"标题 {n}"} for n in range(ROWS)]
            )
        )
        keys = list(connection.scalars(select(items.c.id)))
        rows = [
            {"item_id": key, "pack": pack, "library_id": row.id, "vector": bytes([key % 256, 0])}
            for key in keys
            for pack in ("a_b@1", "aB@1")
        ]
        connection.execute(insert(vectors), rows)
        connection.execute(update(libraries).values(size=ROWS))
        for name in ("Zebra", "ant", "_x", "Ähre", "图搜", "a b"):
            connection.execute(insert(signups).values(name=name, app_id=1))
        count = {"app_id": 1, "hour": 3600, "code": 0, "calls": 2}
        for service in ("similar", "same_hq", "Same"):
            connection.execute(insert(usage).values(**count, service=service, operation="add"))
    return row


def _copy(source: Database, target: Database) -> dict[str, transfer.Changes]:
    return dict(transfer.equalize(source, target))


@pytest.fixture
def target(new_database: Callable[[], str]) -> Database:
    database = Database(new_database())
    database.migrate()
    return database


def test_a_database_is_equal_after_a_run_and_numbers_go_on(
    database: Database, target: Database, tmp_path: Path
) -> None:
    row = _fill(database)
    Items(database, row.id).delete([ContSign.from_int(ROWS - 1 - 2**62)])  # the highest number
    changes = _copy(database, target)
    assert changes["items"] == transfer.Changes(inserted=ROWS - 1)
    assert changes["vectors"] == transfer.Changes(inserted=2 * (ROWS - 1))
    assert transfer.sums(database) == transfer.sums(target)
    assert transfer.sums(target)["items"].rows == ROWS - 1
    back = Database(f"sqlite:///{tmp_path / 'back.db'}")
    back.migrate()
    _copy(target, back)
    assert transfer.sums(back) == transfer.sums(database)
    with database.read() as connection:
        highest = max(connection.scalars(select(items.c.id)))
    for made in (target, back):
        with made.write() as connection:
            values = {"library_id": row.id, "sign": 1, "brief": "", "class1": 0, "class2": 0}
            values |= {"blob": "", "media_type": "", "bytes": 1, "width": 1, "height": 1}
            statement = insert(items).values(**values, created=0, updated=0)
            number = connection.scalars(statement.returning(items.c.id)).one()
        assert number == highest + 2
        made.close()


def test_another_run_brings_what_changed_and_undoes_what_is_strange(
    database: Database, target: Database
) -> None:
    _fill(database)
    _copy(database, target)
    draw = random.Random(3)
    with database.write() as connection:
        keys = list(connection.scalars(select(items.c.id)))
        gone = draw.sample(keys, 100)
        connection.execute(delete(items).where(items.c.id.in_(gone)))
        changed = draw.sample(sorted(set(keys) - set(gone)), 50)
        connection.execute(update(items).where(items.c.id.in_(changed)).values(brief="new"))
    with target.write() as connection:
        connection.execute(update(apps).values(name="strange"))
        connection.execute(insert(signups).values(name="zz", app_id=1))
    assert transfer.sums(database) != transfer.sums(target)
    changes = _copy(database, target)
    assert changes["items"] == transfer.Changes(updated=50, deleted=100)
    assert changes["apps"] == transfer.Changes(updated=1)
    assert changes["signups"] == transfer.Changes(deleted=1)
    assert transfer.sums(database) == transfer.sums(target)
    assert all(change == transfer.Changes() for change in _copy(database, target).values())
    target.close()


def test_a_run_that_is_broken_off_is_gone_on_with(database: Database, target: Database) -> None:
    _fill(database)
    runs = transfer.equalize(database, target)  # left in the middle
    for name, _ in runs:
        if name == "items":
            break
    changes = _copy(database, target)
    assert changes["items"] == transfer.Changes()
    assert changes["vectors"].inserted == 2 * ROWS
    assert transfer.sums(database) == transfer.sums(target)
    target.close()


def test_files_that_lack_are_copied_and_read_again(tmp_path: Path) -> None:
    ours, theirs = FolderBlobs(tmp_path / "a"), FolderBlobs(tmp_path / "b")
    names = [new_name() for _ in range(20)]
    for name in names:
        ours.put(name, name.encode())
    theirs.put(names[0], names[0].encode())
    assert blobs.copy(ours, theirs) == (19, 1)
    assert blobs.copy(ours, theirs) == (0, 20)
    assert {name: theirs.get(name) for name in names} == {name: name.encode() for name in names}

    class Forgetful(FolderBlobs):
        def get(self, name: str) -> bytes:
            return b"other"

    with pytest.raises(RuntimeError, match="other bytes"):
        blobs.copy(ours, Forgetful(tmp_path / "c"))
