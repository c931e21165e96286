"""The ports of the private interface: what each leads to, and who may call."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tusou.errors import Problem, TusouError
from tusou.settings import CONSOLE, Settings
from tusou.web.networks import holds

PREFIX = "/private/"
"""What the ports' paths begin with on the main port; the name of the service follows."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the server listens on."""

    scheme: str
    """Of the main port: http or https."""
    main: int
    private: Mapping[int, str]
    """What each private port serves: a service, or the console."""


class PortTable:
    """Gives a request of a private port the path that it has on the main port."""

    def __init__(self, app: ASGIApp, ports: Ports) -> None:
        self._app = app
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        port = (scope.get("server") or ("", 0))[1]
        serves = self._ports.private.get(port) if scope["type"] == "http" else None
        if serves is None:
            await self._app(scope, receive, send)
        elif serves == CONSOLE:
            await RedirectResponse(self._console(scope))(scope, receive, send)
        else:
            own = f"{PREFIX}{serves}"
            path, raw = own + scope["path"], own.encode() + scope["raw_path"]
            await self._app({**scope, "path": path, "raw_path": raw}, receive, send)

    def _console(self, scope: Scope) -> str:
        """The console's address, under the name that the client knows this machine by."""
        host = _HOST.match(Headers(scope=scope).get("host", ""))
        name = host[0] if host else "localhost"
        return f"{self._ports.scheme}://{name}:{self._ports.main}/console/"


_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?=(:\d*)?$)", re.ASCII | re.IGNORECASE)
"""A name or address, before its port."""


class Gate:
    """Lets callers in by their address or by a key, and nobody else."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = settings.private_allow
        self._key = settings.private_key

    def admit(self, request: Request) -> None:
        """Pass if the caller may use the private interface.

        A web page that someone on this machine looks at may not: browsers say so by `Origin`.

        Raises:
            TusouError: PERMISSION.
        """
        client = request.client.host if request.client else ""
        if not self._has_key(request) and (
            "origin" in request.headers or not holds(self._allowed, client)
        ):
            raise TusouError(
                Problem.PERMISSION,
                f"{client or 'this caller'} may not call; the operator can allow its network "
                "(TUSOU_PRIVATE_ALLOW) or give it a key (TUSOU_PRIVATE_KEY)",
            )

    def _has_key(self, request: Request) -> bool:
        shown = request.headers.get("x-tusou-key", "") or request.query_params.get("key", "")
        return bool(self._key) and hmac.compare_digest(shown.encode(), self._key.encode())
