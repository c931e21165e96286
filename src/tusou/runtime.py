"""Composition root: settings choose the backends and everything is put together here."""

import fcntl
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from tusou.accounts.apps import Apps
from tusou.accounts.audit import Audit
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR
from tusou.accounts.plans import Plans
from tusou.accounts.prices import Prices
from tusou.accounts.quotas import Quotas
from tusou.accounts.secrets import Vault
from tusou.accounts.sessions import Sessions
from tusou.accounts.signatures import Signatures
from tusou.accounts.signups import Signups
from tusou.accounts.statistics import last_calls
from tusou.accounts.ticker import Ticker, Work
from tusou.accounts.tokens import Tokens
from tusou.accounts.usage import Usage
from tusou.accounts.users import Users
from tusou.backup.make import Made, Sources, make, require_current
from tusou.backup.restore import Restored
from tusou.backup.restore import restore as put_back
from tusou.errors import Problem, TusouError
from tusou.library.duplicates import Duplicates
from tusou.memory import give_back
from tusou.services import SERVICES, Service
from tusou.settings import Settings
from tusou.storage.batches import Batches
from tusou.storage.blobs import Blobs, FolderBlobs, new_name
from tusou.storage.capacity import CapacityRequests
from tusou.storage.capacity import Request as Request  # for those who show them
from tusou.storage.database import Also, Database
from tusou.storage.items import Items, LibraryRow, Registry, first_app
from tusou.storage.listing import Listing
from tusou.storage.moves import MoveRow, Moves
from tusou.storage.snapshot import require_sqlite
from tusou.types import Vectors
from tusou.vision.packs import Pack
from tusou.vision.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tusou.library.checking import Damage
    from tusou.library.description import Description
    from tusou.library.models import Model
    from tusou.library.pictures import Pictures

_log = logging.getLogger(__name__)

_COMPARE_SECONDS = 1.0  # how often the server looks whether duplicates are to be looked for
_MOVE_SECONDS = 1.0  # how often the server looks whether a library is to be moved
_BULK_SECONDS = 0.5  # how often the server looks whether many pictures are to be changed
_MEMORY_SECONDS = 10.0  # how often what pictures took is given back to the system
_WEBHOOK_SECONDS = 1.0  # how often the server looks whether somebody is to be told of a task
_MANIFEST_SECONDS, _MANIFEST_BYTES = 60, 64 << 20  # of a manifest that an import names
_STRIKE_SECONDS = 1.0  # how often the server looks whether an hour has ended


class Standing(NamedTuple):
    """A library, and the move to another pack that it is in."""

    library: LibraryRow
    move: MoveRow | None


