"""Files that are whole or not there: written beside, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Where to write what is to become `path` when the block ends well; on disk by then."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def put(path: Path, data: bytes) -> None:
    """Write a file, not waiting for the disk: after a power cut its length may be wrong."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
