"""Behind a proxy: what trusted ones say of the client, and of the host and scheme it asked for."""

from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tusou.settings import Network


class Proxies:
    """Sets a request's `client`, `scheme` and `state.forwarded_hosts` by what proxies add to it.

    Anyone can send these headers, so only those of trusted networks are believed.
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            hosts: list[bytes] = []
            if scope.get("client") and self._trusts(scope["client"][0]):
                headers = Headers(scope=scope)
                hosts = [
                    value.strip().encode("latin-1")
                    for line in headers.getlist("x-forwarded-host")
                    for value in line.split(",")[:1]
                ]
                scope["client"] = self._client(headers, scope["client"])
                # The outermost proxy, whom the client spoke to, comes first.
                told = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
                if told in ("http", "https"):
                    scope["scheme"] = told
            scope.setdefault("state", {})["forwarded_hosts"] = hosts[:1]
        await self._app(scope, receive, send)

    def _client(self, headers: Headers, peer: tuple[str, int]) -> tuple[str, int]:
        """The last address that no trusted proxy has; each proxy adds whom it was asked by."""
        told = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for address in reversed([part.strip() for part in told]):
            if not _is_address(address):
                break
            peer = (address, 0)
            if not self._trusts(address):
                break
        return peer

    def _trusts(self, address: str) -> bool:
        if not _is_address(address):
            return False
        found = ip_address(address)
        return any(found in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
