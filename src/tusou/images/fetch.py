"""A URL into bytes, without lending the server's place in its network to whoever wrote the URL.

A name is resolved once for each connection, every address it has is checked, and the connection
goes to an address that was checked, so that a name which changes its mind gains nothing. The same
holds for each redirect. One deadline runs over all of it. The only module that knows httpcore.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpcore

from tusou.errors import Problem, TusouError
from tusou.images.addresses import Network, is_allowed
from tusou.images.decode import MOST_BYTES
from tusou.images.urls import Target

AddressInfo = tuple[Any, ...]
"""An item of what `socket.getaddrinfo` returns."""
Resolve = Callable[..., Sequence[AddressInfo]]
"""As `socket.getaddrinfo`."""

MOST_REDIRECTS = 3
_MOST_ADDRESSES = 4
"""Of one host, to try in turn."""
_LOOKUPS_AT_ONCE = 32
"""A lookup cannot be called off; one that is given up keeps its thread until it ends."""

_HEADERS = (
    (b"User-Agent", b"tusou"),
    (b"Accept", b"image/jpeg, image/png, image/bmp, */*;q=0.1"),  # lest servers choose WebP
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
)
_REDIRECTS = frozenset((301, 302, 303, 307, 308))

_PROBLEMS: dict[type[Exception], tuple[Problem, str]] = {
    httpcore.TimeoutException: (Problem.URL_TIMEOUT, "the other server is too slow"),
    httpcore.ConnectError: (Problem.URL_RESPONSE, "no connection to the other server"),
    httpcore.NetworkError: (Problem.URL_RESPONSE, "the connection broke"),
    httpcore.ProtocolError: (Problem.URL_RESPONSE, "the answer is not proper HTTP"),
    httpcore.UnsupportedProtocol: (Problem.URL_ILLEGAL, "only http and https are taken"),
    httpcore.ProxyError: (Problem.URL_RESPONSE, "no connection to the other server"),
    httpcore.ConnectionNotAvailable: (Problem.URL_RESPONSE, "the connection broke"),
}
"""What each exception of httpcore is to the client; the first that fits holds."""


class Fetcher:
    """Downloads pictures; one for many threads."""

    def __init__(
        self,
        *,
        allowed_networks: Iterable[Network] = (),
        seconds: float = 8.0,
        most_bytes: int = MOST_BYTES,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        """Prepare to fetch.

        Args:
            allowed_networks: private networks that URLs may lead to all the same.
            seconds: for everything from the name lookup to the last byte; the official Node client
                waits 10 s for its answer.
            most_bytes: of a picture.
            trust: whom to trust in TLS; by default the system's certificates.
            resolve: looks up names.
        """
        self._allowed_networks = tuple(allowed_networks)
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._trust = trust or ssl.create_default_context()
        self._resolve = resolve
        self._lookups = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="lookup")

    def fetch(self, url: str) -> bytes:
        """Download what `url` names.

        Raises:
            TusouError: URL_ILLEGAL, URL_TIMEOUT, URL_RESPONSE or URL_SIZE.
        """
        target = Target.parse(url)
        with self._pool() as pool:
            return self._follow(pool, target)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` to what `url` names; returns the status of the answer, which is not read.

        A redirect is not followed: it is an answer like others.

        Raises:
            TusouError: URL_ILLEGAL, URL_TIMEOUT or URL_RESPONSE.
        """
        target = Target.parse(url)
        sent = {"Host": target.authority, "User-Agent": "tusou", "Connection": "close", **headers}
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        length = (b"Content-Length", str(len(body)).encode())
        with (
            self._pool() as pool,
            pool.stream("POST", _address(target), headers=[*pairs, length], content=body) as answer,
        ):
            return answer.status

    @contextmanager
    def _pool(self) -> Iterator[httpcore.ConnectionPool]:
        """Connections of one fetch: none outlives the check of its address, nor the deadline."""
        network = _Network(self._look_up, self._allowed_networks, _Deadline(self._seconds))
        with httpcore.ConnectionPool(ssl_context=self._trust, network_backend=network) as pool:
            try:
                yield pool
            except tuple(_PROBLEMS) as error:
                raise _translate(error) from error

    def close(self) -> None:
        """Let the lookup threads end."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, host: str, port: int) -> Future[Sequence[AddressInfo]]:
        return self._lookups.submit(self._resolve, host, port, type=socket.SOCK_STREAM)

    def _follow(self, pool: httpcore.ConnectionPool, target: Target) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._get(pool, target)
            if isinstance(answer, bytes):
                return answer
            target = answer
        raise TusouError(Problem.URL_RESPONSE, f"more than {MOST_REDIRECTS} redirects")

    def _get(self, pool: httpcore.ConnectionPool, target: Target) -> bytes | Target:
        """Request the target: its body, or the target that it redirects to."""
        headers = [(b"Host", target.authority.encode()), *_HEADERS]
        with pool.stream("GET", _address(target), headers=headers) as response:
            received = {name.lower(): value for name, value in response.headers}
            if response.status in _REDIRECTS and b"location" in received:
                return target.redirect(received[b"location"])
            if response.status != 200:
                reason = f"the other server answered {response.status}"
                raise TusouError(Problem.URL_RESPONSE, reason)
            if received.get(b"content-encoding", b"identity").lower() != b"identity":
                raise TusouError(Problem.URL_RESPONSE, "the answer is compressed")
            return self._read(response, announced=int(received.get(b"content-length", 0)))

    def _read(self, response: httpcore.Response, announced: int) -> bytes:
        too_large = TusouError(Problem.URL_SIZE, f"at most {self._most_bytes} bytes are taken")
        if announced > self._most_bytes:
            raise too_large
        body = bytearray()
        for part in response.iter_stream():
            body += part
            if len(body) > self._most_bytes:
                raise too_large
        if not body:
            raise TusouError(Problem.URL_RESPONSE, "the answer is empty")
        return bytes(body)


def _address(target: Target) -> httpcore.URL:
    return httpcore.URL(
        scheme=target.scheme, host=target.host, port=target.port, target=target.path
    )


def _translate(error: Exception) -> TusouError:
    return next(TusouError(*row) for kind, row in _PROBLEMS.items() if isinstance(error, kind))


class _Deadline:
    """A moment after which nothing is waited for."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, more than none.

        Raises:
            httpcore.TimeoutException: there are none.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise httpcore.TimeoutException
        return seconds


