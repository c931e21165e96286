"""Signatures: who made a request that is signed with a key pair, by the rules of bce-auth-v1.

Source: shared contract, wire facts, section 3. What is signed is rebuilt in every way that a known
client builds it, because they differ; a forger gains nothing by that, each way needs the secret.
"""

import hmac
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tusou.accounts.apps import App, Apps
from tusou.errors import Problem, TusouError

_VERSION = "bce-auth-v1"
_FORM = f"{_VERSION}/{{access key}}/{{UTC time}}/{{seconds}}/{{signed headers}}/{{signature}}"
_DEFAULT_HEADERS = frozenset({b"host", b"content-length", b"content-type", b"content-md5"})
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came, before anything of it was decoded."""

    method: str
    path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case; the first of a name counts."""
    hosts: Sequence[bytes]
    """What the client may have called this server: `Host`, and what a trusted proxy says it was."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An `authorization` header taken apart."""

    access_key: str
    time: str
    seconds: int
    signed: frozenset[bytes]
    """Names of headers as listed; empty: the default ones."""
    signature: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the header.

        Raises:
            TusouError: SIGNATURE, it has not the six parts.
        """
        parts = text.strip().split("/")
        if len(parts) != 6 or parts[0] != _VERSION or not parts[1]:
            raise TusouError(Problem.SIGNATURE, f"the authorization header must be {_FORM}")
        _, access_key, when, seconds, names, signature = parts
        if not re.fullmatch(r"\d{1,9}", seconds, re.ASCII):
            raise TusouError(Problem.SIGNATURE, "the seconds in the authorization header")
        signed = frozenset(name.strip().encode(errors="replace") for name in names.split(";"))
        return cls(access_key, when, int(seconds), signed - {b""}, signature)

    @property
    def prefix(self) -> str:
        """What the key of the signature is made for."""
        return f"{_VERSION}/{self.access_key}/{self.time}/{self.seconds}"

    def made(self) -> float:
        """When it was signed, UTC seconds.

        Raises:
            TusouError: SIGNATURE, it is no such time.
        """
        try:
            return datetime.strptime(self.time, _TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise TusouError(
                Problem.SIGNATURE,
                "the time in the authorization header must be UTC, as 2015-04-27T08:23:49Z",
            ) from None


class Signatures:
    """Tells who signed a request."""

    def __init__(
        self, apps: Apps, skew: int, longest: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Take clocks that are `skew` seconds ahead, and no signature for over `longest` seconds.

        A signature does not cover the body and names no request: whoever overhears one can use it
        until it ends, so the server says how long that is at most.
        """
        self._apps = apps
        self._skew = skew
        self._longest = longest
        self._clock = clock

    def signer(self, authorization: str, request: SignedRequest) -> App:
        """The application whose key pair signed the request.

        Raises:
            TusouError: SIGNATURE, or APP_GONE.
        """
        claim = Claim.parse(authorization)
        self._check_time(claim)
        if claim.signed and b"host" not in _lower(claim.signed):
            raise TusouError(Problem.SIGNATURE, "the host header must be among the signed headers")
        found = self._apps.with_api_key(claim.access_key)
        # An unknown key is reckoned with too: neither must the time tell which are there.
        fits = signed_with(found.secret if found else claim.signature, claim, request)
        if found is None or not fits:
            # One answer for both: who guesses keys must not be told which are there.
            raise TusouError(
                Problem.SIGNATURE,
                "no application has this access key, or its secret key gives another signature "
                "for this method, path, query, host and these headers",
            )
        return found.usable()

    def _check_time(self, claim: Claim) -> None:
        made, now = claim.made(), self._clock()
        if made - self._skew <= now <= made + min(claim.seconds, self._longest):
            return
        raise TusouError(
            Problem.SIGNATURE,
            f"signed at {claim.time} for {claim.seconds} seconds, of which this server takes "
            f"{self._longest} at most; it is {datetime.fromtimestamp(now, UTC).strftime(_TIME)} "
            "here",
        )


def signed_with(secret: str, claim: Claim, request: SignedRequest) -> bool:
    """Whether the signature is that of this secret key; takes as long wherever they differ."""
    key = _hmac(secret.encode(), claim.prefix.encode()).encode()
    claimed = claim.signature.encode(errors="replace")
    return any(
        hmac.compare_digest(_hmac(key, text).encode(), claimed)
        for text in canonical_requests(claim.signed, request)
    )


def canonical_requests(signed: frozenset[bytes], request: SignedRequest) -> Iterator[bytes]:
    """The texts that clients may have signed for a request, the likeliest first, none twice."""
    headers = [
        _headers(request, host, names, bce)
        for names, bce in _choices(signed)
        for host in request.hosts
    ]
    texts = product(_paths(request.path), _queries(request.query), headers)
    method = request.method.encode()
    yield from dict.fromkeys(b"\n".join((method, *parts)) for parts in texts)


def _choices(signed: frozenset[bytes]) -> Iterator[tuple[frozenset[bytes], bool]]:
    """Names of the headers signed, and whether all of x-bce-* are among them."""
    if not signed:
        yield _DEFAULT_HEADERS, True
        return
    # Baidu's library signs x-bce-* also where it does not list them; and it does not sign what
    # its caller listed in capitals, which must not be the host.
    yield _lower(signed), True
    yield _lower(signed), False
    if b"host" in signed:
        yield signed, True


def _lower(names: frozenset[bytes]) -> frozenset[bytes]:
    return frozenset(name.lower() for name in names)


def _paths(path: bytes) -> Iterator[bytes]:
    yield path
    yield _encoded(unquote_to_bytes(path), keep="/")


def _queries(query: bytes) -> Iterator[bytes]:
    pairs = [
        (name, value)
        for name, _, value in (part.partition(b"=") for part in query.split(b"&"))
        if name and unquote_to_bytes(name).lower() != b"authorization"
    ]
    spaced = [(name.replace(b"+", b" "), value.replace(b"+", b" ")) for name, value in pairs]
    for form in (pairs, spaced):
        yield _joined((_recoded(name), _recoded(value)) for name, value in form)
    # The official Python client for image search signs its query as sent, a space as "+".
    yield _joined(pairs)


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(sorted(b"%b=%b" % pair for pair in pairs))


def _recoded(data: bytes) -> bytes:
    return _encoded(unquote_to_bytes(data))


def _headers(request: SignedRequest, host: bytes, names: frozenset[bytes], bce: bool) -> bytes:
    values: dict[bytes, bytes] = {b"host": host}
    for name, value in request.headers:
        values.setdefault(name, value)
    chosen = (
        (name, value.strip())
        for name, value in values.items()
        if name in names or (bce and name.startswith(b"x-bce-"))
    )
    return b"\n".join(
        sorted(b"%b:%b" % (_encoded(name), _encoded(value)) for name, value in chosen if value)
    )


def _encoded(data: bytes, keep: str = "") -> bytes:
    return quote_from_bytes(data, safe=keep).encode()


def _hmac(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, sha256).hexdigest()