class Office:
    """What administration needs: the database, applications, tokens, the register of libraries.

    Works beside a running server on the same folder, and starts without loading a model.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.database = Database(settings.database_url)
        self.database.migrate()
        self.audit = Audit(self.database)
        self.vault = Vault(settings.data / "secret.key")
        self.apps = Apps(self.database, self.vault, self.audit)
        self.signups = Signups(self.database, self.apps)
        self.users = Users(self.database, self.audit)
        self.sessions = Sessions(self.database, settings.session_hours * HOUR)
        self.plans = Plans.bundled()
        self.tokens = Tokens(self.database, self.apps)
        self.usage = Usage(self.database)
        prices = Prices.load(settings.prices)
        self.billing = Billing(self.database, prices, self.usage, audit=self.audit)
        self.registry = Registry(self.database)
        self.requests = CapacityRequests(self.database)
        self.moves = Moves(self.database)
        self.duplicates = Duplicates(self.database)
        self.shelf = Shelf(settings.packs_folder)

    def create_library(self, app_id: int, service: str, pack: str | None = None) -> LibraryRow:
        """Make an application's library for a service, with the capacity of the settings.

        Args:
            app_id: Whose.
            service: One of the five.
            pack: The model pack that fills it, by name or id; by default that of the settings, or
                else the one made for the service.

        Raises:
            TusouError: APP_UNKNOWN, or LIBRARY_EXISTS.
            ValueError: there is no such pack.
        """
        app, capacity = self.apps.get(app_id), self.settings.library_capacity
        chosen = self._find_pack(service, pack)
        facts = {"service": service, "pack": chosen, "capacity": capacity}
        note = self.audit.noting("library.create", app.id, **facts)
        return self.registry.create(app.id, service, chosen, capacity, note)

    def _find_pack(self, service: str, name: str | None = None) -> str:
        """The id of the pack for a new library: by name, of the settings, or the service's own."""
        return self.shelf.find(name or self.settings.pack or SERVICES[service].pack).id

    def sign_up(self, name: str, service: str) -> LibraryRow:
        """Make the library of a name of the private interface, and the application it belongs to.

        Raises:
            TusouError: LIBRARY_EXISTS; APP_GONE, the application of that name is disabled.
        """
        app = self.signups.find_or_create(name, service, self.plans.get(self.settings.plan))
        if all(row.service != service for row in self.registry.list(app.id)):
            # Before the library is there: a service that is unticked later stays so.
            self.apps.tick(app.id, service)
        return self.create_library(app.id, service)

    def ask_for_capacity(
        self,
        app_id: int,
        service: str,
        who: str,
        *,
        operates: bool = False,
        pictures: int | None = None,
        pack: str = "",
    ) -> bool:
        """Ask for a library, or for more room in one that is there.

        Args:
            app_id: Whose.
            service: One of the five.
            who: Asks.
            operates: An operator does.
            pictures: How many more; None: as many as the settings give a new library.
            pack: The model pack of a new library, by name or id; empty: as `create_library`.

        Returns:
            Whether it is granted at once: an operator asks, or the settings say so.

        Raises:
            TusouError: APP_UNKNOWN; ITEM_EXISTS, a request for it is not decided yet.
            ValueError: there is no such pack.
        """
        app, pictures = self.apps.get(app_id), pictures or self.settings.library_capacity
        chosen = self._find_pack(service, pack) if pack else ""
        facts = {"service": SERVICES[service].name, "pictures": pictures}
        note = self.audit.noting("capacity.ask", app.id, **facts)
        number = self.requests.ask(app.id, service, pictures, who, note, chosen)
        if operates or self.settings.grant_capacity:
            self.decide_capacity(number, True)
            return True
        return False

    def decide_capacity(self, number: int, granted: bool) -> None:
        """Grant a request for capacity, or refuse it.

        Raises:
            TusouError: REQUEST_MISSING, there is none or it was decided before.
        """
        act = "capacity.grant" if granted else "capacity.refuse"

        def note(request: Request) -> Also:
            facts = {"service": request.service, "pictures": request.pictures}
            return self.audit.noting(act, request.app_id, **facts)

        self.requests.decide(number, granted, self._find_pack, note)

    def check_pictures(self, app_id: int, service: str) -> "Iterator[Damage]":
        """Read all files of a library and tell the pictures whose files are damaged.

        Raises:
            TusouError: NO_LIBRARY.
        """
        from tusou.library.checking import damaged
        from tusou.storage.listing import Listing

        listing = Listing(self.database, self.registry.get(app_id, service).id)
        return damaged(listing, SERVICES[service], FolderBlobs(self.settings.data / "blobs"))

    def move_library(self, app_id: int, service: str, pack: str) -> str:
        """Ask for a library to be moved to another pack, and tell its id; a server does it.

        To the pack that it has: call its move off.

        Raises:
            TusouError: NO_LIBRARY.
            ValueError: there is no such pack, the library has it, or pictures have no original.
        """
        row, chosen = self.registry.get(app_id, service), self.shelf.find(pack).id
        note = self.audit.noting("library.move", app_id, service=service, pack=chosen)
        self.moves.start(row.id, chosen, note)
        return chosen

    def stop_move(self, row: LibraryRow) -> None:
        """Call a library's move off, where it is in one."""
        own = self.registry.get(row.app_id, row.service).pack
        with suppress(ValueError):  # it has just been made
            self.move_library(row.app_id, row.service, own)

    def standings(self) -> list[Standing]:
        """All libraries, and where they are moving."""
        moves = {move.library_id: move for move in self.moves.list()}
        return [Standing(row, moves.get(row.id)) for row in self.registry.list()]

    def needed_packs(self) -> list[tuple[str, LibraryRow]]:
        """The packs that libraries need: their own, and those to which they are moving."""
        return [
            (pack, row)
            for row, move in self.standings()
            for pack in {row.pack, row.pack if move is None else move.pack}
        ]

    def add_pack(self, source: str) -> list[Pack]:
        """Add the pack of a folder, a wheel or a hub; see `vision.install.add`.

        Raises:
            ValueError: what is wrong with it; nothing has been added.
        """
        from tusou.vision import install

        added = install.add(source, self.shelf, self.settings.hub)
        self._note("pack.add", source=source, packs=[pack.id for pack in added])
        return added

    def remove_pack(self, name: str) -> Pack:
        """Delete a model pack that was added.

        Raises:
            ValueError: there is none, it came with tusou, or a library uses it.
        """
        pack = self.shelf.find(name)
        users = [row for needed, row in self.needed_packs() if needed == pack.id]
        if users and self.shelf.is_added(pack):
            named = ", ".join(f"{row.app_id} {row.service}" for row in users)
            raise ValueError(f"{pack.id} is used by libraries: {named}")
        self.shelf.remove(pack)
        self._note("pack.remove", pack=pack.id)
        return pack

    def _note(self, act: str, **facts: object) -> None:
        """Write an act down that changed files: after it, for there is no transaction to share."""
        with self.database.write() as connection:
            self.audit.note(connection, act, None, **facts)

    def unused_libraries(self, days: int) -> list[LibraryRow]:
        """Libraries that nothing was added to and nobody searched for so many days.

        The contract lets an operator release them after a year; nothing here does it unasked.
        """
        before = time.time() - days * DAY
        last = last_calls(self.database, ("add", "search"))
        return [
            row
            for row in self.registry.list()
            if max(row.created, last.get((row.app_id, row.service), 0)) < before
        ]

    def pictures(self, app_id: int, service: str) -> "Pictures":
        """An application's pictures for a service, to look at, also beside a running server.

        Raises:
            TusouError: NO_LIBRARY.
        """
        from tusou.library.pictures import Pictures

        row = self.registry.get(app_id, service)
        blobs = FolderBlobs(self.settings.data / "blobs")
        return Pictures(Listing(self.database, row.id), blobs)

    def vectors(self, row: LibraryRow, keys: Sequence[int]) -> tuple[list[int], Vectors]:
        """Those of some pictures of a library that are there still, and their vectors [N × D].

        All are by the pack of `row`; of a library that was moved meanwhile there are none.
        """
        return Items(self.database, row.id).vectors_of(keys, row.pack)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Runtime(Office):
    """A whole server without its HTTP: the office, the models and the open libraries."""

    def __init__(self, settings: Settings) -> None:
        # Here and not above: administration must not wait for models to load.
        from threadpoolctl import threadpool_limits

        from tusou.images.fetch import Fetcher
        from tusou.index.inverted import InvertedIndex
        from tusou.library.bulk import Bulk
        from tusou.library.catalogue import Catalogue
        from tusou.library.comparing import Comparing
        from tusou.library.feedback import Feedback
        from tusou.library.library import Tools
        from tusou.library.models import Models
        from tusou.library.mover import Mover
        from tusou.tasks.jobs import Jobs
        from tusou.tasks.webhooks import Webhooks
        from tusou.vision import words
        from tusou.vision.session import providers

        with ExitStack() as undo:
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = undo.enter_context(_sole_server(settings))
            super().__init__(settings)
            undo.callback(super().close)
            # Told now, and not as an unknown error to whoever calls.
            self.apps.check_key_file()
            undo.callback(self.usage.close)
            self._clock: Ticker | None = None
            undo.callback(self._stop_clock)
            self.signatures = Signatures(
                self.apps, settings.clock_skew_seconds, settings.signature_seconds
            )
            self.quotas = Quotas(
                self.plans,
                self.usage.counted,
                redis=settings.redis,
                paid_qps=self.billing.standing.qps,
            )
            self.blobs = open_blobs(settings)
            # Requests are what runs in parallel here. NumPy's small products, shared out among
            # threads that spin while they wait, cost a search four times its processor time.
            undo.enter_context(threadpool_limits(1, "blas"))
            # A wrong name is told now, not at the first library.
            providers(settings.provider)
            if settings.pack:
                self.shelf.find(settings.pack)
            self.models = Models(partial(_open, self.shelf, settings))
            undo.callback(self.models.close)
            fetcher = Fetcher(allowed_networks=settings.fetch_allow, seconds=settings.fetch_seconds)
            undo.callback(fetcher.close)
            self.catalogue = Catalogue(
                self.database,
                self.models,
                Tools(
                    fetcher=fetcher,
                    blobs=self.blobs,
                    store_originals=settings.store_originals,
                    make_words=lambda: InvertedIndex(words.COUNT, words.affinities()),
                ),
            )
            undo.callback(self.catalogue.close)
            manifests = Fetcher(
                allowed_networks=settings.fetch_allow,
                seconds=_MANIFEST_SECONDS,
                most_bytes=_MANIFEST_BYTES,
            )
            undo.callback(manifests.close)
            self.jobs = Jobs(self.database, self.catalogue, settings.data / "tasks", manifests)
            undo.callback(self.jobs.close)
            self.webhooks = Webhooks(Batches(self.database), fetcher, self.apps.signing_key)
            self._errands: list[Ticker] = []
            undo.callback(self._stop_errands)
            self.bulk = Bulk(self.database, self.catalogue)
            self._bulk_ticker: Ticker | None = None
            undo.callback(self._stop_bulk)
            self._mover = Mover(self.database, self.catalogue, self.models, self.blobs)
            self._moving: Ticker | None = None
            undo.callback(self._stop_moving)
            self.comparing = Comparing(self.database, self.catalogue, self.blobs)
            self._comparing_ticker: Ticker | None = None
            undo.callback(self._stop_comparing)
            self.feedback = Feedback(self.database, self.blobs)
            self.ready = threading.Event()
            self._loader: threading.Thread | None = None
            self._undo = undo.pop_all()

    def describe(self, data: bytes, service: Service, *, local: bool) -> "Description":
        """See a picture by the pack of a new library; see `library.description.describe`."""
        from tusou.library.description import describe

        model = self.models.get(self._find_pack(service.name))
        return describe(data, service, model, local=local)

    def start(self) -> None:
        """Load all libraries in the background, once; `ready` is set when that is done."""
        if self._loader is None:
            self.usage.start()
            self._clock = Ticker("tusou-billing", _STRIKE_SECONDS, self.billing.strike)
            self._moving = Ticker("tusou-move", _MOVE_SECONDS, self._mover.run)
            self._bulk_ticker = Ticker("tusou-bulk", _BULK_SECONDS, self.bulk.run)
            self._comparing_ticker = Ticker("tusou-compare", _COMPARE_SECONDS, self.comparing.run)
            self._errands = [
                Ticker("tusou-tasks", _BULK_SECONDS, self.jobs.run),
                Ticker("tusou-webhooks", _WEBHOOK_SECONDS, self.webhooks.run),
                Ticker("tusou-sweep", HOUR, self.jobs.sweep),
                Ticker("tusou-memory", _MEMORY_SECONDS, give_back),
            ]
            self._loader = threading.Thread(target=self._load, name="tusou-load", daemon=True)
            self._loader.start()

    def background(self) -> list[Work]:
        """What the threads in the background have done so far."""
        tickers = (self._clock, self._moving, self._bulk_ticker)
        works = [self.usage.work, *(ticker.work for ticker in tickers if ticker is not None)]
        return [work for work in works if work is not None]

    def close(self) -> None:
        """Close everything, in the reverse order of opening."""
        self._undo.close()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.close()

    def _stop_moving(self) -> None:
        self._mover.stop()
        if self._moving is not None:
            self._moving.close()

    def _stop_errands(self) -> None:
        for errand in self._errands:
            errand.close()

    def _stop_bulk(self) -> None:
        self.bulk.stop()
        if self._bulk_ticker is not None:
            self._bulk_ticker.close()

    def _stop_comparing(self) -> None:
        self.comparing.stop()
        if self._comparing_ticker is not None:
            self._comparing_ticker.close()

    def _load(self) -> None:
        from tusou.library.reconcile import sweep

        try:
            self.catalogue.open_all()
        except Exception:
            _log.exception("not every library could be loaded; those are tried again when asked")
        self.ready.set()
        for tidy in (lambda: sweep(self.database, self.blobs), self.jobs.sweep):
            try:
                tidy()
            except Exception:
                _log.exception("what a crash left is not swept up; the next start tries again")


