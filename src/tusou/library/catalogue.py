"""All libraries of a server: opened from SQL, found by application and service."""

import logging
import threading

from tusou.errors import TusouError
from tusou.library.indexing import Indexing
from tusou.library.library import Library, Tools
from tusou.library.models import Models
from tusou.library.pictures import Pictures
from tusou.library.views import Views
from tusou.services import SERVICES
from tusou.storage.database import Database
from tusou.storage.items import Items
from tusou.storage.listing import Listing
from tusou.storage.registry import LibraryRow, Registry
from tusou.storage.stale import libraries_waiting

_log = logging.getLogger(__name__)


class Catalogue:
    """Opens libraries on first use; one that another process created is found too."""

    def __init__(
        self, database: Database, models: Models, indexing: Indexing, tools: Tools
    ) -> None:
        self._database = database
        self._registry = Registry(database)
        self._models = models
        self.indexing = indexing
        """Where the indexes are."""
        self._tools = tools
        self._open: dict[int, Library] = {}
        self._opening = threading.Lock()

    def open_all(self) -> None:
        """Load every library's index, so that the first requests need not wait for it.

        One that cannot be loaded is passed over; it is tried again when it is asked for.
        """
        for row in self._registry.list():
            try:
                self.open(row)
            except TusouError as error:
                _log.warning("%s of application %d: %s", row.service, row.app_id, error.message)

    def library(self, app_id: int, service: str) -> Library:
        """The application's library for a service.

        Raises:
            TusouError: NO_LIBRARY; UNAVAILABLE, the model pack that filled it is not installed.
        """
        return self.open(self._registry.get(app_id, service))

    def open(self, row: LibraryRow) -> Library:
        """The library of a row.

        Raises:
            TusouError: UNAVAILABLE, the model pack that filled it is not installed.
        """
        library = self._open.get(row.id)
        if library is not None and not self._is_outdated(library, row):
            return library
        with self._opening:
            library = self._open.get(row.id)
            if library is None or self._is_outdated(library, row):
                # The row may be older than a move that was made meanwhile.
                self._open[row.id] = self._load(self._registry.get(row.app_id, row.service))
            return self._open[row.id]

    def rows(self) -> dict[int, int]:
        """How many pictures the index of each opened library has, by the library's number."""
        # A copy, made in one step: a library that is being opened keeps nobody waiting here.
        return {number: len(library) for number, library in self._open.copy().items()}

    def _load(self, row: LibraryRow) -> Library:
        service = SERVICES[row.service]
        items = Items(self._database, row.id, self.indexing.mark)
        views = Views(service, row.pack, items, self._models, self.indexing)
        return Library(service, items, views, self._tools)

    def _is_outdated(self, library: Library, row: LibraryRow) -> bool:
        """Whether another server has moved the library to another pack."""
        return self.indexing.shared and library.pack != row.pack

    def pictures(self, app_id: int, service: str) -> Pictures:
        """The application's pictures for a service, to look at; needs no index and no model.

        Raises:
            TusouError: NO_LIBRARY.
        """
        row = self._registry.get(app_id, service)
        return Pictures(Listing(self._database, row.id), self._tools.blobs)

    def follow(self, older: float) -> None:
        """Bring indexes after changes whose servers were killed before they could do it."""
        waiting = libraries_waiting(self._database, older)
        rows = {row.id: row for row in self._registry.list()} if waiting else {}
        for library_id in waiting:
            if library_id not in rows:
                continue  # released meanwhile
            try:
                self.open(rows[library_id]).catch_up(older)
            except TusouError as error:  # its pack is not installed, or the engine is away
                _log.info("the index of library %d lies back: %s", library_id, error.message)

    def forget(self, row: LibraryRow) -> None:
        """Close a library that was released."""
        with self._opening:
            library = self._open.pop(row.id, None)
        if library is not None:
            library.close()

    def close(self) -> None:
        """Close all libraries."""
        for library in self._open.values():
            library.close()
