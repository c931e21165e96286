"""Files that are read while they are sent, and written while they come."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO
from uuid import uuid4

A_PART = 1 << 18
"""Bytes of a file in memory at a time."""


def parts(path: Path) -> Iterator[bytes]:
    """What is in a file; raises OSError, it cannot be read."""
    with path.open("rb") as file:
        while data := file.read(A_PART):
            yield data


async def parts_awaited(path: Path) -> AsyncIterator[bytes]:
    """Likewise; a slow disk does not stop the event loop."""
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while data := await asyncio.to_thread(file.read, A_PART):
            yield data


class Arriving:
    """Writes a file that is at its place once it is whole, and not before."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> IO[bytes]:
        self._part = self._target.with_name(f".{self._target.name}.{uuid4().hex}")
        self._file = self._part.open("xb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._file.close()
            if kind is None:
                self._part.replace(self._target)
        finally:
            self._part.unlink(missing_ok=True)
