"""What can go wrong with a call of the native interface, as exceptions.

ClientError
├── Unreachable          nobody answers, or the answer broke off
│   └── TimedOut         no answer in time
├── NotUnderstood        what answers is no server of this kind
├── StillRunning         what was waited for goes on after the time one would wait: last
└── Rejected             the server says no: status, code, title, detail, log_id, facts
    ├── BadRequest       400, the picture or a parameter
    ├── Unauthorized     401, the keys
    ├── Forbidden        403, the application has not ticked the service
    ├── NotFound         404, no such picture, library or task
    ├── Conflict         409
    │   ├── PictureExists   `id` and `cont_sign` name the one that is there
    │   └── LibraryFull
    ├── LimitReached     429, calls a second, a day or in all
    ├── ServerFault      500
    └── Unavailable      503, it starts, stops, is overloaded, or the service is switched off
"""

from collections.abc import Mapping
from typing import Any

from tusou.errors import Problem


class ClientError(Exception):
    """A call that brought no result."""


class Unreachable(ClientError):
    """Nobody answers at the server's address, or the answer broke off."""


class TimedOut(Unreachable):
    """No answer came in time."""


class NotUnderstood(ClientError):
    """What answered is no server of this kind."""


class StillRunning(ClientError):
    """What was waited for goes on after the time that one would wait."""

    def __init__(self, last: Any) -> None:
        self.last = last
        """As it was told last."""
        super().__init__(f"still running: {last}")

    def __reduce__(self) -> tuple[type["StillRunning"], tuple[Any]]:
        return type(self), (self.last,)


class Rejected(ClientError):
    """The server did not do it, and says why."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.status: int = facts["status"]
        """Of HTTP."""
        self.code: int = facts["error_code"]
        """As docs/errors.md explains it."""
        self.title: str = facts["title"]
        self.detail: str = facts["detail"]
        self.log_id: int = facts["log_id"]
        """Names this call in the server's log."""
        self.facts = dict(facts)
        """All that the server says."""
        super().__init__(f"{self.title} ({self.code}): {self.detail} [log_id {self.log_id}]")

    def __reduce__(self) -> tuple[type["Rejected"], tuple[dict[str, Any]]]:
        # Exceptions cross processes by their arguments, and that is a text here.
        return type(self), (self.facts,)


class BadRequest(Rejected):
    """The picture cannot be taken, or a parameter is wrong."""


class Unauthorized(Rejected):
    """The keys are wrong, or the application is disabled or in arrears."""


class Forbidden(Rejected):
    """The application has not ticked the service."""


class NotFound(Rejected):
    """There is no such picture, library or task."""


class Conflict(Rejected):
    """It cannot be done as things are."""


class PictureExists(Conflict):
    """The library has the very picture."""

    @property
    def id(self) -> int:
        """The number of the one that is there; 0: it was deleted at the same moment."""
        return int(self.facts.get("id", 0))

    @property
    def cont_sign(self) -> str:
        """Its sign."""
        return str(self.facts.get("cont_sign", ""))


class LibraryFull(Conflict):
    """The library has no room left."""


class LimitReached(Rejected):
    """The application has made as many calls as it may: for this second, day, or in all."""


class ServerFault(Rejected):
    """Something broke on the server's side."""


class Unavailable(Rejected):
    """The server is starting, stopping or overloaded, or the service is switched off."""


_BY_STATUS: Mapping[int, type[Rejected]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: LimitReached,
    500: ServerFault,
    503: Unavailable,
}


def rejection(facts: Mapping[str, Any]) -> Rejected:
    """The exception for a problem as the server tells it."""
    # The same problem is told of a request that is there already, which is no picture.
    if facts["type"] == Problem.ITEM_EXISTS.urn and "cont_sign" in facts:
        return PictureExists(facts)
    if facts["type"] == Problem.LIBRARY_FULL.urn:
        return LibraryFull(facts)
    return _BY_STATUS.get(facts["status"], Rejected)(facts)
