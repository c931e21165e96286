"""The ports that the server listens on, and the web server behind them."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tusou.settings import Settings
from tusou.web.private.ports import Ports


class Listeners:
    """The main port and the private ones, taken before anything else is done.

    A port that is taken already, or a certificate that does not fit, is told in one line.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with ExitStack() as undo:
            self._tls = _tls(settings)
            self._main = undo.enter_context(
                _listen(settings.host, settings.port, "choose another with --port or TUSOU_PORT")
            )
            self._private = [
                (
                    undo.enter_context(
                        _listen(
                            settings.private_host,
                            port,
                            f"it was to serve {serves}; TUSOU_PRIVATE_PORTS can name another",
                        )
                    ),
                    serves,
                )
                for port, serves in settings.private_ports
            ]
            if _port(self._main) in self.ports.private:
                # On another address it can be taken; but requests are told apart by port.
                raise RuntimeError("TUSOU_PRIVATE_PORTS names the main port")
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def ports(self) -> Ports:
        """What the application tells apart by port."""
        private = {_port(listener): serves for listener, serves in self._private}
        return Ports("https" if self._tls else "http", _port(self._main), private)

    @property
    def address(self) -> str:
        """Where this machine reaches the main port."""
        return _address(self.ports.scheme, self._settings.host, self._main)

    def private_addresses(self) -> Iterator[tuple[str, str]]:
        """Where this machine reaches each private port, and what it serves."""
        for listener, serves in self._private:
            yield _address("http", self._settings.private_host, listener), serves

    def serve(self, app: ASGIApp) -> None:
        """Answer until the process is told to stop; requests in flight are finished."""
        config = uvicorn.Config(
            app,
            http=Http,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `web.proxies` does that, by its own setting
            timeout_graceful_shutdown=self._settings.stop_seconds,
        )
        config.load()
        config.ssl = self._tls
        _Server(config, [listener for listener, _ in self._private]).run(sockets=[self._main])


class _Server(uvicorn.Server):
    """Listens without TLS on more sockets: the programs of the private interface speak HTTP."""

    def __init__(self, config: uvicorn.Config, plain: list[socket.socket]) -> None:
        super().__init__(config)
        self._plain = plain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer on all sockets."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        for listener in self._plain:
            self.servers.append(
                await loop.create_server(self._protocol, sock=listener, backlog=self.config.backlog)
            )

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


class Http(H11Protocol):
    """Hangs up on whoever does not say in time what they ask for; uvicorn itself waits for ever.

    Bodies have their own time in `web.inputs`, and idle connections uvicorn's.
    """

    head_seconds = 30.0
    """From a connection, or a request's first byte, to the end of its headers."""
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for the rest of the headers if it did not end them."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        idle = self.timeout_keep_alive_task is not None
        if idle or not (self.cycle is None or self.cycle.response_complete):
            self._forget()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.head_seconds, self.transport.close)

    def _forget(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


def _listen(host: str, port: int, cure: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio lets answers go at once (TCP_NODELAY) on sockets that say they are TCP, and on no
    # others: there the body waits 40 ms until the client has confirmed the headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening begins here, not in uvicorn: two servers may bind one port, not listen on it.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise RuntimeError(
            f"cannot listen on {host} port {port}: {error.strerror}; {cure}"
        ) from error
    return listener


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise RuntimeError("TUSOU_TLS_KEY is set without TUSOU_TLS_CERTIFICATE")
        return None
    for file in (settings.tls_certificate, settings.tls_key):
        if file is not None:
            file.open().close()  # so that one that is not there is told by its name
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=lambda: "")
    except ssl.SSLError as error:
        raise RuntimeError(
            f"cannot use the certificate {settings.tls_certificate}: {error.reason or error}; both "
            "it and its key must be PEM files, belong together and have no password"
        ) from error
    return context


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _address(scheme: str, host: str, listener: socket.socket) -> str:
    host = f"[{host}]" if ":" in host else host
    host = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - read, not bound
    return f"{scheme}://{host}:{_port(listener)}"
