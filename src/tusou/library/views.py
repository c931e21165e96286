"""What a library is seen by: the view of now, and how another takes its place."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from tusou.errors import TusouError
from tusou.library.indexes import Indexes
from tusou.library.indexing import Indexing
from tusou.library.models import Model, Models, View
from tusou.library.moving import Move
from tusou.library.shared import Tell
from tusou.services import Service
from tusou.storage.database import PatientLock
from tusou.storage.items import Items
from tusou.types import Picture, Vector

_log = logging.getLogger(__name__)

Follow = Callable[[Sequence[int], Callable[[Indexes], None]], None]
"""Brings the index after a change in SQL: the numbers of its pictures, and what to do."""


class Views:
    """The views of one library, one after the other.

    There is one lock, under which pictures change in SQL and then in the index. In this process, an
    index that is to take the place of another is filled beside it; what changes meanwhile is noted,
    and made up for under the lock.

    Args:
        service: The library's.
        pack: The id of the model pack that it is seen by.
        items: Its rows.
        models: Opens packs.
        indexing: Where its indexes are.

    Raises:
        TusouError: as `Models.get` does.
    """

    def __init__(
        self, service: Service, pack: str, items: Items, models: Models, indexing: Indexing
    ) -> None:
        self._kind = service.pipeline
        self._items = items
        self._models = models
        self._indexing = indexing
        self._changes = PatientLock()
        self._move: Move | None = None
        self._rebuilding: set[int] | None = None
        """Numbers of what changes while another index is being made."""
        self._now = self._load(models.get(pack))

    @property
    def now(self) -> View:
        """The view that counts; one that is kept goes on working while the library changes."""
        return self._now

    @property
    def pack(self) -> str:
        """The id of its model pack."""
        return self._now.model.pack

    def see_ahead(self, picture: Picture) -> dict[str, Vector]:
        """The vector by the pack to which the library is being moved; see `Move.see`."""
        move = self._move
        if move is not None:
            return move.see(picture)
        pack = self._indexing.next_pack(self._items.library_id)
        if pack in (None, self.pack):
            return {}
        try:
            return {pack: self._models.get(pack).pipelines[self._kind].embed(picture)}
        except TusouError:  # the server that moves it catches up with the picture
            return {}

    @contextmanager
    def changing(self) -> Iterator[Follow]:
        """Change pictures in SQL within this, alone, and then let the index follow.

        An index that cannot follow is made anew from SQL.

        Raises:
            TusouError: UNAVAILABLE, others have been changing pictures for too long.
        """
        with self._changes:
            yield self._follow

    def wanted(self, seen: Mapping[str, Vector], picture: Picture) -> dict[str, Vector]:
        """Vectors by the packs that count now; while it was seen, the library may have moved.

        Only within `changing`, as they may be others at once.
        """
        move = self._move
        packs = {self.pack} | ({move.model.pack} if move else set())
        if self._indexing.shared:
            packs |= seen.keys()  # other servers move it, too
        vectors = {pack: vector for pack, vector in seen.items() if pack in packs}
        if self.pack not in vectors:
            vectors[self.pack] = self._now.pipeline.embed(picture)
        return vectors

    def turn_to(self, pack: str) -> None:
        """See by the pack to which another server has moved the library; only in `changing`."""
        self._now = self._load(self._models.get(pack))

    def move(self, move: Move, rest: Callable[[float], bool], switch: Callable[[], bool]) -> bool:
        """Move to another model pack while everything goes on; searches see it all at once.

        Args:
            move: The way to the pack.
            rest: Is told after each batch how long it took; False: break off.
            switch: Makes the pack the library's own in SQL; False: break off.

        Returns:
            Whether it is done. What was done by then is not done again next time.

        Raises:
            RuntimeError: a picture cannot be embedded by this pack.
            TusouError: UNAVAILABLE or OVERLOADED, not now.
        """
        exchange = self._exchange_shared if self._indexing.shared else self._exchange_own
        self._move = move  # from here on new pictures get vectors of both packs
        try:
            return (
                move.catch_up(rest)
                and self._mend(move.model, 0, lambda _last, _count, seconds: rest(seconds))
                and exchange(move, switch)
            )
        finally:
            if not move.in_doubt:
                self._move = None

    def rebuild(self, after: int, tell: Tell) -> bool:
        """Make the index anew from SQL while searches and changes go on.

        Nothing changes where the library moves to another pack meanwhile: that makes a new one too.
        One that servers share is compared with SQL and mended, from the number `after` on.

        Returns:
            Whether it is done; False: `tell` broke it off, and it can go on where that was.
        """
        if self._indexing.shared:
            return self._mend(self._now.model, after, tell)
        self._rebuild_own()
        return True

    def catch_up(self, older: float) -> None:
        """Bring the index after changes that other servers left undone for `older` seconds."""
        self._now.indexes.catch_up(older)

    def close(self) -> None:
        """Stop the index's background work."""
        self._now.indexes.close()

    def _load(self, model: Model) -> View:
        pipeline = model.pipelines[self._kind]
        indexes = self._indexing.open(self._items.library_id, model, pipeline.by_words)
        indexes.load(self._items, model.pack)
        return View(model, pipeline, indexes)

    def _follow(self, keys: Sequence[int], change: Callable[[Indexes], None]) -> None:
        move = self._move
        if move is not None:
            move.note(keys)
        if self._rebuilding is not None:
            self._rebuilding.update(keys)
        try:
            change(self._now.indexes)
        except TusouError:
            raise  # an engine beside this process does not answer; the change is made up for later
        except Exception:
            _log.exception("the index could not follow a change and is loaded anew")
            stale, self._now = self._now, self._load(self._now.model)
            stale.indexes.close()

    def _exchange_own(self, move: Move, switch: Callable[[], bool]) -> bool:
        """Make an index by the new pack, and let it take the place of the old one."""
        with ExitStack() as undo:
            vectors = move.build()
            undo.callback(vectors.close)
            with self._changes:
                if not (move.complete(vectors) and move.settle(switch)):
                    return False
                stale = self._now
                indexes = Indexes(vectors, stale.indexes.words)
                self._now = View(move.model, move.pipeline, indexes)
            undo.pop_all()
        stale.indexes.vectors.close()
        return True

    def _exchange_shared(self, move: Move, switch: Callable[[], bool]) -> bool:
        """Complete the index by the new pack beside that by the old one, and let SQL decide.

        Changes by all servers go to both by now; a picture that another added by the old pack alone
        lets the switch fail, and the next try has it.
        """
        late = move.embed_last()
        if late is None:
            return False
        fresh = self._load(move.model)
        fresh.indexes.renew(self._items, move.model.pack, late)
        if not move.settle(switch):
            return False
        self._now = fresh
        return True

    def _rebuild_own(self) -> None:
        with self._changes:
            stale, changed = self._now, set[int]()
            self._rebuilding = changed
        try:
            fresh = self._load(stale.model)
            with self._changes:
                if self._now.model is stale.model:
                    fresh.indexes.renew(self._items, self.pack, list(changed))
                    fresh, self._now = self._now, fresh
        finally:
            self._rebuilding = None
        fresh.indexes.close()

    def _mend(self, model: Model, after: int, tell: Tell) -> bool:
        by_words = model.pipelines[self._kind].by_words
        return self._indexing.mend(self._items, model, by_words, after, tell)
