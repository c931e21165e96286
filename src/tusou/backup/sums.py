"""What a backup says of itself: a digest of every file, as `sha256sum -c` reads them."""

import hashlib
import re
from collections.abc import Mapping
from typing import BinaryIO, Protocol

SUMS = "SHA256SUMS"
FACTS = "backup.json"
DATABASE = "tusou.db"
KEY = "secret.key"
PACKS = "packs"
_BLOB = r"blobs/[0-9a-f]{2}/[0-9a-f]{32}(\.[a-z]+)?"
_IN_PACK = r"packs(/(?!\.\.?(/|$))[^/\\\x00-\x1f]+)+"
_OTHERS = "|".join(map(re.escape, (DATABASE, KEY, FACTS, SUMS)))
_NAME = re.compile(f"{_BLOB}|{_IN_PACK}|{_OTHERS}")
_LINE = re.compile("([0-9a-f]{64})  (.+)")
_CHUNK = 1 << 20


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...


class Reader:
    """A file that is digested as it is read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on, as files do."""
        data = self._source.read(size)
        self.digest.update(data)
        return data


def blob_path(name: str) -> str:
    """Where a blob lies in a backup, as in a data folder."""
    return f"blobs/{name[:2]}/{name}"


def is_name(name: str) -> bool:
    """Whether a backup may have a file of this name: none leads out of its folder."""
    return _NAME.fullmatch(name) is not None


def copy(source: BinaryIO, sink: Sink | None = None) -> str:
    """Read to the end, write to `sink`, and return the digest."""
    reader = Reader(source)
    while chunk := reader.read(_CHUNK):
        if sink is not None:
            sink.write(chunk)
    return reader.digest.hexdigest()


def digest(data: bytes) -> str:
    """The digest of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def render(digests: Mapping[str, str]) -> bytes:
    """The list as a file."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def parse(data: bytes) -> dict[str, str]:
    """Digests by name.

    Raises:
        ValueError: the list is damaged.
    """
    matches = [_LINE.fullmatch(line) for line in data.decode(errors="replace").splitlines()]
    found = {match[2]: match[1] for match in matches if match is not None}
    if len(found) < len(matches):
        raise ValueError(f"{SUMS} is damaged")
    return found
