"""Putting a backup back: all of it is checked before the data folder is touched."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tusou.backup import chests, placing, sums
from tusou.backup.make import FORM
from tusou.storage.database import Database

_NAMED = 3
"""Damaged files that a message names."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds."""

    made: int
    """UTC seconds since 1970."""
    version: str
    """Of the tusou that made it."""
    pictures: int
    files: int


class Restored(NamedTuple):
    """A backup that was put back."""

    contents: Contents
    replaced: Path | None
    """Where the folder is that was there before."""


def check(place: Path) -> Contents:
    """Read a backup to its end and compare it with what it says of itself.

    Raises:
        ValueError: something is missing or is not as it was.
    """
    return _read(place, lambda _, file: sums.copy(file))


def restore(place: Path, folder: Path, *, force: bool = False) -> Restored:
    """Make a backup the data folder, which nobody uses meanwhile.

    Args:
        place: The backup.
        folder: The data folder. It is made on the same disk, and put in place when it is whole.
        force: Put a folder aside that is there and not empty.

    Raises:
        ValueError: the backup is damaged.
        RuntimeError: the folder is not empty, or the backup is of a newer tusou.
        OSError: the place is full, or cannot be written to.
    """
    folder = folder.resolve()  # a link to a folder stays one
    with placing.workplace(folder, force=force) as new:
        contents = _read(place, _keep_in(new))
        _require_known(new / sums.DATABASE)
        os.sync()
        return Restored(contents, placing.put(new, folder))


def _keep_in(folder: Path) -> Callable[[str, BinaryIO], str]:
    def keep(name: str, file: BinaryIO) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == sums.KEY:
            path.touch(mode=0o600)
        with path.open("wb") as copy:
            return sums.copy(file, copy)

    return keep


def _read(place: Path, take: Callable[[str, BinaryIO], str]) -> Contents:
    """Give every file to `take`, which returns its digest, and compare."""
    found, papers = dict[str, str](), dict[str, bytes]()
    try:
        for name, file in chests.entries(place):
            if not sums.is_name(name):
                raise ValueError(f"{place} has a file that no backup has: {name!r}")
            if name in (sums.SUMS, sums.FACTS):
                papers[name] = file.read()
            else:
                found[name] = take(name, file)
    except chests.DAMAGED as error:
        raise ValueError(f"{place} is no whole archive: {error}") from error
    if sums.SUMS not in papers or sums.FACTS not in papers:
        raise ValueError(f"{place} is not whole: its end is missing")
    return _compare(place, found, papers)


def _compare(place: Path, found: Mapping[str, str], papers: Mapping[str, bytes]) -> Contents:
    said, own = sums.parse(papers[sums.SUMS]), sums.digest(papers[sums.FACTS])
    if said.pop(sums.FACTS, "") != own:
        raise ValueError(f"{place}: {sums.FACTS} is not as it was")
    facts = json.loads(papers[sums.FACTS])
    if facts["form"] != FORM:
        raise ValueError(f"{place} was made by tusou {facts['version']}; use that to restore it")
    wrong = [name for name in {**said, **found} if said.get(name) != found.get(name)]
    if wrong or facts["files"] != len(said):
        named = ", ".join(wrong[:_NAMED]) + (" …" if len(wrong) > _NAMED else "")
        raise ValueError(f"{place}: {len(wrong)} files are missing or not as they were: {named}")
    return Contents(facts["made"], facts["version"], facts["pictures"], len(found))


def _require_known(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    try:
        if database.state() == "newer":
            raise RuntimeError("the backup was made by a newer tusou; restore it with that version")
    finally:
        database.close()
