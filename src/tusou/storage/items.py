"""Rows of the pictures of a library with their features, and the transactions that change them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import apps, items, keypoints, libraries, vectors, words
from tusou.types import Classes, ContSign, Keys, Vector, Vectors, Words

_SCAN_ROWS = 20_000

# What every search or add asks is made once: to make a statement, and for SQLAlchemy to see that it
# has compiled it before, takes longer than to run it.
_BY_SIGN = select(items.c.id, items.c.class1, items.c.class2).where(
    items.c.library_id == bindparam("library_id"), items.c.sign == bindparam("sign")
)
_FOUND = select(items.c.id, items.c.sign, items.c.brief).where(
    items.c.id.in_(bindparam("keys", expanding=True))
)
_LOCAL_FEATURES = select(keypoints.c.item_id, keypoints.c.keypoints, keypoints.c.sketch).where(
    keypoints.c.item_id.in_(bindparam("keys", expanding=True))
)
_GROW = (
    update(libraries)
    .where(libraries.c.id == bindparam("library_id"), libraries.c.size < libraries.c.capacity)
    .values(size=libraries.c.size + 1)
    .returning(libraries.c.pack)
)
_INSERT = insert(items).returning(items.c.id)
_INSERT_VECTORS, _INSERT_KEYPOINTS, _INSERT_WORDS = map(insert, (vectors, keypoints, words))

VectorRows = tuple[Keys, Vectors, Classes]
"""Pictures' numbers [N], vectors [N × D] and classes [N × 2]."""
WordRows = tuple[Keys, list[Words], Classes]
"""Likewise with words."""


@dataclass(frozen=True, slots=True, eq=False)
class NewItem:
    """A picture about to be added, features and all."""

    sign: ContSign
    brief: str
    classes: tuple[int, int]
    blob: str
    media_type: str
    length: int
    """Bytes of the file."""
    width: int
    height: int
    vectors: Mapping[str, Vector]
    """By the id of the model pack: the library's, and that to which it is being moved."""
    keypoints: bytes | None
    sketch: bytes | None
    words: Words | None


class Found(NamedTuple):
    """What a search answer needs of a picture."""

    sign: ContSign
    brief: str


class LocalFeatures(NamedTuple):
    """What a verification needs of a picture, packed."""

    keypoints: bytes
    sketch: bytes | None


class Removed(NamedTuple):
    """A picture that was deleted, for those who keep something of it."""

    id: int
    blob: str


class Moved(Exception):
    """The library is seen by another model pack than that of the vectors that were given."""

    def __init__(self, pack: str) -> None:
        super().__init__(pack)
        self.pack = pack
        """Its id."""


Mark = Callable[[Connection, int, Sequence[int]], None]
"""Notes in a transaction that pictures of a library change in it."""


