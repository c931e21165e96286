"""Duplicates of a library, looked for and listed: of this folder, or of a server elsewhere."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

from tusou.cli.holdings import plainly
from tusou.client import Client, Group, Scan
from tusou.office import Office
from tusou.runtime import Runtime
from tusou.web.rest import answers

_LOOK_SECONDS = 0.5
_A_PAGE = 500


class Twins(Protocol):
    """A library whose pictures are compared with each other."""

    def scan(self) -> Scan:
        """How far it was looked through."""
        ...

    def compare(self) -> Iterator[Scan]:
        """Compare what was not compared yet, telling now and then how far that is.

        What comes last is over, or has a problem.
        """
        ...

    def groups(self) -> Iterator[Group]:
        """Pictures that show the same, those of the newest first."""
        ...

    def close(self) -> None:
        """Be done with it."""
        ...


class LocalTwins:
    """A library of this folder, which a running server looks through."""

    def __init__(self, office: Office, app_id: int, service: str) -> None:
        self._office, self._library = office, office.registry.get(app_id, service)

    def scan(self) -> Scan:
        """How far it was looked through."""
        known, fresh = self._office.duplicates, self._office.duplicates.fresh(self._library)
        return Scan.read(answers.scan(known.scan(self._library), fresh))

    def compare(self) -> Iterator[Scan]:
        """Have the server do it."""
        self._ask()
        return _followed(self.scan)

    def groups(self) -> Iterator[Group]:
        """Pictures that show the same."""
        after: int | None = None
        while True:
            page = self._office.duplicates.page(self._library, _A_PAGE, after)
            yield from (Group.read(answers.group(group)) for group in page.groups)
            after = page.next
            if after is None:
                return

    def close(self) -> None:
        """Close the folder."""
        self._office.close()

    def _ask(self) -> None:
        library = self._library
        note = self._office.audit.noting("duplicates.scan", library.app_id, service=library.service)
        self._office.duplicates.ask(library, note)


class OwnTwins(LocalTwins):
    """A library of this folder while no server runs on it."""

    def __init__(self, runtime: Runtime, app_id: int, service: str) -> None:
        super().__init__(runtime, app_id, service)
        self._runtime = runtime

    def compare(self) -> Iterator[Scan]:
        """Do what a server would, without the rest that it leaves to requests."""
        from tusou.library.comparing import Comparing  # loads what a list must not wait for

        self._ask()
        runtime = self._runtime
        comparing = Comparing(runtime.database, runtime.catalogue, runtime.blobs, rest=0)
        with ThreadPoolExecutor(1) as executor:
            work = executor.submit(comparing.run, self._library.id)
            try:
                while wait([work], _LOOK_SECONDS).not_done:
                    yield self.scan()
            finally:
                comparing.stop()
            work.result()
        yield self.scan()


class RemoteTwins:
    """A library of a server, by the native interface."""

    def __init__(self, host: str, keys: Path, service: str) -> None:
        """Connect with the keys of a file, as `tusou app show --json` writes them."""
        self._client, self._service = Client.from_file(keys, host), service

    def scan(self) -> Scan:
        """How far it was looked through."""
        with plainly():
            return self._client.scan(self._service)

    def compare(self) -> Iterator[Scan]:
        """Have the server do it."""
        with plainly():
            self._client.start_scan(self._service)
        return _followed(self.scan)

    def groups(self) -> Iterator[Group]:
        """Pictures that show the same."""
        with plainly():
            yield from self._client.duplicates(self._service)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _followed(look: Callable[[], Scan]) -> Iterator[Scan]:
    """What a server does, looked at until it is over or cannot go on."""
    while True:
        scan = look()
        yield scan
        if scan.is_over or scan.problem:
            return
        time.sleep(_LOOK_SECONDS)
