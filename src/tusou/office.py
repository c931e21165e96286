"""What administration needs of the settings: accounts, libraries, packs; no model is loaded."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from tusou.accounts.apps import Apps
from tusou.accounts.audit import Audit
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR
from tusou.accounts.planbook import Planbook
from tusou.accounts.prices import Prices
from tusou.accounts.secrets import Vault
from tusou.accounts.sessions import Sessions
from tusou.accounts.signups import Signups
from tusou.accounts.statistics import last_calls
from tusou.accounts.tokens import Tokens
from tusou.accounts.usage import Usage
from tusou.accounts.users import Users
from tusou.library.duplicates import Duplicates
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.capacity import CapacityRequests
from tusou.storage.capacity import Request as Request  # for those who show them
from tusou.storage.database import Also, Database
from tusou.storage.items import Items
from tusou.storage.listing import Listing
from tusou.storage.moves import MoveRow, Moves
from tusou.storage.registry import LibraryRow, Registry
from tusou.types import Vectors
from tusou.vision.packs import Pack
from tusou.vision.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tusou.library.checking import Damage
    from tusou.library.pictures import Pictures


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
        self.plans = Planbook(self.database, self.audit, settings.plan)
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
        from tusou.backends import open_blobs
        from tusou.library.checking import damaged

        listing = Listing(self.database, self.registry.get(app_id, service).id)
        return damaged(listing, SERVICES[service], open_blobs(self.settings))

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
        from tusou.backends import open_blobs
        from tusou.library.pictures import Pictures

        row = self.registry.get(app_id, service)
        return Pictures(Listing(self.database, row.id), open_blobs(self.settings))

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
