"""The files of tasks: what was sent, what is done, what failed, what was made."""

import secrets
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from tusou.storage.batches import Batch

_FRESH_SECONDS = 86400
"""What was sent and belongs to no task may still be on its way for so long."""


class Files:
    """One folder; what a task makes begins with its number, what was sent has a name of chance."""

    def __init__(self, folder: Path) -> None:
        """Name files of a folder, which need not be there yet."""
        self.folder = folder

    def new_name(self) -> str:
        """A name for what is about to be sent."""
        return secrets.token_hex(16)

    def sent(self, name: str) -> Path:
        """What an import brings in."""
        return self.folder / f"{name}.sent"

    def journal(self, number: int) -> Path:
        """What of it is done."""
        return self.folder / f"{number}.journal"

    def errors(self, number: int) -> Path:
        """What of it failed and why: JSON lines."""
        return self.folder / f"{number}.errors.jsonl"

    def made(self, number: int) -> Path:
        """What an export has written: JSON lines."""
        return self.folder / f"{number}.made.jsonl"

    def missing(self, batches: Iterable[Batch]) -> list[Batch]:
        """Those tasks of which what was sent, or what was made, is not here though it should be."""
        return [batch for batch in batches if not self._is_here(batch)]

    def _is_here(self, batch: Batch) -> bool:
        if batch.act == "import" and batch.is_open and not batch.options["manifest"]:
            return self.sent(batch.options["sent"]).exists()
        if batch.act == "export" and batch.state == "done":
            return self.made(batch.id).exists()
        return True

    def sweep(self, numbers: Collection[int], sent: Collection[str]) -> None:
        """Delete the files of tasks that are forgotten, and what was sent in vain."""
        known = {*map(str, numbers), *sent}
        for file in self.folder.iterdir():
            name = file.name.partition(".")[0]
            old = file.stat().st_mtime < time.time() - _FRESH_SECONDS
            if name not in known and (old or name.isdecimal()):
                file.unlink(missing_ok=True)
