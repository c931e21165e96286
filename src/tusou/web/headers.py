"""Headers that every answer has, so that browsers make nothing else of it than it is."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMMON = {
    # A picture that is a page too stays a picture.
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Tokens are in addresses.
    "referrer-policy": "same-origin",
}


class Headers:
    """Puts headers on every answer that does not have them."""

    def __init__(
        self, app: ASGIApp, headers: Mapping[str, str], when_encrypted: Mapping[str, str]
    ) -> None:
        self._app = app
        self._headers = headers
        self._encrypted = {**headers, **when_encrypted}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._encrypted if scope["scheme"] == "https" else self._headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