def check_models(settings: Settings) -> list[str]:
    """Load the packs of new libraries and let each see a picture; returns their ids.

    Raises:
        ValueError: there is no such pack.
        TusouError: one does not load, or does not run.
    """
    from tusou.vision.embed import Embedder

    shelf = Shelf(settings.packs_folder)
    names = dict.fromkeys(settings.pack or service.pack for service in SERVICES.values())
    found = [shelf.find(name) for name in names]
    for pack in found:
        with Embedder(pack, provider=settings.provider) as embedder:
            embedder.try_out()
    return [pack.id for pack in found]


def open_blobs(settings: Settings) -> Blobs:
    """The store of pictures."""
    return FolderBlobs(settings.data / "blobs")


def back_up(settings: Settings, place: Path, *, full: bool = False) -> Made:
    """Copy all that a server needs to be itself again, beside a running one; see `backup.make`.

    Raises:
        RuntimeError: the database is not SQLite, is damaged, or of another version.
        OSError: the place is full, or cannot be written to.
    """
    require_sqlite(settings.database_url)
    database = Database(settings.database_url)
    try:
        require_current(database)
        key_file, packs = settings.data / "secret.key", added_packs(settings)
        sources = Sources(database, open_blobs(settings), key_file, packs)
        return make(sources, place, full=full)
    finally:
        database.close()