class Items:
    """The pictures of one library.

    Args:
        database: Where they are.
        library_id: Whose.
        mark: Is told what each transaction changes that an index holds.
    """

    def __init__(self, database: Database, library_id: int, mark: Mark = lambda *_: None) -> None:
        self._database = database
        self._library_id = library_id
        self._mark = mark

    @property
    def library_id(self) -> int:
        """The library's number."""
        return self._library_id

    def insert(self, item: NewItem) -> int:
        """Add a picture with its features in one transaction; returns its number.

        Raises:
            TusouError: ITEM_EXISTS or LIBRARY_FULL.
            Moved: another server has moved the library, and by its pack there is no vector.
        """
        now = int(time.time())
        try:
            with self._database.write() as connection:
                pack = connection.scalar(_GROW, {"library_id": self._library_id})
                if pack is None:
                    raise TusouError(Problem.LIBRARY_FULL, "raise its capacity to add more")
                if pack not in item.vectors:
                    raise Moved(pack)
                key: int = connection.scalars(
                    _INSERT,
                    {
                        "library_id": self._library_id,
                        "sign": int(item.sign),
                        "brief": item.brief,
                        "class1": item.classes[0],
                        "class2": item.classes[1],
                        "blob": item.blob,
                        "media_type": item.media_type,
                        "bytes": item.length,
                        "width": item.width,
                        "height": item.height,
                        "created": now,
                        "updated": now,
                    },
                ).one()
                connection.execute(_INSERT_VECTORS, self._vector_rows(key, item.vectors))
                if item.keypoints is not None:
                    connection.execute(
                        _INSERT_KEYPOINTS,
                        {"item_id": key, "keypoints": item.keypoints, "sketch": item.sketch},
                    )
                if item.words is not None:
                    connection.execute(_INSERT_WORDS, self._word_rows([(key, item.words)]))
                self._mark(connection, self._library_id, [key])
        except IntegrityError as error:
            raise already_there(item.sign) from error
        return key

    def require_absent(self, sign: ContSign) -> None:
        """Refuse a picture that is there, before work is spent on it.

        Raises:
            TusouError: ITEM_EXISTS.
        """
        if self.find(sign) is not None:
            raise already_there(sign)

    def find(self, sign: ContSign) -> tuple[int, tuple[int, int]] | None:
        """A picture's number and classes by its sign."""
        with self._database.read() as connection:
            row = connection.execute(
                _BY_SIGN, {"library_id": self._library_id, "sign": int(sign)}
            ).one_or_none()
        return None if row is None else (row.id, (row.class1, row.class2))

    def delete(self, signs: Sequence[ContSign]) -> list[Removed]:
        """Delete those pictures that are there, in one transaction.

        Raises:
            TusouError: ITEM_MISSING, none of them is there.
        """
        numbers = [int(sign) for sign in signs]
        with self._database.write() as connection:
            self._hold(connection)
            rows = connection.execute(
                select(items.c.id, items.c.blob).where(
                    items.c.library_id == self._library_id, items.c.sign.in_(numbers)
                )
            ).all()
            if not rows:
                raise TusouError(Problem.ITEM_MISSING, ";".join(map(str, signs)))
            keys = [row.id for row in rows]
            for table, column in (
                (vectors, vectors.c.item_id),
                (keypoints, keypoints.c.item_id),
                (words, words.c.item_id),
                (items, items.c.id),
            ):
                connection.execute(delete(table).where(column.in_(keys)))
            connection.execute(
                update(libraries)
                .where(libraries.c.id == self._library_id)
                .values(size=libraries.c.size - len(keys))
            )
            self._mark(connection, self._library_id, keys)
        return [Removed(row.id, row.blob) for row in rows]

    def update(
        self, sign: ContSign, brief: str | None, classes: tuple[int | None, int | None]
    ) -> tuple[int, tuple[int, int]]:
        """Change what is given (None: leave it); returns the picture's number and classes.

        Raises:
            TusouError: ITEM_MISSING.
        """
        values: dict[str, object] = {"updated": int(time.time())}
        if brief is not None:
            values["brief"] = brief
        for name, value in zip(("class1", "class2"), classes, strict=True):
            if value is not None:
                values[name] = value
        with self._database.write() as connection:
            changed = connection.execute(
                update(items)
                .where(self._is(sign))
                .values(**values)
                .returning(items.c.id, items.c.class1, items.c.class2)
            ).one_or_none()
            if changed is None:
                raise TusouError(Problem.ITEM_MISSING, str(sign))
            if classes != (None, None):
                self._mark(connection, self._library_id, [changed.id])
        return changed.id, (changed.class1, changed.class2)

    def reclass(
        self, signs: Sequence[ContSign], classes: tuple[int | None, int | None]
    ) -> dict[int, tuple[int, int]]:
        """Give many pictures classes where they are given, in one transaction.

        Returns:
            The classes they have now, by number; pictures that are not there are left out.
        """
        values: dict[str, object] = {"updated": int(time.time())}
        for name, value in zip(("class1", "class2"), classes, strict=True):
            if value is not None:
                values[name] = value
        mine = items.c.library_id == self._library_id, items.c.sign.in_(list(map(int, signs)))
        with self._database.write() as connection:
            self._hold(connection)
            changed = connection.execute(
                update(items)
                .where(*mine)
                .values(**values)
                .returning(items.c.id, items.c.class1, items.c.class2)
            )
            found = {row.id: (row.class1, row.class2) for row in changed}
            self._mark(connection, self._library_id, list(found))
        return found

    def numbers(self, after: int, limit: int) -> list[int]:
        """The numbers of up to `limit` pictures behind `after`, in their order."""
        mine = items.c.library_id == self._library_id, items.c.id > after
        with self._database.read() as connection:
            return list(
                connection.scalars(
                    select(items.c.id).where(*mine).order_by(items.c.id).limit(limit)
                )
            )

    def found(self, keys: Sequence[int]) -> dict[int, Found]:
        """Signs and briefs by number; pictures deleted meanwhile are left out."""
        with self._database.read() as connection:
            rows = connection.execute(_FOUND, {"keys": keys}).all()
        return {key: Found(ContSign.from_int(sign), brief) for key, sign, brief in rows}

    def local_features(self, keys: Sequence[int]) -> dict[int, LocalFeatures]:
        """Packed keypoints and sketches by number; pictures deleted meanwhile are left out."""
        with self._database.read() as connection:
            rows = connection.execute(_LOCAL_FEATURES, {"keys": keys})
            return {key: LocalFeatures(points, drawn) for key, points, drawn in rows}

    def vectors_of(self, keys: Sequence[int], pack: str) -> tuple[list[int], Vectors]:
        """Those of some pictures that have a vector by a pack, in their order, and the vectors."""
        query = select(vectors.c.item_id, vectors.c.vector).where(
            vectors.c.library_id == self._library_id,
            vectors.c.pack == pack,
            vectors.c.item_id.in_(keys),
        )
        with self._database.read() as connection:
            found = {row.item_id: row.vector for row in connection.execute(query)}
        there = [key for key in keys if key in found]
        raw = np.frombuffer(b"".join(found[key] for key in there), "<f2")
        return there, raw.reshape(len(there), -1 if there else 0).astype(np.float32)

    def scan(self, pack: str, keys: Sequence[int] | None = None) -> Iterator[VectorRows]:
        """Numbers, vectors and classes of all, in portions and in one consistent view.

        Or of up to some hundred `keys` that are there.
        """
        query = (
            select(vectors.c.item_id, vectors.c.vector, items.c.class1, items.c.class2)
            .join(items, items.c.id == vectors.c.item_id)
            .where(vectors.c.library_id == self._library_id, vectors.c.pack == pack)
        )
        if keys is not None:
            query = query.where(vectors.c.item_id.in_(keys))
        for rows in self._database.stream(query, _SCAN_ROWS):
            yield vector_rows(rows)

    def scan_words(self, keys: Sequence[int] | None = None) -> Iterator[WordRows]:
        """Numbers, words and classes; see `scan`."""
        query = (
            select(words.c.item_id, words.c.words, items.c.class1, items.c.class2)
            .join(items, items.c.id == words.c.item_id)
            .where(words.c.library_id == self._library_id)
        )
        if keys is not None:
            query = query.where(words.c.item_id.in_(keys))
        for rows in self._database.stream(query, _SCAN_ROWS):
            numbers, data, first, second = zip(*rows, strict=True)
            yield (
                np.array(numbers, np.int64),
                list(map(stored_words, data)),
                np.array([first, second], np.uint16).T,
            )

    def without_words(self, limit: int) -> dict[int, bytes]:
        """Packed keypoints of up to `limit` pictures that an older version left without words."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(keypoints.c.item_id, keypoints.c.keypoints)
                .join(items, items.c.id == keypoints.c.item_id)
                .outerjoin(words, words.c.item_id == keypoints.c.item_id)
                .where(items.c.library_id == self._library_id, words.c.item_id.is_(None))
                .limit(limit)
            )
            return {row.item_id: row.keypoints for row in rows}

    def give_words(self, found: Mapping[int, Words]) -> None:
        """Store words of pictures that had none."""
        with self._database.write() as connection:
            connection.execute(_INSERT_WORDS, self._word_rows(found.items()))

    def _hold(self, connection: Connection) -> None:
        """Keep others from adding to or deleting from the library until the transaction ends.

        An add takes the library's row first, too: all take locks in one order, so none wait in a
        ring, and no two delete a picture both.
        """
        row = select(libraries.c.id).where(libraries.c.id == self._library_id)
        connection.execute(row.with_for_update())

    def _vector_rows(self, key: int, found: Mapping[str, Vector]) -> list[dict[str, object]]:
        return [
            {
                "item_id": key,
                "pack": pack,
                "library_id": self._library_id,
                "vector": vector_bytes(vector),
            }
            for pack, vector in found.items()
        ]

    def _word_rows(self, found: Iterable[tuple[int, Words]]) -> list[dict[str, object]]:
        return [
            {
                "item_id": key,
                "library_id": self._library_id,
                "words": word_bytes(bag),
            }
            for key, bag in found
        ]

    def _is(self, sign: ContSign):  # type: ignore[no-untyped-def]  # SQLAlchemy's own type is private
        return (items.c.library_id == self._library_id) & (items.c.sign == int(sign))


def vector_bytes(vector: Vector) -> bytes:
    """A vector as SQL keeps it."""
    return vector.astype("<f2").tobytes()


def vector_rows(rows: Sequence[Sequence[Any]]) -> VectorRows:
    """Take rows of number, vector and two classes apart into columns; one or more rows."""
    keys, data, first, second = zip(*rows, strict=True)
    raw = np.frombuffer(b"".join(data), dtype="<f2").reshape(len(keys), -1)
    return (
        np.array(keys, np.int64),
        raw.astype(np.float32),
        np.array([first, second], np.uint16).T,
    )


def word_bytes(bag: Words) -> bytes:
    """Words as SQL keeps them: the numbers, and then the signatures."""
    return bag.numbers.astype("<u2").tobytes() + bag.signatures.astype("<u4").tobytes()


def stored_vector(data: bytes) -> Vector:
    """Undo `vector_bytes`, but for the rounding."""
    return np.frombuffer(data, "<f2").astype(np.float32)


def stored_words(data: bytes) -> Words:
    """Undo `word_bytes`."""
    count = len(data) // 6
    return Words(
        np.frombuffer(data, "<u2", count), np.frombuffer(data, "<u4", count, offset=2 * count)
    )


def blob_names(database: Database) -> set[str]:
    """The blobs that pictures of any library refer to."""
    with database.read() as connection:
        return set(connection.scalars(select(items.c.blob).where(items.c.blob != "")))


def first_app(database: Database) -> int | None:
    """When the first application was made, whose pictures are the oldest there can be."""
    with database.read() as connection:
        first: int | None = connection.scalar(select(func.min(apps.c.created)))
    return first


def count(database: Database, library_id: int) -> int:
    """How many pictures a library holds, counted."""
    with database.read() as connection:
        return (
            connection.scalar(
                select(func.count()).select_from(items).where(items.c.library_id == library_id)
            )
            or 0
        )


def already_there(sign: ContSign) -> TusouError:
    """The refusal of a picture that the library has; it names the picture."""
    return TusouError(
        Problem.ITEM_EXISTS,
        f"the library has this picture as cont_sign {sign}",
        cont_sign=str(sign),
    )
