"""Picture files: whole or not there; what every store of them keeps to, and the one in a folder."""

import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from tusou.errors import Problem, TusouError

THUMBNAIL = ".thumb"
"""What the name of a picture's thumbnail has after the picture's own."""
# The second tail is that of a write which a crash cut off: listed, and so to be deleted.
_NAME = re.compile(r"[0-9a-f]{32}(\.[a-z]+)?(\.\d+\.part)?")


def new_name() -> str:
    """A name no blob has or had: a picture added again must not meet its own deletion."""
    return uuid.uuid4().hex


def check_name(name: str) -> None:
    """Refuse what `new_name` never made, with KeyError: it could lead out of the store."""
    if _NAME.fullmatch(name) is None:
        raise KeyError(name)


class Blobs(Protocol):
    """Named byte strings, written once. A store that does not answer raises UNAVAILABLE."""

    def put(self, name: str, data: bytes) -> None:
        """Keep `data`; on disk when this returns, never there in part.

        Raises:
            TusouError: UNAVAILABLE, the store takes nothing now.
        """
        ...

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        """Keep several as `put` does; when it raises, some of them may be there.

        Raises:
            TusouError: UNAVAILABLE, the store takes nothing now.
        """
        ...

    def get(self, name: str) -> bytes:
        """Read a blob.

        Raises:
            KeyError: there is none of that name.
            TusouError: UNAVAILABLE, the store cannot tell it now.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a blob; nothing happens where there is none."""
        ...

    def names(self) -> Iterator[tuple[str, float]]:
        """All names, each with the time it was written (UTC seconds since 1970)."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class Copied(NamedTuple):
    """What came of copying a store."""

    copied: int
    there: int


def copy(source: Blobs, target: Blobs, threads: int = 8) -> Copied:
    """Copy what the target lacks, and read it there again: it must be the same.

    Raises:
        RuntimeError: the target gave other bytes back.
    """
    there = {name for name, _ in target.names()}

    def one(name: str) -> bool:
        try:
            data = source.get(name)
        except KeyError:  # deleted meanwhile, or a write that was never finished
            return False
        target.put(name, data)
        if target.get(name) != data:
            raise RuntimeError(f"the new store gives other bytes back than it got: {name}")
        return True

    lacking = (name for name, _ in source.names() if name not in there)
    with ThreadPoolExecutor(threads) as pool:
        return Copied(sum(map(sum, _in_portions(pool, one, lacking))), len(there))


def _in_portions(
    pool: ThreadPoolExecutor, job: Callable[[str], bool], names: Iterator[str]
) -> Iterator[Iterator[bool]]:
    """Do a job for many names, a thousand at a time: a list of all may not fit into memory."""
    while portion := list(islice(names, 1000)):
        yield pool.map(job, portion)


class FolderBlobs:
    """Blobs in a folder, spread over 256 subfolders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        check_name(name)
        return self._folder / name[:2] / name

    def put(self, name: str, data: bytes) -> None:
        """Write beside, sync, rename: a crash leaves the old state or the new one."""
        self.put_all({name: data})

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        """Likewise; a folder that takes several of them is synced once."""
        paths = {self._path(name): data for name, data in blobs.items()}
        try:
            for path, data in paths.items():
                self._make(path.parent)
                _write_beside(path, data)
            for folder in {path.parent for path in paths}:
                _sync_folder(folder)
        except OSError as error:
            raise TusouError(Problem.UNAVAILABLE, "the picture store did not answer") from error

    def get(self, name: str) -> bytes:
        """Read a blob; KeyError where there is none."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:  # a disk that is breaking
            raise TusouError(Problem.UNAVAILABLE, "the picture store did not answer") from error

    def delete(self, name: str) -> None:
        """Remove a blob; nothing happens where there is none."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[tuple[str, float]]:
        """All names with their times; unfinished writes count too, under their own name."""
        for folder in sorted(self._folder.iterdir()):
            for path in folder.iterdir():
                try:
                    yield path.name, path.stat().st_mtime
                except FileNotFoundError:  # deleted meanwhile
                    continue

    def close(self) -> None:
        """Nothing is open."""

    def _make(self, folder: Path) -> None:
        """Make a subfolder that is not there yet, so that it stays."""
        try:
            folder.mkdir()
        except FileExistsError:
            return
        _sync_folder(self._folder)


def _write_beside(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename last; file systems keep it in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
