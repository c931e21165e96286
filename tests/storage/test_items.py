"""Rows of libraries and pictures: each change is one transaction."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.items import Items, NewItem, blob_names, count
from tusou.storage.registry import LibraryRow, Registry
from tusou.types import ContSign, Words


@pytest.fixture
def library(database: Database) -> LibraryRow:
    return Registry(database).create(1, "similar", "base@1", 3)


def _words(*numbers: int) -> Words:
    return Words(np.array(numbers, np.uint16), np.array(numbers, np.uint32) << np.uint32(16))


def _pairs(words: Words) -> list[tuple[int, int]]:
    return list(zip(words.numbers.tolist(), words.signatures.tolist(), strict=True))


def _item(number: int, brief: str = "brief", classes: tuple[int, int] = (0, 0)) -> NewItem:
    vector = np.zeros(8, np.float32)
    vector[number % 8] = 1
    return NewItem(
        sign=ContSign(4_000_000_000, number),
        brief=brief,
        classes=classes,
        blob=f"{number:032x}",
        media_type="image/png",
        length=10,
        width=50,
        height=60,
        vectors={"base@1": vector},
        keypoints=b"points" if number % 2 else None,
        sketch=b"sketch" if number == 1 else None,
        words=_words(number, 40_000, 7) if number % 2 else None,
    )


def test_a_picture_comes_back_with_its_features(database: Database, library: LibraryRow) -> None:
    items = Items(database, library.id)
    one = items.insert(_item(1, "第一页", (7, 9)))
    two = items.insert(_item(2))
    assert items.found([one, two, 99]) == {
        one: (ContSign(4_000_000_000, 1), "第一页"),
        two: (ContSign(4_000_000_000, 2), "brief"),
    }
    assert items.local_features([one, two]) == {one: (b"points", b"sketch")}
    assert items.find(ContSign(4_000_000_000, 1)) == (one, (7, 9))
    assert items.find(ContSign(1, 1)) is None
    ((keys, vectors, classes),) = items.scan("base@1")
    assert keys.tolist() == [one, two]
    assert vectors.argmax(axis=1).tolist() == [1, 2]
    assert classes.tolist() == [[7, 9], [0, 0]]
    assert list(items.scan("another@1")) == []
    ((keys, (words,), classes),) = items.scan_words()
    assert (keys.tolist(), classes.tolist()) == ([one], [[7, 9]])
    assert _pairs(words) == [(1, 1 << 16), (40_000, 40_000 << 16), (7, 7 << 16)]


def test_pictures_that_have_no_words_yet_are_given_them(
    database: Database, library: LibraryRow
) -> None:
    items = Items(database, library.id)
    key = items.insert(replace(_item(1), words=None))
    items.insert(_item(2))
    assert items.without_words(10) == {key: b"points"}
    items.give_words({key: _words(5, 6)})
    assert items.without_words(10) == {}
    ((keys, (words,), _),) = items.scan_words()
    assert (keys.tolist(), _pairs(words)) == ([key], [(5, 5 << 16), (6, 6 << 16)])


def test_the_same_sign_is_refused_and_named(database: Database, library: LibraryRow) -> None:
    items = Items(database, library.id)
    items.insert(_item(1))
    with pytest.raises(TusouError) as caught:
        items.insert(_item(1, "other"))
    assert caught.value.problem is Problem.ITEM_EXISTS
    assert caught.value.facts == {"cont_sign": "4000000000,1"}
    assert count(database, library.id) == Registry(database).get(1, "similar").size == 1


def test_a_full_library_refuses_and_takes_again_after_a_delete(
    database: Database, library: LibraryRow
) -> None:
    items = Items(database, library.id)
    for number in range(3):
        items.insert(_item(number))
    with pytest.raises(TusouError) as caught:
        items.insert(_item(3))
    assert caught.value.problem is Problem.LIBRARY_FULL
    items.delete([_item(0).sign])
    items.insert(_item(3))


def test_a_delete_takes_every_row_and_tells_what_it_took(
    database: Database, library: LibraryRow
) -> None:
    items = Items(database, library.id)
    keys = [items.insert(_item(number)) for number in range(3)]
    removed = items.delete([_item(1).sign, _item(2).sign, ContSign(1, 1)])
    assert sorted(row.id for row in removed) == keys[1:]
    with database.read() as connection:
        for table in ("items", "vectors"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 1
        for table in ("keypoints", "words"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
    assert blob_names(database) == {f"{0:032x}"}
    with pytest.raises(TusouError) as caught:
        items.delete([_item(1).sign])
    assert caught.value.problem is Problem.ITEM_MISSING


def test_a_number_is_not_used_again(database: Database, library: LibraryRow) -> None:
    items = Items(database, library.id)
    first = items.insert(_item(1))
    items.delete([_item(1).sign])
    assert items.insert(_item(1)) > first


def test_an_update_changes_only_what_is_given(database: Database, library: LibraryRow) -> None:
    items = Items(database, library.id)
    key = items.insert(_item(1, "old", (5, 6)))
    assert items.update(_item(1).sign, None, (8, None)) == (key, (8, 6))
    assert items.update(_item(1).sign, "new", (None, None)) == (key, (8, 6))
    assert items.found([key])[key].brief == "new"
    with pytest.raises(TusouError) as caught:
        items.update(ContSign(1, 1), "new", (None, None))
    assert caught.value.problem is Problem.ITEM_MISSING


def test_libraries_do_not_see_each_others_pictures(database: Database, library: LibraryRow) -> None:
    other = Items(database, Registry(database).create(1, "product", "base@1", 3).id)
    items = Items(database, library.id)
    items.insert(_item(1))
    other.insert(_item(1))
    other.delete([_item(1).sign])
    assert items.find(_item(1).sign) is not None
    with pytest.raises(TusouError):
        other.update(_item(1).sign, "new", (None, None))


def test_an_application_has_one_library_a_service(database: Database, library: LibraryRow) -> None:
    registry = Registry(database)
    with pytest.raises(TusouError) as caught:
        registry.create(1, "similar", "base@1", 3)
    assert caught.value.problem is Problem.LIBRARY_EXISTS
    with pytest.raises(TusouError) as caught:
        registry.get(1, "materiel")
    assert caught.value.problem is Problem.NO_LIBRARY
    assert registry.list() == registry.list(1) == [library]


def test_of_many_adds_of_one_picture_at_once_one_wins(
    database: Database, library: LibraryRow
) -> None:
    items = Items(database, library.id)
    outcomes: list[object] = []

    def add() -> None:
        try:
            outcomes.append(items.insert(_item(1)))
        except TusouError as error:
            outcomes.append(error.problem)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Problem.ITEM_EXISTS) == 7
    assert count(database, library.id) == Registry(database).get(1, "similar").size == 1


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_sign_survives_its_text_and_its_number(high: int, low: int) -> None:
    sign = ContSign(high, low)
    assert ContSign.parse(str(sign)) == ContSign.from_int(int(sign)) == sign
    assert -(2**63) <= int(sign) < 2**63
