"""Does the tasks that take long, several libraries' side by side, and goes on after a restart."""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tusou.errors import Problem, TusouError
from tusou.images.fetch import Fetcher
from tusou.intake.run import Add
from tusou.library.catalogue import Catalogue
from tusou.services import SERVICES
from tusou.storage.batches import JOBS, Batches
from tusou.storage.batches import Batch as Batch  # for those who ask
from tusou.storage.batches import Wish as Wish  # likewise
from tusou.storage.database import Also, Database
from tusou.storage.items import Items
from tusou.storage.listing import Listing
from tusou.storage.moves import Moves
from tusou.storage.registry import LibraryRow, Registry
from tusou.tasks import exporting, importing
from tusou.tasks.files import Files
from tusou.tasks.importing import Stop

_log = logging.getLogger(__name__)

_AT_ONCE = 2
_MOST_OPEN = 20
"""Tasks of a library."""
_NOT_NOW = (Problem.UNAVAILABLE, Problem.OVERLOADED)

Adder = Callable[[int, str], Add]
"""Gives what adds pictures to an application's library of a service, charged as its calls are."""


class Jobs:
    """Starts what was asked for, one task a library at a time.

    Imports wait until `connect` has said what pictures are added by.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, folder: Path, fetcher: Fetcher
    ) -> None:
        self.files = Files(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._fetcher = fetcher
        self._database = database
        self._registry = Registry(database)
        self._batches = Batches(database)
        self._moves = Moves(database)
        self._catalogue = catalogue
        self._adder: Adder | None = None
        self._busy: dict[int, int] = {}
        """The task in hand by its library."""
        self._stops: dict[int, Stop] = {}
        """What breaks a task in hand off, by its number."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "tusou-task")

    def connect(self, adder: Adder) -> None:
        """Say what pictures are added by."""
        self._adder = adder

    def ask(self, row: LibraryRow, wish: Wish, also: Also = lambda _: None) -> Batch:
        """Ask for a task.

        Raises:
            TusouError: BATCH_LIMIT, the library has many that wait.
        """
        listing = Listing(self._database, row.id)
        total = listing.count(wish.wanted) if wish.act == "export" else 0
        return self._batches.ask(row.id, wish, listing.last(), total, 0, also, _MOST_OPEN)

    def get(self, row: LibraryRow, number: int) -> Batch:
        """One task of a library, changes of many pictures too.

        Raises:
            TusouError: REQUEST_MISSING.
        """
        return self._batches.get(row.id, number)

    def list(self, row: LibraryRow, count: int, before: int | None = None) -> Sequence[Batch]:
        """Up to `count` of them, the newest first, asked for before the one of a number."""
        return self._batches.list(row.id, count, before)

    def cancel(self, row: LibraryRow, number: int, also: Also = lambda _: None) -> bool:
        """Call one off, also one under way; False where it is over, or a release has begun."""
        return self._batches.cancel(row.id, number, also)

    def run(self) -> None:
        """Start what is not under way, and look how far moves have come."""
        rows: dict[int, LibraryRow] = {}
        batches = self._batches.open(JOBS)
        self._stop_others({batch.id for batch in batches})
        for batch in batches:
            rows = rows or {row.id: row for row in self._registry.list()}
            row = rows.get(batch.library_id)
            if row is None or self._stopping.is_set():
                continue
            if batch.act == "move":
                self._watch(batch, row)
            elif batch.act != "import" or self._adder is not None:
                self._start(batch, row)

    def sweep(self) -> None:
        """Delete the files of tasks that are forgotten."""
        open_ = self._batches.open(("import",))
        sent = {str(batch.options["sent"]) for batch in open_}
        self.files.sweep(self._batches.numbers(), sent)

    def close(self) -> None:
        """Break off what is under way soon; it goes on when the server runs again."""
        self._stopping.set()
        self._stop_others(set())
        self._threads.shutdown(cancel_futures=True)

    def _stop_others(self, wanted: Collection[int]) -> None:
        """Break off what is in hand and was called off."""
        with self._lock:
            stops = [stop for number, stop in self._stops.items() if number not in wanted]
        for stop in stops:
            stop()

    def _start(self, batch: Batch, row: LibraryRow) -> None:
        with self._lock:
            if row.id in self._busy or len(self._busy) >= _AT_ONCE:
                return
            self._busy[row.id] = batch.id
        self._threads.submit(self._work, batch, row)

    def _work(self, batch: Batch, row: LibraryRow) -> None:
        try:
            if self._batches.begin(batch):
                self._do(batch, row)
        except TusouError as error:
            if error.problem in _NOT_NOW:
                _log.info("task %d is not done yet: %s", batch.id, error.message)
            else:
                self._batches.end(batch, error.message)
        except ValueError as error:
            self._batches.end(batch, str(error))
        except Exception:
            _log.exception("task %d failed", batch.id)
            self._batches.end(batch, "a bug or a full disk; the server's log says more")
        finally:
            self._tidy(batch)
            with self._lock:
                del self._busy[row.id]
                self._stops.pop(batch.id, None)

    def _do(self, batch: Batch, row: LibraryRow) -> None:
        done = False
        match batch.act:
            case "import":
                done = self._import(batch, row)
            case "export":
                done = self._export(batch, row)
            case "rebuild":
                done = self._rebuild(batch, row)
        if done:
            self._batches.end(batch)

    def _tidy(self, batch: Batch) -> None:
        """Delete what a task that is over needs no more."""
        if batch.act == "import" and not self._is_open(batch):
            self.files.sent(batch.options["sent"]).unlink(missing_ok=True)
            self.files.journal(batch.id).unlink(missing_ok=True)

    def _is_open(self, batch: Batch) -> bool:
        try:
            return self._batches.get(batch.library_id, batch.id).is_open
        except TusouError:  # the library was released meanwhile
            return False

    def _import(self, batch: Batch, row: LibraryRow) -> bool:
        if self._adder is None:
            return False
        sent = self.files.sent(batch.options["sent"])
        if batch.options["manifest"] and not sent.exists():
            sent.write_bytes(self._fetcher.fetch(batch.options["manifest"]))
        if not sent.exists():
            raise ValueError(
                "what was sent is not in the folder of this server's tasks: several servers need "
                "one folder for them (docs/scaling.md)"
            )

        def report(done: int, failed: int, total: int) -> bool:
            return self._batches.report(batch, done, failed, total) and not self._stopping.is_set()

        def begun(stop: Stop) -> None:
            with self._lock:
                self._stops[batch.id] = stop
            if self._stopping.is_set():
                stop()

        add = self._adder(row.app_id, row.service)
        try:
            importing.run(batch, self.files, add, report, begun)
        except ValueError as error:  # its place is nobody's business
            raise ValueError(str(error).replace(str(sent), "the file")) from error
        return not self._stopping.is_set()

    def _export(self, batch: Batch, row: LibraryRow) -> bool:
        def report(done: int) -> bool:
            reported = self._batches.report(batch, done, 0, max(batch.total, done))
            return reported and not self._stopping.is_set()

        listing, items = Listing(self._database, row.id), Items(self._database, row.id)
        path = self.files.made(batch.id)
        return exporting.run(batch, SERVICES[row.service], row.pack, listing, items, path, report)

    def _rebuild(self, batch: Batch, row: LibraryRow) -> bool:
        def tell(last: int, count: int, _: float) -> bool:
            return self._batches.advance(batch, last, count) and not self._stopping.is_set()

        library = self._catalogue.open(row)
        done = library.rebuild(batch.last, tell)
        return done and self._batches.report(batch, len(library), 0, len(library))

    def _watch(self, batch: Batch, row: LibraryRow) -> None:
        """Write down how far a move has come, which `library.mover` makes."""
        if not self._batches.begin(batch):
            return
        wanted = batch.options["pack"]
        move = next((move for move in self._moves.list() if move.library_id == row.id), None)
        # Where the pack is the library's own, only tidying is left.
        row = self._registry.get(row.app_id, row.service)
        if row.pack == wanted:
            self._batches.report(batch, row.size, 0, row.size)
            self._batches.end(batch)
        elif move is None or move.pack != wanted:
            self._batches.end(batch, "another move was asked for, or it was called off")
        elif move.problem:
            self._batches.end(batch, move.problem)
        else:
            self._batches.report(batch, move.done, 0, row.size)
