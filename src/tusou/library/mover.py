"""Makes the moves to other model packs that are asked for in SQL, one after the other."""

import logging
import threading

from tusou.errors import TusouError
from tusou.library.catalogue import Catalogue
from tusou.library.models import Model, Models
from tusou.library.moving import Move
from tusou.services import SERVICES
from tusou.storage.blobs import Blobs
from tusou.storage.database import Database
from tusou.storage.items import Items
from tusou.storage.moves import MoveRow, Moves, NextVectors
from tusou.storage.registry import LibraryRow, Registry

_log = logging.getLogger(__name__)

_TIDY_ROWS = 1000
"""Deleted in one transaction; adds wait as long."""


class Mover:
    """Looks for moves when it is told to, and goes on with them until they are made.

    Args:
        rest: Seconds of rest for each second of work, so that requests keep the cores.
        grace: Seconds after a move until an index that servers share forgets the old vectors:
            other servers may be in a search of them.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        models: Models,
        blobs: Blobs,
        rest: float = 1.0,
        grace: float = 10.0,
    ) -> None:
        self._database = database
        self._registry = Registry(database)
        self._moves = Moves(database)
        self._catalogue = catalogue
        self._models = models
        self._blobs = blobs
        self._rest = rest
        self._grace = grace
        self._stopping = threading.Event()

    def run(self) -> None:
        """Go on with every move that does not rest because of a problem."""
        moves = [move for move in self._moves.list() if not move.problem]
        rows = {row.id: row for row in self._registry.list()} if moves else {}
        for move in moves:
            if self._stopping.is_set():
                return
            try:
                self._advance(rows[move.library_id], move)
            except RuntimeError as error:
                _log.warning("library %d is not moved: %s", move.library_id, error)
                self._moves.fail(move.library_id, move.pack, str(error))
            except TusouError as error:  # a store or the model is busy or down; the next turn
                _log.info("library %d is not moved yet: %s", move.library_id, error.message)

    def stop(self) -> None:
        """Break off the move in hand soon; it goes on when the server runs again."""
        self._stopping.set()

    def _advance(self, row: LibraryRow, move: MoveRow) -> None:
        next_vectors = NextVectors(self._database, row.id, move.pack)
        model = self._model(move.pack)

        def rest(seconds: float) -> bool:
            stopping = self._stopping.wait(seconds * self._rest)
            return not stopping and self._moves.is_wanted(row.id, move.pack)

        def switch() -> bool:
            return self._moves.switch(row.id, move.pack)

        try:
            library = self._catalogue.open(row)
        except TusouError:
            # The pack that filled it is gone, so nobody can use it and nothing changes meanwhile.
            items, service = Items(self._database, row.id), SERVICES[row.service]
            if not Move(model, service, items, next_vectors, self._blobs).catch_up(rest):
                return
            by_words = model.pipelines[service.pipeline].by_words
            if not self._catalogue.indexing.mend(
                items, model, by_words, 0, lambda _last, _count, seconds: rest(seconds)
            ):
                return
            switch()
            library = self._catalogue.open(row)
        # Vectors may lack where the pack is the library's own, too, after a crash in between.
        there = library.pack == move.pack and not next_vectors.missing(0, 1)
        if there or library.move(model, next_vectors, rest, switch):
            self._tidy(move)

    def _model(self, pack: str) -> Model:
        try:
            return self._models.get(pack)
        except TusouError as error:
            raise RuntimeError(error.detail) from error

    def _tidy(self, move: MoveRow) -> None:
        others = self._moves.others(move.library_id, move.pack)
        indexing = self._catalogue.indexing
        if indexing.shared and others and self._stopping.wait(self._grace):
            return
        for pack, dimension in others.items():
            indexing.drop(move.library_id, pack, dimension)
        while not self._moves.tidy(move.library_id, move.pack, _TIDY_ROWS):
            if self._stopping.is_set():
                return
