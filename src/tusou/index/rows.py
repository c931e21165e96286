"""The table of rows behind an embedded index: which slot holds which key, its classes, its life."""

import numpy as np
from numpy.typing import NDArray

from tusou.types import Classes, ClassFilter, Keys

Slots = NDArray[np.int64]
"""[N] places in the table; a slot is used again once nothing refers to it."""
Mask = NDArray[np.bool_]
"""[slots] one boolean for each slot."""


class Rows:
    """Keys, classes and life by slot. Not safe for threads: its owner locks."""

    def __init__(self) -> None:
        self._keys: Keys = np.empty(0, np.int64)
        # [2 × slots]: filters read one class at a time, several times faster from whole columns.
        self._classes = np.empty((2, 0), np.uint16)
        self._alive: Mask = np.zeros(0, np.bool_)
        self._used = 0
        self._free: Slots = np.empty(0, np.int64)
        self._slot_of: dict[int, int] = {}

    def __len__(self) -> int:
        """How many rows are alive."""
        return len(self._slot_of)

    @property
    def slots(self) -> int:
        """Length of the table, live or not."""
        return self._used

    @property
    def dead(self) -> int:
        """How many slots hold a removed row that has not been released."""
        return self._used - len(self._free) - len(self._slot_of)

    def insert(self, keys: Keys, classes: Classes) -> Slots:
        """Give new rows a slot each: [N].

        Raises:
            ValueError: a key is there already, or comes twice.
        """
        names = keys.tolist()
        if len(set(names)) != len(names) or not self._slot_of.keys().isdisjoint(names):
            raise ValueError("a key is in the index already, or comes twice")
        slots = self._allocate(len(names))
        self._keys[slots] = keys
        self._classes[:, slots] = classes.T
        self._alive[slots] = True
        self._slot_of.update(zip(names, slots.tolist(), strict=True))
        return slots

    def remove(self, keys: Keys) -> None:
        """End rows; their slots stay taken until `release`."""
        slots = [self._slot_of.pop(key) for key in keys.tolist() if key in self._slot_of]
        self._alive[slots] = False

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Replace the classes of rows that are there."""
        for key, pair in zip(keys.tolist(), classes, strict=True):
            slot = self._slot_of.get(key)
            if slot is not None:
                self._classes[:, slot] = pair

    def keys_at(self, slots: Slots) -> Keys:
        """Name the rows at `slots` [N]: [N] keys."""
        return self._keys[slots]

    def alive(self) -> Mask:
        """Tell which slots hold a live row."""
        return self._alive[: self._used]

    def passing(self, classes: ClassFilter | None) -> Mask:
        """Tell which slots hold a live row that passes the filter."""
        if classes is None or not classes.terms:
            return self.alive()
        return self.alive() & classes.mask(self._classes[:, : self._used].T)

    def unreleased(self) -> Mask:
        """Tell which slots hold a removed row that has not been released."""
        dead = ~self.alive()
        dead[self._free] = False
        return dead

    def release(self, slots: Slots) -> None:
        """Let slots of removed rows be used again: nothing refers to them any more."""
        self._free = np.concatenate([self._free, slots])

    def _allocate(self, count: int) -> Slots:
        reused, self._free = np.split(self._free, [count])
        start, self._used = self._used, self._used + count - len(reused)
        if self._used > len(self._keys):
            self._grow(max(self._used, len(self._keys) * 3 // 2, 1024))
        return np.concatenate([reused, np.arange(start, self._used)])

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self._keys)
        self._keys = np.pad(self._keys, (0, more))
        self._classes = np.pad(self._classes, ((0, 0), (0, more)))
        self._alive = np.pad(self._alive, (0, more))
