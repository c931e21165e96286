"""What of an import is done already, in a file that outlives a kill."""

import fcntl
import os
from pathlib import Path
from typing import Self

_LINE = 33  # an entry's key and a newline


class Journal:
    """Keys of the entries that are in the library.

    A key is written after the library has acknowledged its picture. So what is here is there; what
    was acknowledged and is not here is found to be there when it is tried again.
    """

    def __init__(self, path: Path) -> None:
        """Open it, or begin one.

        Raises:
            RuntimeError: another import has it open.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise RuntimeError("the same import is running already") from None
        data = path.read_bytes()
        whole = len(data) - len(data) % _LINE  # a power cut may leave part of a line
        os.truncate(self._file, whole)
        self._done = {data[at : at + _LINE - 1].decode() for at in range(0, whole, _LINE)}

    def __contains__(self, key: str) -> bool:
        return key in self._done

    def __len__(self) -> int:
        return len(self._done)

    def note(self, key: str) -> None:
        """Write down that an entry is done; in one piece, so that threads may do it."""
        os.write(self._file, f"{key}\n".encode())

    def forget(self) -> None:
        """Begin anew: nothing is done."""
        os.truncate(self._file, 0)
        self._done.clear()

    def remove(self) -> None:
        """Delete it: all is done, and the next import looks at everything again."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
