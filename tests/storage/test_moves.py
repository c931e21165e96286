"""Rows of moves, and of the vectors that a move makes."""

import numpy as np
import pytest

from tusou.storage.database import Database
from tusou.storage.items import Items, NewItem
from tusou.storage.moves import MoveRow, Moves, NextVectors
from tusou.storage.registry import LibraryRow, Registry
from tusou.types import ContSign, Vector


def _unit(place: int, dimension: int = 8) -> Vector:
    vector = np.zeros(dimension, np.float32)
    vector[place % dimension] = 1
    return vector


def _fill(database: Database, service: str, count: int, blob: str = "b") -> LibraryRow:
    row = Registry(database).create(1, service, "one@1", 10_000)
    items = Items(database, row.id)
    for number in range(count):
        size = ("image/png", 10, 50, 60)
        item = NewItem(
            ContSign(1, number),
            "",
            (number % 9, 0),
            blob,
            *size,
            {"one@1": _unit(0)},
            None,
            None,
            None,
        )
        items.insert(item)
    return row


def _vectors(database: Database, library: LibraryRow) -> dict[str, int]:
    items = Items(database, library.id)
    return {pack: sum(len(row[0]) for row in items.scan(pack)) for pack in ("one@1", "two@1")}


def test_what_is_missing_comes_in_portions_by_number(database: Database) -> None:
    library, other = _fill(database, "similar", 5), _fill(database, "product", 2)
    next_vectors = NextVectors(database, library.id, "two@1")
    first = next_vectors.missing(0, 2)
    assert [(row.sign, row.blob) for row in first] == [(ContSign(1, n), "b") for n in (0, 1)]
    next_vectors.store({first[0].key: _unit(3)})
    keys = [row.key for row in next_vectors.missing(0, 100)]
    assert keys == sorted(keys)
    assert len(keys) == 4
    assert first[0].key not in keys
    assert [row.key for row in next_vectors.missing(keys[1], 100)] == keys[2:]
    assert len(NextVectors(database, other.id, "two@1").missing(0, 100)) == 2
    assert NextVectors(database, library.id, "one@1").missing(0, 100) == []


def test_a_picture_that_was_deleted_meanwhile_gets_no_vector(database: Database) -> None:
    library = _fill(database, "similar", 3)
    next_vectors = NextVectors(database, library.id, "two@1")
    keys = [row.key for row in next_vectors.missing(0, 10)]
    Items(database, library.id).delete([ContSign(1, 1)])
    next_vectors.store({keys[0]: _unit(keys[0])})
    next_vectors.store({key: _unit(key) for key in keys})  # the first has one already
    assert _vectors(database, library) == {"one@1": 2, "two@1": 2}
    ((found, vectors, classes),) = next_vectors.rows(keys)
    assert found.tolist() == [keys[0], keys[2]]
    assert vectors.argmax(axis=1).tolist() == [keys[0] % 8, keys[2] % 8]
    assert classes.tolist() == [[0, 0], [2, 0]]


def test_rows_of_many_pictures_come_whatever_one_statement_takes(database: Database) -> None:
    library = _fill(database, "similar", 3)
    keys = [row.key for row in NextVectors(database, library.id, "two@1").missing(0, 9)]
    many = [*range(10_000, 10_900), *keys]
    portions = list(NextVectors(database, library.id, "one@1").rows(many))
    assert sorted(key for found, _, _ in portions for key in found.tolist()) == keys
    assert list(NextVectors(database, library.id, "one@1").rows([])) == []


def test_a_move_from_its_asking_to_its_end(database: Database) -> None:
    library, other = _fill(database, "similar", 4), _fill(database, "product", 2)
    moves, next_vectors = Moves(database), NextVectors(database, library.id, "two@1")
    moves.start(library.id, "two@1")
    missing = next_vectors.missing(0, 10)
    next_vectors.store({row.key: _unit(1) for row in missing[:3]})
    assert moves.list() == [MoveRow(library.id, "two@1", "", 3)]
    next_vectors.store({missing[3].key: _unit(1)})
    assert moves.switch(library.id, "two@1")
    assert Registry(database).get(1, "similar").pack == "two@1"
    assert not moves.tidy(library.id, "two@1", 3)
    assert _vectors(database, library) == {"one@1": 1, "two@1": 4}
    assert not moves.tidy(library.id, "two@1", 3)
    assert moves.list() != []
    assert moves.tidy(library.id, "two@1", 3)
    assert _vectors(database, library) == {"one@1": 0, "two@1": 4}
    assert moves.list() == []
    assert _vectors(database, other) == {"one@1": 2, "two@1": 0}
    assert Registry(database).get(1, "product").pack == "one@1"


def test_a_move_that_was_called_off_or_changed_does_not_switch(database: Database) -> None:
    library, moves = _fill(database, "similar", 1), Moves(database)
    assert not moves.switch(library.id, "two@1")
    moves.start(library.id, "two@1")
    moves.start(library.id, "three@1")
    assert not moves.is_wanted(library.id, "two@1")
    assert not moves.switch(library.id, "two@1")
    assert moves.tidy(library.id, "two@1", 10)  # of a move that is no more there is nothing to do
    moves.start(library.id, "one@1")
    assert not moves.switch(library.id, "three@1")
    assert Registry(database).get(1, "similar").pack == "one@1"
    assert _vectors(database, library) == {"one@1": 1, "two@1": 0}


def test_a_move_that_failed_rests_until_it_is_asked_for_again(database: Database) -> None:
    library, moves = _fill(database, "similar", 1), Moves(database)
    moves.start(library.id, "two@1")
    moves.fail(library.id, "three@1", "of another move")
    assert moves.list()[0].problem == ""
    moves.fail(library.id, "two@1", "x" * 5000)
    assert moves.list()[0].problem == "x" * 500
    moves.start(library.id, "two@1")
    assert moves.list()[0].problem == ""


def test_pictures_without_originals_can_stay_but_not_move(database: Database) -> None:
    library, moves = _fill(database, "similar", 2, blob=""), Moves(database)
    with pytest.raises(ValueError, match="2 of the library's pictures were stored without"):
        moves.start(library.id, "two@1")
    with pytest.raises(ValueError, match="has the model pack one@1 already"):
        moves.start(library.id, "one@1")
    assert moves.list() == []
