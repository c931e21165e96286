"""The model packs at hand: those that ship with the package, and those added to a folder."""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tusou.vision import packs
from tusou.vision.packs import Pack

_log = logging.getLogger(__name__)

_UNFINISHED = ".new-"
_GRACE_SECONDS = 86_400.0  # no download takes longer; what is older was left behind by a crash


class Shelf:
    """Packs by id; one folder `name@version` for each that was added."""

    def __init__(self, folder: Path) -> None:
        """Look into `folder`, which need not exist."""
        self.folder = folder

    def packs(self) -> list[Pack]:
        """All packs, the bundled ones first; what is no pack is passed over with a warning."""
        found = {pack.id: pack for pack in packs.bundled().values()}
        for folder in self._folders():
            try:
                pack = packs.read(folder)
            except ValueError as error:
                _log.warning("%s", error)
            else:
                found.setdefault(pack.id, pack)
        return list(found.values())

    def find(self, name: str) -> Pack:
        """Find a pack by `name@version`, or by its name alone where that is clear.

        Of a name alone the bundled pack is meant, where there is one.

        Raises:
            ValueError: there is none, or there are several of the name.
        """
        there = self.packs()
        bundled = packs.bundled()
        if name in bundled:
            return bundled[name]
        fitting = [pack for pack in there if name in (pack.id, pack.name)]
        if not fitting:
            known = ", ".join(pack.id for pack in there)
            raise ValueError(f"there is no model pack {name}; there are {known}")
        if len(fitting) > 1:
            known = ", ".join(pack.id for pack in fitting)
            raise ValueError(f"which model pack {name}? There are {known}")
        return fitting[0]

    def is_added(self, pack: Pack) -> bool:
        """Whether a pack was added, and did not come with the package."""
        return pack.folder.parent == self.folder

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder to make packs in; gone when the block ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        # Beside the packs, because only within one file system a folder moves in one step.
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=self.folder) as name:
            yield Path(name)

    def take_in(self, made: Sequence[Pack]) -> list[Pack]:
        """Move packs out of a workspace onto the shelf, each in one step.

        Raises:
            ValueError: there is a pack of the name and version of one of them; none was moved.
        """
        known = [pack.id for pack in self.packs()]
        for pack in made:
            if pack.id in known:
                raise ValueError(f"there is a model pack {pack.id} already")
            known.append(pack.id)
            for file in pack.folder.iterdir():
                _sync(file)
            _sync(pack.folder)
        for pack in made:
            try:
                pack.folder.rename(self.folder / pack.id)
            except OSError as error:  # two commands at the same time: the other was faster
                raise ValueError(f"{pack.id} cannot be put on the shelf: {error}") from error
        _sync(self.folder)
        return [packs.read(self.folder / pack.id) for pack in made]

    def remove(self, pack: Pack) -> None:
        """Delete an added pack.

        Raises:
            ValueError: it came with the package.
        """
        if not self.is_added(pack):
            raise ValueError(f"{pack.id} came with tusou and stays")
        with self.workspace() as folder:
            # Out of sight in one step: a crash never leaves half a pack.
            pack.folder.rename(folder / pack.id)

    def _folders(self) -> list[Path]:
        described = sorted(self.folder.glob(f"*/{packs.DESCRIPTION}"))
        folders = [file.parent for file in described]
        return [folder for folder in folders if not folder.name.startswith(_UNFINISHED)]

    def _sweep(self) -> None:
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            if left.stat().st_mtime < time.time() - _GRACE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
