"""Where a backup is kept: a folder with a subfolder for each, or a tar archive."""

import fcntl
import os
import shutil
import tarfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO, cast

from tusou.backup import sums

DAMAGED = tarfile.TarError
"""What reading a damaged archive raises."""
_PREFIX = "tusou-"


class Chest(ABC):
    """A backup in the making; only its owner may read it.

    Attributes:
        workplace: A folder for files on their way; gone in the end.
        digests: What is in it, by name.
    """

    def __init__(self, workplace: Path) -> None:
        self.workplace = workplace
        self.digests: dict[str, str] = {}

    def put(self, name: str, data: bytes) -> None:
        """Put a file in."""
        self._store(name, len(data), BytesIO(data))

    def put_file(self, name: str, path: Path) -> None:
        """Put a copy of a file in."""
        with path.open("rb") as file:
            self._store(name, os.fstat(file.fileno()).st_size, file)

    def move_file(self, name: str, path: Path) -> None:
        """Put a file of the workplace in, which is gone from there then."""
        self.put_file(name, path)
        path.unlink()

    def reuse(self, name: str) -> bool:
        """Put a file in that an earlier backup has; False: none has it."""
        return False

    @abstractmethod
    def drop(self, name: str) -> None:
        """Take a file out where that is possible; else a restored server sweeps it up."""

    @abstractmethod
    def _store(self, name: str, size: int, source: BinaryIO) -> None: ...


class _Folder(Chest):
    """Files as in a data folder; what an earlier backup beside it has is linked, not copied."""

    def __init__(self, workplace: Path, earlier: Path | None) -> None:
        super().__init__(workplace)
        self._earlier = earlier
        self._known = dict[str, str]()
        if earlier is not None:
            with suppress(ValueError):  # from one that is damaged nothing is taken
                self._known = sums.parse((earlier / sums.SUMS).read_bytes())

    def move_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.digests[name] = sums.copy(file)
        path.rename(self._path(name))

    def reuse(self, name: str) -> bool:
        if self._earlier is None or name not in self._known:
            return False
        path = self._path(name)
        try:
            path.hardlink_to(self._earlier / name)
        except OSError:  # gone, or a file system without links
            return False
        self.digests[name] = self._known[name]
        return True

    def drop(self, name: str) -> None:
        (self.workplace / name).unlink()
        del self.digests[name]

    def _store(self, name: str, size: int, source: BinaryIO) -> None:
        path = self._path(name)
        path.touch(mode=0o600)
        with path.open("wb") as file:
            self.digests[name] = sums.copy(source, file)

    def _path(self, name: str) -> Path:
        path = self.workplace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _Archive(Chest):
    """A tar archive, written from the first byte to the last."""

    def __init__(self, workplace: Path, file: BinaryIO) -> None:
        super().__init__(workplace)
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def close(self) -> None:
        self._tar.close()

    def drop(self, name: str) -> None:
        pass  # it is written

    def _store(self, name: str, size: int, source: BinaryIO) -> None:
        head = tarfile.TarInfo(name)
        head.size, head.mode, head.mtime = size, 0o600, int(time.time())
        reader = sums.Reader(source)
        self._tar.addfile(head, reader)
        self._tar.getmembers().clear()  # a million of them would fill the memory
        self.digests[name] = reader.digest.hexdigest()


@contextmanager
def new(place: Path, *, full: bool = False) -> Iterator[tuple[Chest, Path]]:
    """Make a backup in a folder, or at `NAME.tar`; it is there when the block has ended.

    Args:
        place: Where. In a folder, `tusou-TIME` is made.
        full: Copy everything, also what an earlier backup in the folder has.

    Yields:
        The chest, and what it will be called.

    Raises:
        FileExistsError: the archive is there.
        RuntimeError: another backup is being made in the folder.
    """
    making = _new_archive(place) if place.suffix == ".tar" else _new_folder(place, full)
    with making as (chest, final):
        yield chest, final


@contextmanager
def _new_folder(place: Path, full: bool) -> Iterator[tuple[Chest, Path]]:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(place):
        for left in place.glob(f".{_PREFIX}*.part"):
            shutil.rmtree(left)  # a backup that was killed
        final = _new_name(place)
        earlier = None if full else newest(place)
        with _workplace(final) as workplace:
            chest = _Folder(workplace, earlier)
            yield chest, final
            (workplace / sums.SUMS).write_bytes(sums.render(chest.digests))
            os.sync()
            workplace.rename(final)


def _new_name(place: Path) -> Path:
    """A name that sorts after those there are; of two in one second, the later has a number."""
    name = time.strftime(f"{_PREFIX}%Y%m%dT%H%M%SZ", time.gmtime())
    numbered = (f"{name}-{number}" for number in count(2))
    return next(path for each in chain([name], numbered) if not (path := place / each).exists())


@contextmanager
def _new_archive(place: Path) -> Iterator[tuple[Chest, Path]]:
    if place.exists():
        raise FileExistsError(f"{place} is there; a backup never replaces another")
    place.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(place) as workplace:
        part = workplace / "archive"
        part.touch(mode=0o600)
        with part.open("wb") as file:
            chest = _Archive(workplace, file)
            yield chest, place
            chest.put(sums.SUMS, sums.render(chest.digests))
            chest.close()
            file.flush()
            os.fsync(file.fileno())
        part.rename(place)


@contextmanager
def _workplace(final: Path) -> Iterator[Path]:
    folder = final.with_name(f".{final.name}.part")
    shutil.rmtree(folder, ignore_errors=True)  # one that was killed
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RuntimeError(f"another backup is being made in {place}") from None
    finally:
        os.close(descriptor)


def newest(place: Path) -> Path | None:
    """The last backup of a folder; None where it has none."""
    found = [path for path in place.glob(f"{_PREFIX}*") if (path / sums.SUMS).exists()]
    return max(found, default=None)


def entries(place: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Every file of a backup by name: of a folder, of the newest one in a folder, of an archive.

    Raises:
        ValueError: there is no backup.
        DAMAGED: the archive is, as is found when it or a file of it is read.
    """
    if not place.is_dir():
        yield from _archived(place)
        return
    folder = place if (place / sums.SUMS).exists() else newest(place)
    if folder is None:
        raise ValueError(f"{place} has no backup")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                yield path.relative_to(folder).as_posix(), file


def _archived(place: Path) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(place, "r|") as tar:
        while (head := tar.next()) is not None:
            file = tar.extractfile(head) if head.isreg() else None
            if file is None:
                raise ValueError(f"{place}: {head.name} is no file")
            yield head.name, cast(BinaryIO, file)
            tar.members.clear()  # type: ignore[attr-defined]  # a million would fill the memory