def restore(settings: Settings, place: Path, *, force: bool = False) -> Restored:
    """Make a backup the data folder; see `backup.restore`.

    Raises:
        ValueError: the backup is damaged.
        RuntimeError: the folder is served or not empty, or the settings name another database.
        OSError: the place is full, or cannot be written to.
    """
    if settings.database:
        raise RuntimeError(
            "a backup is restored to the data folder's own SQLite: unset TUSOU_DATABASE"
        )
    if not settings.data.exists():
        return put_back(place, settings.data, force=force)
    with _sole_server(settings):
        return put_back(place, settings.data, force=force)


def added_packs(settings: Settings) -> list[Path]:
    """Folders of the model packs that did not come with the package."""
    shelf = Shelf(settings.packs_folder)
    return [pack.folder for pack in shelf.packs() if shelf.is_added(pack)]


def check_key_file(settings: Settings) -> None:
    """Pass where the key file fits the applications of the database, which is of this version.

    Raises:
        RuntimeError: it does not, or there are applications and no key file.
    """
    path = settings.data / "secret.key"
    with closing(Database(settings.database_url)) as database:
        if path.exists():
            Apps(database, Vault(path)).check_key_file()
        elif first_app(database) is not None:
            raise RuntimeError(f"{path} is missing: put the one back that the database came with")


