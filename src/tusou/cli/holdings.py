"""What a library holds, looked at: of this folder, or of a server elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tusou.client import BadRequest, Client, ClientError, Hit, NotFound, Picture
from tusou.errors import Problem, TusouError
from tusou.office import Office
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.types import Filter
from tusou.web.rest import answers

_PAGE = 500


class Holdings(Protocol):
    """A library that is read."""

    service: Service
    name: str
    """The same for the same library, and for no other."""

    def count(self) -> int:
        """How many pictures there are."""
        ...

    def pictures(self) -> Iterator[Picture]:
        """All of them, oldest first."""
        ...

    def original(self, id: int) -> bytes:
        """A picture's file as it came.

        Raises:
            KeyError: it was deleted meanwhile; OSError: its file cannot be read.
        """
        ...

    def thumbnail(self, id: int) -> bytes:
        """A small JPEG of it; likewise."""
        ...

    def close(self) -> None:
        """Be done with it."""
        ...


class Searched(Holdings, Protocol):
    """A library that is searched, too."""

    def search(self, picture: bytes, limit: int, threshold: float) -> list[Hit]:
        """The pictures that fit best.

        Raises:
            TusouError, ValueError: what is wrong with the picture.
            RuntimeError: what is wrong with the server.
        """
        ...


class LocalHoldings:
    """A library of this folder; a server may run on it meanwhile."""

    def __init__(self, office: Office, app_id: int, service: str) -> None:
        row = office.registry.get(app_id, service)
        self.service = SERVICES[service]
        self.name = f"{office.settings.data.resolve()} {app_id} {service} {row.created}"
        self._office = office
        self._size = row.size
        self._pictures = office.pictures(app_id, service)

    def count(self) -> int:
        """How many pictures there are."""
        return self._size

    def pictures(self) -> Iterator[Picture]:
        """All of them, oldest first."""
        after: int | None = None
        while True:
            page = self._pictures.page(Filter(), _PAGE, after, oldest_first=True)
            for item in page.items:
                yield Picture.read(answers.picture(item))
            after = page.next
            if after is None:
                return

    def original(self, id: int) -> bytes:
        """A picture's file as it came."""
        with self._told(id):
            return self._pictures.original(id).data

    def thumbnail(self, id: int) -> bytes:
        """A small JPEG of it."""
        with self._told(id):
            return self._pictures.thumbnail(id).data

    def close(self) -> None:
        """Close the folder."""
        self._office.close()

    @contextmanager
    def _told(self, id: int) -> Iterator[None]:
        """A missing file is another matter than a missing picture."""
        try:
            yield
        except TusouError as error:
            if error.problem is not Problem.ITEM_MISSING:
                raise
            try:
                self._pictures.describe(id)
            except TusouError:
                raise KeyError(id) from None
            raise OSError("its file is not in the picture store") from None


class LocalSearch(LocalHoldings):
    """A library of this folder that is searched, while no server runs on it."""

    def __init__(self, runtime: Runtime, app_id: int, service: str) -> None:
        super().__init__(runtime, app_id, service)
        self._library = runtime.catalogue.library(app_id, service)

    def search(self, picture: bytes, limit: int, threshold: float) -> list[Hit]:
        """The pictures that fit best."""
        page = self._library.search(picture, None, 0, limit)
        hits = [hit for hit in page.hits if hit.score >= threshold]
        items = self._pictures.by_sign([hit.sign for hit in hits])
        return [
            Hit(round(hit.score, 6), Picture.read(answers.picture(items[hit.sign])))
            for hit in hits
            if hit.sign in items
        ]


class RemoteHoldings:
    """A library of a server, by the native interface."""

    def __init__(self, host: str, keys: Path, service: str) -> None:
        """Connect with the keys of a file, as `tusou app show --json` writes them."""
        self.service = SERVICES[service]
        self._client = Client.from_file(keys, host)
        try:
            with plainly():
                self._library = self._client.library(service)
        except BaseException:
            self._client.close()
            raise
        self.name = f"{host.rstrip('/')} {service} {self._library.created.isoformat()}"

    def count(self) -> int:
        """How many pictures there are."""
        return self._library.size

    def pictures(self) -> Iterator[Picture]:
        """All of them, oldest first."""
        with plainly():
            yield from self._client.pictures(self.service.name, order="oldest", limit=_PAGE)

    def original(self, id: int) -> bytes:
        """A picture's file as it came."""
        with plainly(), self._told(id):
            return self._client.original(self.service.name, id)

    def thumbnail(self, id: int) -> bytes:
        """A small JPEG of it."""
        with plainly(), self._told(id):
            return self._client.thumbnail(self.service.name, id)

    def search(self, picture: bytes, limit: int, threshold: float) -> list[Hit]:
        """The pictures that fit best."""
        with plainly():
            name = self.service.name
            try:
                found = self._client.search(name, picture, limit=limit, threshold=threshold)
            except BadRequest as error:
                raise ValueError(f"{error.title}: {error.detail}") from None
            return list(found.hits)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _told(self, id: int) -> Iterator[None]:
        try:
            yield
        except NotFound as error:
            try:
                self._client.picture(self.service.name, id)
            except NotFound:
                raise KeyError(id) from None
            raise OSError(error.detail) from None


@contextmanager
def plainly() -> Iterator[None]:
    """The client's errors as commands tell them."""
    try:
        yield
    except ClientError as error:
        raise RuntimeError(str(error)) from error
