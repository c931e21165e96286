"""A library as a folder: the pictures as they came, and a manifest that an import takes back."""

import fcntl
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tusou.exports import manifest
from tusou.exports.manifest import Form, Row
from tusou.exports.whole import beside, put
from tusou.intake.progress import Progress

_MARK = "export.json"
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/bmp": ".bmp"}
_A_FOLDER = 1000
"""Files of one folder; programs that look at folders are slow with many more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A picture that is to be taken out."""

    id: int
    media_type: str
    length: int
    """Bytes of its file."""
    has_file: bool
    row: Row
    """What the manifest says of it, the file aside."""

    @property
    def file(self) -> Path:
        """Where its file will be, from the folder."""
        name = f"{self.id}{_SUFFIXES.get(self.media_type, '')}"
        return Path("pictures") / f"{self.id // _A_FOLDER:06}" / name


Read = Callable[[int], bytes]
"""Reads the file of a picture's number. Raises KeyError, the picture was deleted meanwhile;
OSError, the file cannot be read."""


class Export:
    """One run into a folder. What an earlier run has written is not fetched again.

    A picture's file never changes, and its number is never used again: a file of the right length
    is the right file.
    """

    def __init__(self, read: Read, progress: Progress, threads: int) -> None:
        self._read, self._progress, self._threads = read, progress, threads

    def run(self, pieces: Iterable[Piece], folder: Path, form: Form, columns: list[str]) -> None:
        """Write pictures, and the manifest when all of them are there."""
        path = folder / f"manifest.{form}"
        with beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            write = manifest.writer(form, file, ["file", *columns])
            for piece in self._brought(pieces, folder):
                write({"file": piece.file.as_posix(), **piece.row})

    def _brought(self, pieces: Iterable[Piece], folder: Path) -> Iterator[Piece]:
        """The pieces whose files are there, in their order."""
        waiting = deque[Future[Piece | None]]()
        with ThreadPoolExecutor(self._threads, "tusou-export") as threads:
            try:
                for piece in pieces:
                    waiting.append(threads.submit(self._bring, piece, folder))
                    if len(waiting) >= 2 * self._threads:
                        yield from _some(waiting.popleft().result())
                while waiting:
                    yield from _some(waiting.popleft().result())
            finally:
                for future in waiting:
                    future.cancel()

    def _bring(self, piece: Piece, folder: Path) -> Piece | None:
        path = folder / piece.file
        if path.is_file() and path.stat().st_size == piece.length:
            self._progress.note("there")
            return piece
        try:
            if not piece.has_file:
                raise OSError("its file was not kept")
            data = self._read(piece.id)
        except KeyError:
            return None
        except OSError as error:
            self._progress.note("failed", str(piece.id), error.strerror or str(error))
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, data)
        self._progress.note("added")
        return piece


@contextmanager
def opened(folder: Path, source: str) -> Iterator[None]:
    """Hold a folder for an export of `source`.

    Raises:
        ValueError: there is something else in it.
        RuntimeError: another export into it is running.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if not mark.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty, and no earlier export made it")
    with mark.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"another export into {folder} is running") from None
        file.seek(0)
        text = file.read()
        if text and json.loads(text) != {"of": source}:
            raise ValueError(f"{folder} holds the export of another library, see {mark}")
        if not text:
            file.write(json.dumps({"of": source}, ensure_ascii=False))
            file.flush()
        yield


def _some(piece: Piece | None) -> Iterator[Piece]:
    if piece is not None:
        yield piece