def check_blobs(settings: Settings) -> None:
    """Write a picture's bytes to the store, read them again, and delete them.

    Raises:
        TusouError: UNAVAILABLE; OSError or RuntimeError: what was wrong.
    """
    blobs, name, data = open_blobs(settings), new_name(), b"tusou doctor"
    blobs.put(name, data)
    try:
        if blobs.get(name) != data:
            raise RuntimeError("what was read is not what was written")
    finally:
        blobs.delete(name)


def count_lost_files(settings: Settings) -> int:
    """How many pictures have lost their file; the database is of this version.

    Raises:
        TusouError: UNAVAILABLE; OSError: the store cannot be read.
    """
    from tusou.library.checking import without_files

    with closing(Database(settings.database_url)) as database:
        return without_files(database, FolderBlobs(settings.data / "blobs"))


def _open(shelf: Shelf, settings: Settings, pack: str) -> "Model":
    """Open the pack of an id with everything that sees pictures by it.

    Raises:
        TusouError: UNAVAILABLE, it is not installed; INTERNAL_BACKEND, it does not load.
    """
    from tusou.index.embedded import EmbeddedIndex
    from tusou.library.models import Model
    from tusou.library.pipelines import EmbeddingPipeline, LocalPipeline, SubjectPipeline
    from tusou.vision import geometry, keypoints
    from tusou.vision.embed import Embedder
    from tusou.vision.subject import Finder
    from tusou.vision.text import Reader

    try:
        found = shelf.find(pack)
    except ValueError as error:
        raise TusouError(
            Problem.UNAVAILABLE,
            f"the model pack {pack} is not installed; add it with: tusou model add",
        ) from error
    with ExitStack() as undo:
        embedder = Embedder(found, provider=settings.provider)
        undo.callback(embedder.close)
        finder = Finder(provider=settings.provider)
        undo.callback(finder.close)
        budget = settings.candidates, settings.verify_milliseconds / 1000
        copies = LocalPipeline(embedder, *budget, points=keypoints.LIMIT, even=geometry.EVEN)
        undo.callback(copies.close)
        # A photo shows more than the page, and the page smaller than it was stored.
        pages = LocalPipeline(
            embedder,
            *budget,
            points=1000,
            even=geometry.EVEN_FOR_PAGES,
            side=800,
        )
        undo.callback(pages.close)
        reader = None
        if found.text is not None:
            reader = Reader(found, provider=settings.provider)
            undo.callback(reader.close)
        return Model(
            pack=found.id,
            pipelines={
                "embedding": EmbeddingPipeline(embedder),
                "subjects": SubjectPipeline(embedder, finder, settings.most_subjects or None),
                "copies": copies,
                "pages": pages,
            },
            make_vectors=lambda: EmbeddedIndex(embedder.dimension),
            load=lambda: embedder.load,
            close=undo.pop_all().close,
            reader=reader,
        )


def is_served(settings: Settings) -> bool:
    """Whether a server holds the folder."""
    try:
        with (settings.data / "server.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _sole_server(settings: Settings) -> IO[str]:
    """Hold the folder: two servers on it would each miss what the other adds.

    Raises:
        RuntimeError: another server holds it.
    """
    file = (settings.data / "server.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeError(
            f"another tusou server is running on {settings.data.absolute()}; "
            "stop it, or give this one a folder of its own with --data"
        ) from None
    return file