class _Network(httpcore.NetworkBackend):
    """The network as one fetch may use it: allowed addresses only, until the deadline."""

    def __init__(
        self,
        look_up: Callable[[str, int], Future[Sequence[AddressInfo]]],
        allowed_networks: tuple[Network, ...],
        deadline: _Deadline,
    ) -> None:
        self._look_up = look_up
        self._allowed_networks = allowed_networks
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers; the deadline stands for `timeout`.

        Raises:
            TusouError: URL_ILLEGAL; one of the addresses is refused.
            httpcore.ConnectError, httpcore.TimeoutException: none answers.
        """
        addresses = self._resolve(host, port)
        failure: Exception = httpcore.ConnectError("no address")
        for tries_left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share = self._deadline.left() / tries_left
            try:
                stream = self._sockets.connect_tcp(
                    address, port, share, local_address, socket_options
                )
                return _Stream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _resolve(self, host: str, port: int) -> list[str]:
        """Look `host` up once, and check all of its addresses."""
        lookup = self._look_up(host, port)
        try:
            found = lookup.result(self._deadline.left())
        except TimeoutError as error:
            lookup.cancel()
            raise httpcore.ConnectTimeout from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        if not all(is_allowed(address, self._allowed_networks) for address in addresses):
            # Not which: that would tell the names and addresses of the operator's network.
            raise TusouError(Problem.URL_ILLEGAL, "this address is refused")
        return addresses[:_MOST_ADDRESSES]


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to the deadline, which httpcore's own timeouts, one for each read,
    would let a server put off byte by byte."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
