"""URLs as people write them, Chinese names and all, into what a connection and a request need."""

import re
from ipaddress import IPv6Address
from typing import NamedTuple, Self
from urllib.parse import quote, quote_from_bytes, urljoin, urlsplit

from tusou.errors import Problem, TusouError

MOST_URL_BYTES = 1024
"""Source: shared contract, section 1."""
_MOST_LOCATION_BYTES = 8192
"""Of a redirect; signed links to object stores run to some 2 KB."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(
    r"(?:\[(?P<ip6>[0-9a-fA-F:.]+)\]|(?P<name>[^][:@/\\%]+))(?::(?P<port>\d*))?"
)
_HOST = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AS_THEY_ARE = "!$%&'()*+,-./:;=?@[]_|~"
"""Characters of a path or query that stay; % because escapes that are there stay too."""
_STRAY_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")

# fmt: off
_OTHER_PROTOCOLS = frozenset((
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
))
# fmt: on
"""Ports of mail, chat and the like, which a request could be made to speak to.
Source: "port blocking" in the Fetch standard, which all browsers follow."""


class Target(NamedTuple):
    """Where a request goes; all ASCII."""

    scheme: str
    """`http` or `https`."""
    host: str
    """A name, or an address without brackets."""
    port: int
    path: str
    """With the query."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL that a client sent.

        Raises:
            TusouError: URL_ILLEGAL.
        """
        if not 1 <= len(url.encode(errors="replace")) <= MOST_URL_BYTES:
            raise _illegal(f"a URL has 1-{MOST_URL_BYTES} bytes")
        return cls._split(url)

    def redirect(self, location: bytes) -> Self:
        """Read the Location that this target answered with.

        Raises:
            TusouError: URL_ILLEGAL; the new URL is, or would give up encryption.
        """
        if len(location) > _MOST_LOCATION_BYTES:
            raise _illegal("a redirect is too long")
        try:
            url = urljoin(str(self), quote_from_bytes(location, _AS_THEY_ARE + "#"))
        except ValueError as error:
            raise _illegal("a redirect is malformed") from error
        target = self._split(url)
        if self.scheme == "https" != target.scheme:
            raise _illegal("a redirect leads from https to http")
        return target

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @classmethod
    def _split(cls, url: str) -> Self:
        if _CONTROL.search(url):
            raise _illegal("a control character")
        try:
            parts = urlsplit(url.strip())
            path, query = _escape(parts.path or "/"), _escape(parts.query)
        except ValueError as error:
            raise _illegal("malformed") from error
        if parts.scheme not in _DEFAULT_PORTS:
            raise _illegal("only http and https are taken")
        if "@" in parts.netloc:
            raise _illegal("no user name or password is taken")
        host, port = _read_authority(parts.netloc)
        if port is None:
            port = _DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, host, port, f"{path}?{query}" if query else path)


def _read_authority(text: str) -> tuple[str, int | None]:
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise _illegal("malformed host")
    port = int(match["port"]) if match["port"] else None
    if port is not None and (port > 65535 or port in _OTHER_PROTOCOLS):
        raise _illegal("this port is refused")
    try:
        if match["ip6"]:
            return str(IPv6Address(match["ip6"])), port
        host = match["name"].encode("idna").decode("ascii").lower()
    except ValueError as error:
        raise _illegal("malformed host") from error
    if not _HOST.fullmatch(host):
        raise _illegal("malformed host")
    return host, port


def _escape(text: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), _AS_THEY_ARE)


def _illegal(reason: str) -> TusouError:
    return TusouError(Problem.URL_ILLEGAL, reason)
