"""Where pictures come from: a folder, a manifest, an archive."""

import binascii
import bz2
import csv
import gzip
import json
import lzma
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_LONGEST_LINE = 8 << 20
"""Letters of a JSON line: a picture in base64 and what is said of it."""
_MOST_BYTES = (4 << 20) + 1
"""No more of a file is read than tells that it is too large."""
_MOST_OF_A_HEADER = 1 << 20
"""Bytes of an archive between two of its files, where their names are; a few KB are usual."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture that is to be brought in."""

    name: str
    """Its path within the source, or its address."""
    read: Callable[[], bytes] | None
    """Gives its file; None: it is at the address `name`. Raises OSError or ValueError."""
    stamp: str = ""
    """Another when the file is another one."""
    row: Mapping[str, str] = field(default_factory=dict)
    """What a manifest says of it: `brief`, `tags`, `class_id1`, `class_id2` and others."""

    @property
    def key(self) -> str:
        """32 letters; the same for the same picture with the same words in another run."""
        facts = json.dumps([self.name, self.stamp, dict(self.row)])
        return blake2b(facts.encode(), digest_size=16).hexdigest()


Skip = Callable[[Entry], bool]


class Source(Protocol):
    """A number of pictures, always in the same order."""

    def count(self) -> int | None:
        """How many there are; None: only going through all of it would tell."""
        ...

    def entries(self, skip: Skip) -> Iterator[Entry]:
        """The pictures, without those to skip.

        Raises:
            ValueError: the source is broken from here on.
        """
        ...


def open_source(path: Path) -> Source:
    """The source of a path.

    Raises:
        ValueError: it is none of the kinds.
        OSError: it is not there.
    """
    if path.is_dir():
        return Folder(path)
    path.stat()
    for suffix, kind in _KINDS.items():
        if path.name.lower().endswith(suffix):
            return kind(path)
    raise ValueError(f"{path} is no folder, and ends in none of {', '.join(_KINDS)}")


def open_upload(
    path: Path, kind: Literal["archive", "manifest"], most_unpacked: int = 16 << 30
) -> Source:
    """A file that somebody sent: an archive, or JSON lines.

    Its rows have pictures by `url`, or in base64 as `image`; files of this machine are not theirs.
    What is compressed may unpack to so many bytes: zeros could keep a core busy for days.
    """
    if kind == "archive":
        return Archive(path, most_unpacked)
    return Manifest(path, _json_lines, own_files=False)


