"""All libraries of a server: opened from SQL, found by application and service."""

import threading
from collections.abc import Mapping

from tusou.errors import Problem, TusouError
from tusou.library.library import Library, Tools
from tusou.library.pipelines import Pipeline
from tusou.services import SERVICES
from tusou.storage.database import Database
from tusou.storage.items import Items, LibraryRow, Registry


class Catalogue:
    """Opens libraries on first use; one that another process created is found too."""

    def __init__(
        self, database: Database, pipelines: Mapping[str, Pipeline], pack: str, tools: Tools
    ) -> None:
        self._database = database
        self._registry = Registry(database)
        self._pipelines = pipelines
        self._pack = pack
        self._tools = tools
        self._open: dict[int, Library] = {}
        self._opening = threading.Lock()

    def open_all(self) -> None:
        """Load every library's index, so that the first requests need not wait for it."""
        for row in self._registry.list():
            self._library(row)

    def library(self, app_id: int, service: str) -> Library:
        """The application's library for a service.

        Raises:
            TusouError: NO_LIBRARY; UNAVAILABLE, another model filled it.
        """
        return self._library(self._registry.get(app_id, service))

    def close(self) -> None:
        """Close all libraries."""
        for library in self._open.values():
            library.close()

    def _library(self, row: LibraryRow) -> Library:
        library = self._open.get(row.id)
        if library is not None:
            return library
        if row.pack != self._pack:
            raise TusouError(
                Problem.UNAVAILABLE,
                f"the library was filled by the model {row.pack}; this server runs {self._pack}",
            )
        with self._opening:
            if row.id not in self._open:
                service = SERVICES[row.service]
                self._open[row.id] = Library(
                    service,
                    self._pack,
                    Items(self._database, row.id),
                    self._pipelines[service.pipeline],
                    self._tools,
                )
            return self._open[row.id]
