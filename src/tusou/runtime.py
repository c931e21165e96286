"""Composition root: settings choose the backends and everything is put together here."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tusou.accounts.calendar import HOUR
from tusou.accounts.quotas import Quotas
from tusou.accounts.signatures import Signatures
from tusou.accounts.ticker import Ticker, Work
from tusou.backup.make import Made, Sources, make, require_current
from tusou.backup.restore import Restored
from tusou.backup.restore import restore as put_back
from tusou.duty import Duty
from tusou.errors import Problem, TusouError
from tusou.holding import hold
from tusou.memory import give_back
from tusou.office import Office
from tusou.services import Service
from tusou.settings import Settings
from tusou.storage.batches import Batches
from tusou.storage.capacity import Request as Request  # for those who show them
from tusou.storage.database import Database
from tusou.storage.snapshot import require_sqlite
from tusou.vision.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tusou.library.description import Description
    from tusou.library.models import Model

_log = logging.getLogger(__name__)

_COMPARE_SECONDS = 1.0  # how often the server looks whether duplicates are to be looked for
_MOVE_SECONDS = 1.0  # how often the server looks whether a library is to be moved
_BULK_SECONDS = 0.5  # how often the server looks whether many pictures are to be changed
_MEMORY_SECONDS = 10.0  # how often what pictures took is given back to the system
_WEBHOOK_SECONDS = 1.0  # how often the server looks whether somebody is to be told of a task
_MANIFEST_SECONDS, _MANIFEST_BYTES = 60, 64 << 20  # of a manifest that an import names
_STRIKE_SECONDS = 1.0  # how often the server looks whether an hour has ended
_FOLLOW_SECONDS = 2.0  # how often, and how long after, it makes up for others that were killed


class Runtime(Office):
    """A whole server without its HTTP: the office, the models and the open libraries."""

    def __init__(self, settings: Settings) -> None:
        # Here and not above: administration must not wait for models to load.
        from threadpoolctl import threadpool_limits

        from tusou.backends import open_blobs, open_indexing
        from tusou.images.fetch import Fetcher
        from tusou.library.bulk import Bulk
        from tusou.library.catalogue import Catalogue
        from tusou.library.comparing import Comparing
        from tusou.library.feedback import Feedback
        from tusou.library.library import Tools
        from tusou.library.models import Models
        from tusou.library.mover import Mover
        from tusou.tasks.jobs import Jobs
        from tusou.tasks.webhooks import Webhooks
        from tusou.vision.session import providers
        from tusou.vision.threads import one_thread

        with ExitStack() as undo:
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not settings.is_shared:
                undo.enter_context(hold(settings))
            super().__init__(settings)
            undo.callback(super().close)
            undo.enter_context(_among_servers(self.database, settings))
            # Told now, and not as an unknown error to whoever calls.
            self.apps.check_key_file()
            undo.callback(self.usage.close)
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
            undo.callback(self.blobs.close)
            # Requests are what runs in parallel here. NumPy's small products, shared out among
            # threads that spin while they wait, cost a search four times its processor time.
            undo.enter_context(threadpool_limits(1, "blas"))
            undo.enter_context(one_thread())
            # A wrong name is told now, not at the first library.
            providers(settings.provider)
            if settings.pack:
                self.shelf.find(settings.pack)
            self.models = Models(partial(_open, self.shelf, settings))
            undo.callback(self.models.close)
            indexing = open_indexing(settings, self.database, self.shelf)
            fetcher = Fetcher(allowed_networks=settings.fetch_allow, seconds=settings.fetch_seconds)
            undo.callback(fetcher.close)
            self.catalogue = Catalogue(
                self.database,
                self.models,
                indexing,
                Tools(fetcher, self.blobs, settings.store_originals),
            )
            undo.callback(self.catalogue.close)
            manifests = Fetcher(
                allowed_networks=settings.fetch_allow,
                seconds=_MANIFEST_SECONDS,
                most_bytes=_MANIFEST_BYTES,
            )
            undo.callback(manifests.close)
            self.jobs = Jobs(self.database, self.catalogue, settings.data / "tasks", manifests)
            self.webhooks = Webhooks(Batches(self.database), fetcher, self.apps.signing_key)
            self._duty: Duty | None = None
            self.bulk = Bulk(self.database, self.catalogue, self._has_duty)
            self._mover = Mover(self.database, self.catalogue, self.models, self.blobs)
            self.comparing = Comparing(self.database, self.catalogue, self.blobs)
            self._tickers: list[Ticker] = []
            undo.callback(self._stop_background)
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
            self._duty = Duty(self.database)
            self._tickers = [
                *(
                    Ticker(f"tusou-{name}", seconds, self._duty.when_mine(work))
                    for name, seconds, work in self._background_work()
                ),
                Ticker("tusou-memory", _MEMORY_SECONDS, give_back),  # of each server
            ]
            self._loader = threading.Thread(target=self._load, name="tusou-load", daemon=True)
            self._loader.start()

    def background(self) -> list[Work]:
        """What the threads in the background have done so far."""
        works = [self.usage.work, *(ticker.work for ticker in self._tickers)]
        return [work for work in works if work is not None]

    def close(self) -> None:
        """Close everything, in the reverse order of opening."""
        self._undo.close()

    def _background_work(self) -> Iterator[tuple[str, float, Callable[[], object]]]:
        """What one of the servers does beside requests: its name, how often, and the work."""
        yield "billing", _STRIKE_SECONDS, self.billing.strike
        yield "move", _MOVE_SECONDS, self._mover.run
        yield "bulk", _BULK_SECONDS, self.bulk.run
        yield "compare", _COMPARE_SECONDS, self.comparing.run
        yield "tasks", _BULK_SECONDS, self.jobs.run
        yield "webhooks", _WEBHOOK_SECONDS, self.webhooks.run
        yield "sweep", HOUR, self.jobs.sweep
        if self.settings.milvus:
            yield "follow", _FOLLOW_SECONDS, partial(self.catalogue.follow, _FOLLOW_SECONDS)

    def _stop_background(self) -> None:
        """Break off what is under way, and only then leave it to another server."""
        for worker in (self._mover, self.bulk, self.comparing):
            worker.stop()
        self.jobs.close()
        for ticker in self._tickers:
            ticker.close()
        if self._duty is not None:
            self._duty.close()

    def _has_duty(self) -> bool:
        # Before `start` nobody else can have it: whoever runs a piece of work by hand means it.
        return self._duty is None or self._duty.is_mine()

    def _load(self) -> None:
        from tusou.library.reconcile import sweep

        try:
            self.catalogue.open_all()
        except Exception:
            _log.exception("not every library could be loaded; those are tried again when asked")
        self.ready.set()
        for tidy in (lambda: sweep(self.database, self.blobs), self.jobs.sweep):
            try:
                if self._has_duty():
                    tidy()
            except Exception:
                _log.exception("what a crash left is not swept up; the next start tries again")


def back_up(settings: Settings, place: Path, *, full: bool = False) -> Made:
    """Copy all that a server needs to be itself again, beside a running one; see `backup.make`.

    Raises:
        RuntimeError: the database is not SQLite, is damaged, or of another version.
        OSError: the place is full, or cannot be written to.
    """
    from tusou.backends import open_blobs

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
        RuntimeError: the folder is served or not empty, or the settings name another database or
            store.
        OSError: the place is full, or cannot be written to.
    """
    if settings.database or settings.blobs:
        raise RuntimeError(
            "a backup is restored to the data folder, with its own SQLite and pictures: "
            "unset TUSOU_DATABASE and TUSOU_BLOBS"
        )
    if not settings.data.exists():
        return put_back(place, settings.data, force=force)
    with hold(settings):
        return put_back(place, settings.data, force=force)


def added_packs(settings: Settings) -> list[Path]:
    """Folders of the model packs that did not come with the package."""
    shelf = Shelf(settings.packs_folder)
    return [pack.folder for pack in shelf.packs() if shelf.is_added(pack)]


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
            dimension=embedder.dimension,
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


@contextmanager
def _among_servers(database: Database, settings: Settings) -> Iterator[None]:
    """Be one of several on the database, or the only one: indexes of its own miss others' changes.

    Raises:
        RuntimeError: others are there that this one cannot share with.
    """
    with database.owning("server", shared=settings.is_shared) as there:
        if there is None:
            raise RuntimeError(
                "another tusou server is running on this database, and they cannot share it unless "
                "all find pictures in one Milvus; see docs/scaling.md"
            )
        yield
