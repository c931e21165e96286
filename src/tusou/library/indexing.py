"""Where the indexes of libraries are: in this process, or in an engine that servers share."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from tusou.index.base import SharedVectorIndex, SharedWordIndex, WordIndex
from tusou.library.indexes import Indexes
from tusou.library.models import Model
from tusou.library.shared import SharedIndexes, Tell
from tusou.storage.database import Database
from tusou.storage.items import Items, Mark
from tusou.storage.moves import Moves
from tusou.storage.stale import SharedClock, Stale, forget_all, mark

MakeVectors = Callable[[str, int, int, SharedClock], SharedVectorIndex]
"""Opens the vectors of a pack, of a dimension, of a library."""
MakeWords = Callable[[int, SharedClock], SharedWordIndex]
"""Opens the words of a library."""
FindDimension = Callable[[str], int | None]
"""Tells the dimension of a pack's vectors; None where this server does not have the pack."""


class Indexing(Protocol):
    """Where the indexes of libraries are."""

    shared: bool
    """Other servers change them, too."""
    mark: Mark
    """Is told what each transaction changes."""

    def open(self, library_id: int, model: Model, by_words: bool) -> Indexes:
        """The indexes of a library by a model pack, to be loaded."""
        ...

    def mend(self, items: Items, model: Model, by_words: bool, after: int, tell: Tell) -> bool:
        """Mend what outlives this process and differs from SQL, from a picture's number on.

        Returns:
            Whether it is done; False: `tell` broke it off.
        """
        ...

    def next_pack(self, library_id: int) -> str | None:
        """The pack to which another server may be moving a library; None: none does."""
        ...

    def drop(self, library_id: int, pack: str, dimension: int) -> None:
        """Forget a library's vectors by a pack that nobody searches any more."""
        ...


class OwnIndexing:
    """Indexes in this process, which are made from SQL when a library is opened."""

    shared = False

    def __init__(self, database: Database, make_words: Callable[[], WordIndex]) -> None:
        forget_all(database)
        self._make_words = make_words
        self.mark: Mark = lambda *_: None

    def open(self, library_id: int, model: Model, by_words: bool) -> Indexes:
        """Empty indexes."""
        return Indexes(model.make_vectors(), self._make_words() if by_words else None)

    def mend(self, items: Items, model: Model, by_words: bool, after: int, tell: Tell) -> bool:
        """There is nothing to mend: indexes are made anew."""
        return True

    def next_pack(self, library_id: int) -> None:
        """Only this process moves a library."""

    def drop(self, library_id: int, pack: str, dimension: int) -> None:
        """There is nothing to drop: they went with those who searched them."""


class SharedIndexing:
    """Indexes in an engine; each server sees what the others write."""

    shared = True

    def __init__(
        self,
        database: Database,
        make_vectors: MakeVectors,
        make_words: MakeWords,
        find_dimension: FindDimension,
    ) -> None:
        self._database = database
        self._moves = Moves(database)
        self._make_vectors = make_vectors
        self._make_words = make_words
        self._find_dimension = find_dimension
        self.mark: Mark = mark

    def open(self, library_id: int, model: Model, by_words: bool) -> SharedIndexes:
        """The library's part of the engine's indexes."""
        clock = self._clock(library_id)
        clocks = [clock]
        vectors = self._make_vectors(model.pack, model.dimension, library_id, clock)
        words = None
        if by_words:
            clocks.append(SharedClock(self._database, library_id, "words"))
            words = self._make_words(library_id, clocks[1])
        return SharedIndexes(
            vectors,
            words,
            Stale(self._database, library_id),
            model.pack,
            model.dimension,
            clocks,
            partial(self._other_vectors, library_id, clock),
        )

    def mend(self, items: Items, model: Model, by_words: bool, after: int, tell: Tell) -> bool:
        """Make the engine have what SQL says by a pack; see `SharedIndexes.mend`."""
        indexes = self.open(items.library_id, model, by_words)
        indexes.load(items, model.pack)
        return indexes.mend(items, after, tell)

    def next_pack(self, library_id: int) -> str | None:
        """The pack to which a library is being moved, by whatever server."""
        return self._moves.next_pack(library_id)

    def drop(self, library_id: int, pack: str, dimension: int) -> None:
        """Take a library's vectors by a pack out that nobody searches any more."""
        clock = self._clock(library_id)
        self._make_vectors(pack, dimension, library_id, clock).clear()
        with self._database.write() as connection:
            clock.write(connection)

    def _clock(self, library_id: int) -> SharedClock:
        return SharedClock(self._database, library_id, "vectors")

    def _other_vectors(
        self, library_id: int, clock: SharedClock, pack: str
    ) -> SharedVectorIndex | None:
        dimension = self._find_dimension(pack)
        if dimension is None:
            return None
        return self._make_vectors(pack, dimension, library_id, clock)