class Folder:
    """All picture files below a folder, by their names; hidden ones are left out."""

    def __init__(self, path: Path) -> None:
        self._root = path
        self._names = sorted(self._find())

    def count(self) -> int:
        """How many there are."""
        return len(self._names)

    def entries(self, skip: Skip) -> Iterator[Entry]:
        """One for each file."""
        for name in self._names:
            entry = _file(self._root, name, {})
            if not skip(entry):
                yield entry

    def _find(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                    yield (Path(folder) / name).relative_to(self._root).as_posix()


class Manifest:
    """A file with a row for each picture: where it is, its brief and its classes.

    Paths are taken from the manifest's folder. A row that cannot be read is an entry that fails.
    """

    def __init__(
        self, path: Path, parse: Callable[[IO[str]], Iterator[Any]], own_files: bool = True
    ) -> None:
        self._path = path
        self._parse = parse
        self._own_files = own_files

    def count(self) -> int:
        """How many rows there are."""
        return sum(1 for _ in self._rows())

    def entries(self, skip: Skip) -> Iterator[Entry]:
        """One for each row."""
        for number, row in self._rows():
            entry = self._entry(number, row)
            if not skip(entry):
                yield entry

    def _rows(self) -> Iterator[tuple[int, Any]]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            try:
                yield from enumerate(self._parse(file), 1)
            except UnicodeDecodeError as error:
                raise ValueError(f"{self._path} is not UTF-8 text") from error
            except csv.Error as error:
                raise ValueError(f"{self._path} is no proper CSV from here on: {error}") from error

    def _entry(self, number: int, row: Any) -> Entry:
        here = f"{self._path.name}, row {number}" if self._own_files else f"row {number}"
        if not isinstance(row, dict):
            return _broken(here, "the row is no JSON object")
        texts = {str(name): _text(value) for name, value in row.items() if value is not None}
        file, image, url = (texts.pop(name, "") for name in ("file", "image", "url"))
        if self._own_files and file:
            return _file(self._path.parent, file, texts)
        if image and not self._own_files:
            return _sent(here, image, texts)
        needed = "file" if self._own_files else "image"
        return (
            Entry(url, None, row=texts) if url else _broken(here, f"it has no {needed} and no url")
        )


class Archive:
    """The picture files of a tar archive, compressed or not, in its order."""

    def __init__(self, path: Path, most_unpacked: int | None = None) -> None:
        """Take an archive; of one that is not to be trusted no more than `most_unpacked` bytes."""
        self._path = path
        self._most = most_unpacked

    def count(self) -> int | None:
        """How many there are; None where the whole archive would have to be unpacked for it."""
        if _unpacker(self._path) is not Path.open:
            return None
        try:
            return sum(1 for _ in self._members())
        except _BROKEN:
            return None

    def entries(self, skip: Skip) -> Iterator[Entry]:
        """One for each file; read here, as an archive can be read by one thread only."""
        try:
            for member, read in self._members():
                stamp = f"{member.size} {member.mtime}"
                if not skip(Entry(member.name, None, stamp)):
                    yield Entry(member.name, _given(read()), stamp)
        except _BROKEN as error:
            raise ValueError(f"{self._path} cannot be read any further: {error}") from error

    def _members(self) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
        """The picture files, each with what reads it before the next one is asked for."""
        with _unpacker(self._path)(self._path, "rb") as plain:
            ration = _Ration(plain)
            with tarfile.open(fileobj=cast(IO[bytes], ration), mode="r:") as archive:
                for member in archive:
                    if self._most is not None and member.offset_data + member.size > self._most:
                        raise ValueError(f"it unpacks to more than {self._most} bytes")
                    ration.left = _MOST_BYTES + _MOST_OF_A_HEADER
                    if _is_picture(member):
                        yield member, partial(_content, archive, member)
                    ration.left = _MOST_OF_A_HEADER
                    archive.members.clear()  # type: ignore[attr-defined] # it would keep all


_BROKEN = (
    EOFError,
    OSError,
    OverflowError,
    ValueError,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
)
_UNPACKERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


def _unpacker(path: Path) -> Callable[..., Any]:
    """What opens a file by its first bytes, not its name, as uncompressed."""
    with path.open("rb") as file:
        begin = file.read(8)
    found = (unpack for magic, unpack in _UNPACKERS.items() if begin.startswith(magic))
    return next(found, Path.open)


class _Ration:
    """A file of which only so much is read at a time: a header of a few KB, compressed, can stand
    for gigabytes, and tarfile reads all of it into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.left = _MOST_OF_A_HEADER
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise ValueError("a header of the archive is too large")
        return self._file.read(size)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read(_MOST_BYTES)


def _is_picture(member: tarfile.TarInfo) -> bool:
    parts = member.name.removeprefix("./").split("/")
    hidden = any(part.startswith(".") for part in parts)
    return member.isfile() and member.name.lower().endswith(_SUFFIXES) and not hidden


def _file(root: Path, name: str, row: Mapping[str, str]) -> Entry:
    path = root / name

    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)

    try:
        found = path.stat()
    except (OSError, ValueError):  # reading it will say what is wrong
        return Entry(name, read, row=row)
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
        return _broken(name, "it is no file")
    return Entry(name, read, f"{found.st_size} {found.st_mtime_ns}", row)


def _sent(name: str, image: str, row: Mapping[str, str]) -> Entry:
    """A picture in base64, with or without a `data:` header."""

    def read() -> bytes:
        text = image.partition(",")[2] if image[:5].lower() == "data:" else image
        try:
            return binascii.a2b_base64("".join(text.split()), strict_mode=True)
        except binascii.Error as error:
            raise ValueError("image is not base64") from error

    stamp = blake2b(image.encode(errors="replace"), digest_size=16).hexdigest()
    return Entry(name, read, stamp, row)


def _broken(name: str, reason: str) -> Entry:
    def read() -> bytes:
        raise ValueError(reason)

    return Entry(name, read)


def _given(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _text(value: Any) -> str:
    """A manifest's value as the call has it: [100, 11] → "100,11", an object as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, int | str) for part in value):
        return ",".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def _json_lines(file: IO[str]) -> Iterator[Any]:
    for line in _lines(file):
        if line is None:
            yield None
        elif line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield None


def _lines(file: IO[str]) -> Iterator[str | None]:
    """Lines; None for one that is too long to be any good."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) < _LONGEST_LINE or line.endswith("\n"):
            yield line
            continue
        while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith("\n"):
            pass
        yield None


def _csv_rows(file: IO[str]) -> Iterator[Any]:
    for row in csv.DictReader(file):
        yield {name: text for name, text in row.items() if name and text}


_KINDS: dict[str, Callable[[Path], Source]] = {
    ".jsonl": lambda path: Manifest(path, _json_lines),
    ".csv": lambda path: Manifest(path, _csv_rows),
    **dict.fromkeys(_ARCHIVES, Archive),
}
