"""The pictures of a crash run: small, drawn by code, each with an altered copy to search with."""

import io
from collections.abc import Iterator, Sequence
from functools import cached_property

from PIL import Image

from support.crash.history import Slot
from support.pictures import encoded, scene
from tusou.images.decode import decode
from tusou.services import SERVICES


class Stock:
    """So many pictures for each service, shared out among writers."""

    def __init__(self, services: Sequence[str], count: int, writers: int, seed: int) -> None:
        self.services = services
        self.writers = writers
        self._count = count
        self._seed = seed

    @cached_property
    def _files(self) -> dict[Slot, bytes]:
        return {slot: self._draw(slot) for slot in self}

    @cached_property
    def _copies(self) -> dict[Slot, bytes]:
        return {slot: _recompressed(data) for slot, data in self._files.items()}

    @cached_property
    def signs(self) -> dict[Slot, str]:
        """The cont_signs that the pictures have, by the server's own rule."""
        return {
            slot: str(decode(data, SERVICES[slot.service]).sign)
            for slot, data in self._files.items()
        }

    def __iter__(self) -> Iterator[Slot]:
        return (Slot(name, number) for name in self.services for number in range(self._count))

    def slots_of(self, writer: int) -> list[Slot]:
        """The pictures that only this writer changes."""
        return [slot for slot in self if slot.number % self.writers == writer]

    def file(self, slot: Slot) -> bytes:
        """The picture."""
        return self._files[slot]

    def copy(self, slot: Slot) -> bytes:
        """The picture compressed anew: another picture to the library, and much like it."""
        return self._copies[slot]

    def sign(self, slot: Slot) -> str:
        """The picture's cont_sign."""
        return self.signs[slot]

    def _draw(self, slot: Slot) -> bytes:
        side = max(160, SERVICES[slot.service].shortest_side)
        seed = self._seed * 1_000_003 + slot.number
        return encoded(scene(seed, side, side), "JPEG", quality=90)


def _recompressed(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()
