"""Deleting and changing many pictures: asked for, called off within a grace, made in portions."""

import logging
import threading
from collections.abc import Callable, Sequence

from tusou.errors import Problem, TusouError
from tusou.library.catalogue import Catalogue
from tusou.storage.batches import CHANGES, JOBS, Act, Batches, Wish
from tusou.storage.batches import Batch as Batch  # for those who ask
from tusou.storage.database import Also as Also  # likewise
from tusou.storage.database import Database
from tusou.storage.listing import Listing
from tusou.storage.registry import LibraryRow as LibraryRow  # likewise
from tusou.storage.registry import Registry
from tusou.types import Filter

_log = logging.getLogger(__name__)

_PORTION = 200
"""Pictures of one transaction; adds to the library wait as long."""
_EVERYTHING = (1 << 62) - 1


class Bulk:
    """Asks for changes of many pictures, and makes those whose grace is over.

    `may_go_on` tells between two portions whether this process is still to make them.

    What is asked for is in SQL, so that a restart goes on with it. Pictures that are added later
    are not meant, but where the whole library is released.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, may_go_on: Callable[[], bool] = lambda: True
    ) -> None:
        self._database = database
        self._registry = Registry(database)
        self._batches = Batches(database)
        self._catalogue = catalogue
        self._may_go_on = may_go_on
        self._stopping = threading.Event()

    def ask(
        self,
        library: LibraryRow,
        act: Act,
        wanted: Filter,
        classes: tuple[int | None, int | None] = (None, None),
        grace: int = 0,
        also: Also = lambda _: None,
        webhook: str = "",
    ) -> Batch:
        """Ask for a change, which begins after `grace` seconds.

        Args:
            library: Whose pictures.
            act: `delete`; `reclass`: give `classes`; `release`: delete all, and the library too.
            wanted: Which pictures.
            classes: What they get; None: left as it is.
            grace: Seconds in which it can be called off.
            also: Writes what must be written in the same transaction.
            webhook: Whom to tell of its end; empty: nobody.

        Raises:
            TusouError: ITEM_MISSING, no picture is meant; ITEM_EXISTS, the library is being
                released.
        """
        self.require_kept(library)
        listing = Listing(self._database, library.id)
        total = listing.count(wanted)
        release = act == "release"
        if not (total or release):
            raise TusouError(Problem.ITEM_MISSING, "no picture is meant")
        until = _EVERYTHING if release else listing.last()
        wish = Wish(act, wanted, classes, webhook=webhook)
        return self._batches.ask(library.id, wish, until, total, grace, also)

    def require_kept(self, library: LibraryRow) -> None:
        """Pass if a library is not being released.

        Raises:
            TusouError: ITEM_EXISTS.
        """
        if any(batch.act == "release" for batch in self.open(library)):
            raise TusouError(Problem.ITEM_EXISTS, "the library is being released")

    def get(self, library: LibraryRow, number: int) -> Batch:
        """How far a change has come.

        Raises:
            TusouError: REQUEST_MISSING.
        """
        return self._batches.get(library.id, number)

    def open(self, library: LibraryRow) -> Sequence[Batch]:
        """The changes of a library that wait or are under way."""
        return self._batches.open(CHANGES, library.id)

    def undo(self, library: LibraryRow, number: int, also: Also = lambda _: None) -> bool:
        """Call a change off; False where it has begun."""
        return self._batches.undo(library.id, number, also)

    def run(self) -> None:
        """Make every change whose grace is over."""
        for batch in self._batches.open(CHANGES):
            if self._stopping.is_set():
                return
            if not self._batches.begin(batch):
                continue
            try:
                self._make(batch)
            except TusouError as error:
                if error.problem in (Problem.UNAVAILABLE, Problem.OVERLOADED):
                    _log.info("change %d is not made yet: %s", batch.id, error.message)
                    continue
                _log.warning("change %d failed: %s", batch.id, error.message)
                self._batches.end(batch, error.message)

    def stop(self) -> None:
        """Break off the change in hand soon; it goes on when the server runs again."""
        self._stopping.set()

    def _make(self, batch: Batch) -> None:
        row = next(row for row in self._registry.list() if row.id == batch.library_id)
        library, listing = self._catalogue.open(row), Listing(self._database, row.id)
        if batch.act == "release":
            for other in self._batches.open(JOBS, row.id):
                self._batches.cancel(row.id, other.id)
        last = batch.last
        while portion := listing.portion(batch.wanted, last, batch.until, _PORTION):
            signs = tuple(sign for _, sign in portion)
            if batch.act == "reclass":
                library.reclass(signs, batch.classes)
            else:
                library.delete_found(signs)
            last = portion[-1][0]
            if not self._batches.advance(batch, last, len(portion)):
                return  # called off
            # Adds and searches that wait for the library go first.
            if self._stopping.wait(0.002) or not self._may_go_on():
                return
        if batch.act != "release":
            self._batches.end(batch)
        elif self._batches.release(row.id):
            self._catalogue.forget(row)
