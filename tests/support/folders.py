"""Data folders with pictures in them, made without a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tusou.backup.make import Sources
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.blobs import THUMBNAIL, FolderBlobs, new_name
from tusou.storage.items import Items, NewItem
from tusou.storage.listing import Listing
from tusou.types import ContSign, Filter


@dataclass
class Store(FolderBlobs):
    """A folder of blobs that does something before one is read."""

    folder: Path
    before: dict[int, Callable[[], None]] = field(default_factory=dict)
    """By how many were read."""
    read: int = 0

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def get(self, name: str) -> bytes:
        self.before.pop(self.read, lambda: None)()
        self.read += 1
        return super().get(name)


class Folder:
    """A data folder; pictures are numbers, and their files say which."""

    def __init__(self, data: Path) -> None:
        self.settings = Settings.load({}, data=data)
        self._office = Office(self.settings)
        if not self._office.registry.list():
            app, _ = self._office.apps.create("test", ["similar"])
            self._office.create_library(app.id, "similar")
        (self.library,) = self._office.registry.list()
        self.items = Items(self._office.database, self.library.id)
        self.store = Store(data / "blobs")
        listed = Listing(self._office.database, self.library.id).page(Filter(), 100, None)
        self.blobs = {int(item.brief): item.blob for item in listed}

    @property
    def sources(self) -> Sources:
        data = self.settings.data
        return Sources(self._office.database, self.store, data / "secret.key", [])

    def add(self, number: int) -> None:
        """Add a picture as a library does: its files first."""
        name = self.blobs[number] = new_name()
        self.store.put(name, b"picture %d" % number)
        self.store.put(name + THUMBNAIL, b"thumbnail %d" % number)
        vector = np.full(4, number, np.float32)
        item = NewItem(
            sign=ContSign(0, number),
            brief=str(number),
            classes=(0, 0),
            blob=name,
            media_type="image/jpeg",
            length=9,
            width=8,
            height=8,
            vectors={self.library.pack: vector},
            keypoints=None,
            sketch=None,
            words=None,
        )
        self.items.insert(item)

    def delete(self, number: int) -> None:
        """Delete a picture as a library does: its row first."""
        self.items.delete([ContSign(0, number)])
        self.lose(number)

    def lose(self, number: int) -> None:
        """Delete a picture's files alone."""
        for suffix in ("", THUMBNAIL):
            self.store.delete(self.blobs[number] + suffix)

    def close(self) -> None:
        self._office.close()


def pictures(data: Path) -> Mapping[int, tuple[bytes, bytes] | None]:
    """The pictures of a restored folder: their files, or None where they are not there."""
    found = dict[int, tuple[bytes, bytes] | None]()
    store = FolderBlobs(data / "blobs")
    with Office(Settings.load({}, data=data)) as office:
        (library,) = office.registry.list()
        assert office.vault.open(office.vault.seal("a")) == "a"
        assert office.apps.secret(library.app_id)  # secret.key fits
        items = Items(office.database, library.id)
        for keys, vectors, _ in items.scan(library.pack):
            for key, row in zip(keys.tolist(), vectors, strict=True):
                number = int(row[0])
                assert items.found([key])[key].brief == str(number)
                ((_, blob),) = [(r.id, r.blob) for r in items.delete([ContSign(0, number)])]
                try:
                    found[number] = store.get(blob), store.get(blob + THUMBNAIL)
                except KeyError:
                    found[number] = None
        assert library.size == len(found)
    names = {name for name, _ in store.names()}
    assert len(names) == 2 * sum(files is not None for files in found.values())
    return found


def whole(*numbers: int) -> Mapping[int, tuple[bytes, bytes]]:
    """What `pictures` says where nothing is missing."""
    return {number: (b"picture %d" % number, b"thumbnail %d" % number) for number in numbers}
