"""Where the indexes of libraries are: in this process, or in an engine that servers share."""

from collections.abc import Callable

from tusou.index.base import SharedVectorIndex, SharedWordIndex, WordIndex
from tusou.library.indexes import Indexes
from tusou.library.models import Model
from tusou.library.shared import SharedIndexes
from tusou.storage.database import Database
from tusou.storage.items import Mark
from tusou.storage.stale import SharedClock, Stale, forget_all, mark

MakeVectors = Callable[[str, int, int, SharedClock], SharedVectorIndex]
"""Opens the vectors of a pack, of a dimension, of a library."""
MakeWords = Callable[[int, SharedClock], SharedWordIndex]
"""Opens the words of a library."""


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


class SharedIndexing:
    """Indexes in an engine; each server sees what the others write."""

    shared = True

    def __init__(
        self, database: Database, make_vectors: MakeVectors, make_words: MakeWords
    ) -> None:
        self._database = database
        self._make_vectors = make_vectors
        self._make_words = make_words
        self.mark: Mark = mark

    def open(self, library_id: int, model: Model, by_words: bool) -> SharedIndexes:
        """The library's part of the engine's indexes."""
        clock = SharedClock(self._database, library_id, "vectors")
        vectors = self._make_vectors(model.pack, model.dimension, library_id, clock)
        stale = Stale(self._database, library_id)
        if not by_words:
            return SharedIndexes(vectors, None, stale, model.pack, [clock])
        other = SharedClock(self._database, library_id, "words")
        words = self._make_words(library_id, other)
        return SharedIndexes(vectors, words, stale, model.pack, [clock, other])
