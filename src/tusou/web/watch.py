"""Watches every request: what it was, how it ended, and how long each of its stages took."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tusou.stages import Lap, watching

_INTERFACES = (
    ("/rest/", "cloud"),
    ("/rpc/", "cloud"),
    ("/oauth/", "cloud"),
    ("/v1/", "native"),
    ("/private/", "private"),
    ("/console", "console"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that has its answer."""

    scope: Scope
    started: float
    """`time.perf_counter`"""
    ended: float
    status: int
    """Of HTTP; 500 where there was no answer."""
    laps: Sequence[Lap]

    @property
    def interface(self) -> str:
        """By which interface it came."""
        path = self.scope["path"]
        return next((name for start, name in _INTERFACES if path.startswith(start)), "other")

    @property
    def call(self) -> tuple[str, str] | None:
        """Service and operation, of what is counted as a call."""
        call: tuple[str, str] | None = self.scope["state"].get("call")
        return call

    @property
    def note(self) -> dict[str, Any]:
        """What handlers noted, see `web.log`."""
        note: dict[str, Any] = self.scope["state"]["note"]
        return note

    @property
    def code(self) -> int:
        """Of its error; 0: none."""
        return int(self.note.get("error_code", 0))


class Watch:
    """Tells watchers of every request when it has ended."""

    def __init__(self, app: ASGIApp, watchers: Sequence[Callable[[Seen], None]]) -> None:
        self._app = app
        self._watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with watching() as laps:
            try:
                await self._app(scope, receive, send_seen)
            finally:
                seen = Seen(scope, started, time.perf_counter(), status, laps)
                for watcher in self._watchers:
                    watcher(seen)
