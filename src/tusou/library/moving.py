"""A library's way to another model pack, without a search that misses anything.

Pictures are embedded anew from their originals, into rows of the new pack beside those of the old
one. Then an index of the new vectors is made, brought up to date and put in place of the old one
under the library's lock. What to move where lies in SQL, so a crash costs only work in hand.
"""

import time
from collections.abc import Callable, Iterable

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.images.decode import decode
from tusou.index.base import VectorIndex
from tusou.library.models import Model
from tusou.library.pipelines import Pipeline
from tusou.services import Service
from tusou.storage.blobs import Blobs
from tusou.storage.items import Items
from tusou.storage.moves import NextVectors, Original
from tusou.types import Picture, Vector

_PORTION = 1000
"""Pictures to look up at a time; each look goes through the numbers of the whole library."""
_BATCH = 16
"""Pictures of one transaction; as many may be left to embed while the library is locked."""


class Move:
    """One library's way to a pack, as far as it has come.

    Args:
        model: The pack to move to.
        service: The library's.
        items: The library's.
        next_vectors: The rows to fill.
        blobs: Where the originals are.
    """

    def __init__(
        self, model: Model, service: Service, items: Items, next_vectors: NextVectors, blobs: Blobs
    ) -> None:
        self.model = model
        self.pipeline: Pipeline = model.pipelines[service.pipeline]
        self._service = service
        self._items = items
        self._next = next_vectors
        self._blobs = blobs
        self._changed: set[int] | None = None
        self.in_doubt = False
        """Nobody knows whether SQL has switched to the pack."""

    def see(self, picture: Picture) -> dict[str, Vector]:
        """Embed a picture that is being added: its vector by the pack's id.

        Nothing where that fails: the add must not, and the picture is caught up with later.
        """
        try:
            return {self.model.pack: self.pipeline.embed(picture)}
        except TusouError:
            return {}

    def note(self, keys: Iterable[int]) -> None:
        """Remember pictures that were added, changed or deleted while the index is being made."""
        if self._changed is not None:
            self._changed.update(keys)

    def catch_up(self, rest: Callable[[float], bool]) -> bool:
        """Embed all pictures that have no vector of the pack; False where it was broken off.

        Args:
            rest: Is told after each batch how many seconds it took; False: break off.

        Raises:
            RuntimeError: a picture cannot be embedded.
            TusouError: UNAVAILABLE or OVERLOADED, it cannot be now.
        """
        last = 0
        while portion := self._next.missing(last, _PORTION):
            last = portion[-1].key
            for start in range(0, len(portion), _BATCH):
                started = time.monotonic()
                self._embed(portion[start : start + _BATCH])
                if not rest(time.monotonic() - started):
                    return False
        return True

    def build(self) -> VectorIndex:
        """Make the new index from SQL; from here on changes are noted."""
        self._changed = set()
        vectors = self.model.make_vectors()
        for keys, rows, classes in self._items.scan(self.model.pack):
            vectors.add(keys, rows, classes)
        return vectors

    def complete(self, vectors: VectorIndex) -> bool:
        """Bring the new index up to date; nothing may change meanwhile.

        Returns:
            False where too much is left to embed, because much was added by another pack only.

        Raises:
            RuntimeError, TusouError: as `catch_up`.
        """
        late = self.embed_last()
        if late is None:
            return False
        changed = list({*(self._changed or ()), *late})
        vectors.remove(np.array(changed, np.int64))
        for keys, rows, classes in self._next.rows(changed):
            vectors.add(keys, rows, classes)
        return True

    def embed_last(self) -> list[int] | None:
        """Embed the few pictures that have no vector yet; their numbers, or None: they are many.

        Raises:
            RuntimeError, TusouError: as `catch_up`.
        """
        missing = self._next.missing(0, _BATCH + 1)
        if len(missing) > _BATCH:
            return None
        self._embed(missing)
        return [original.key for original in missing]

    def settle(self, switch: Callable[[], bool]) -> bool:
        """Switch to the pack in SQL; an error leaves it in doubt whether that was done."""
        self.in_doubt = True
        switched = switch()
        self.in_doubt = False
        return switched

    def _embed(self, originals: list[Original]) -> None:
        found = {original.key: self._vector(original) for original in originals}
        self._next.store({key: vector for key, vector in found.items() if vector is not None})

    def _vector(self, original: Original) -> Vector | None:
        """The new vector; None where the picture was deleted meanwhile."""
        try:
            data = self._blobs.get(original.blob)
            return self.pipeline.embed(decode(data, self._service))
        except KeyError as error:
            if not self._items.found([original.key]):
                return None
            raise RuntimeError(f"the original of picture {original.sign} is not there") from error
        except TusouError as error:
            if error.problem in (Problem.UNAVAILABLE, Problem.OVERLOADED):
                raise
            raise RuntimeError(f"picture {original.sign}: {error.message}") from error
